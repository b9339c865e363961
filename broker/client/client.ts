// The one client of the product: what it makes shares connections and metadata.
import { KafkaAdmin } from './admin.ts';
import { KafkaConsumer } from './consumer.ts';
import type {
  Admin,
  ClientDependencies,
  Consumer,
  ConsumerOptions,
  KafkaClient,
  Producer,
  ProducerOptions,
} from './contract.ts';
import { Cluster } from './metadata.ts';
import { KafkaProducer } from './producer.ts';

/** Makes a client over `transport` (in-process-transport.ts or socket-transport.ts). Nothing is connected before it is used. */
export function createClient(dependencies: ClientDependencies): KafkaClient {
  const cluster = new Cluster(dependencies);
  const open = new Set<Producer | Consumer>();
  let consumers = 0;
  return {
    inProcess: dependencies.transport.inProcess,
    admin: (): Admin => new KafkaAdmin(cluster),
    producer(options: ProducerOptions = {}) {
      const producer: Producer = new KafkaProducer(cluster, options, () => open.delete(producer));
      open.add(producer);
      return producer;
    },
    consumer(options: ConsumerOptions) {
      const lane = `consumer-${++consumers}`;
      const consumer: Consumer = new KafkaConsumer(cluster, options, lane, () => open.delete(consumer));
      open.add(consumer);
      return consumer;
    },
    async close() {
      await Promise.all([...open].map((each) => each.close()));
      open.clear();
      await cluster.close();
    },
  };
}
