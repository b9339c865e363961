// The page of metrics, of a broker whose log was torn.
import { appendFileSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { systemRandom } from '../../base/random.ts';
import { createClient } from '../../broker/client/client.ts';
import { InProcessTransport } from '../../broker/client/in-process-transport.ts';
import { metricsPage } from '../../cli/observation.ts';
import { startTestBroker } from '../support/test-broker.ts';

it('counts what recovery cut of topics, of state, and of the metadata apart', async () => {
  const dataDirectory = await mkdtemp(join(tmpdir(), 'tailrace-observation-'));
  const first = await startTestBroker({ socket: false, dataDirectory });
  for (const name of ['app', '__tailrace_positions']) await first.broker.log.createTopic({ name, partitions: 1 });
  await first.close();
  rmSync(join(dataDirectory, '.kafka_cleanshutdown'));
  const torn = (path: string, count: number) => appendFileSync(join(dataDirectory, path), Buffer.alloc(count, 7));
  torn('app-0/00000000000000000000.log', 100);
  torn('__tailrace_positions-0/00000000000000000000.log', 80);
  torn('tailrace-metadata.log', 3);

  const second = await startTestBroker({ socket: false, dataDirectory });
  const transport = new InProcessTransport(second.broker, 'test');
  const surroundings = { clock: systemClock, random: systemRandom, logger: silentLogger };
  const client = createClient({ transport, clientId: 'test', ...surroundings });
  const page = await metricsPage({ broker: second.broker, client, agents: [], edges: [] }, systemClock, {});
  const cuts = page.split('\n').filter((line) => line.startsWith('tailrace_log_recovery_cut'));
  expect(cuts).toEqual([
    'tailrace_log_recovery_cuts_total{of="topics"} 1',
    'tailrace_log_recovery_cuts_total{of="state"} 1',
    'tailrace_log_recovery_cuts_total{of="metadata"} 1',
    'tailrace_log_recovery_cut_bytes_total{of="topics"} 100',
    'tailrace_log_recovery_cut_bytes_total{of="state"} 80',
    'tailrace_log_recovery_cut_bytes_total{of="metadata"} 3',
  ]);
  await client.close();
  await second.close();
  await rm(dataDirectory, { recursive: true });
});
