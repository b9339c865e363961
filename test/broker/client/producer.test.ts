import { describe, expect, it } from 'vitest';
import type { KafkaClient, OutgoingRecord, Producer } from '../../../broker/client/contract.ts';
import { BatchBuilder } from '../../../broker/wire/batch-builder.ts';
import { apis } from '../../../broker/wire/apis.ts';
import { ErrorCode } from '../../../broker/wire/errors.ts';
import { batchOf, lostAnswer, produced, ScriptedBroker } from './scripted-broker.ts';

const record = (value: string): OutgoingRecord => ({ topic: 't', partition: 0, value: Buffer.from(value) });

function batch(count = 1): BatchBuilder {
  const builder = new BatchBuilder();
  for (let index = 0; index < count; index++) builder.append(0, null, Buffer.from('v'));
  return builder;
}

/** A promise to be resolved by hand. */
function gate<T>() {
  let open: (value: T) => void = () => undefined;
  const promise = new Promise<T>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}

async function begun(client: KafkaClient): Promise<Producer> {
  const producer = client.producer({ transactionalId: 'txn' });
  await producer.init();
  return producer;
}

describe('sequences', () => {
  it('count records, in the order of the calls, and the first batch travels alone', async () => {
    const broker = new ScriptedBroker();
    const first = gate<undefined>();
    broker.script.Produce = async (body) => {
      if (batchOf(body).sequence === 0) await first.promise;
      return produced(body);
    };
    const producer = broker.client('remote').producer();
    const sends = [3, 2, 1].map((count) => producer.send(Array.from({ length: count }, () => record('v'))));
    await expect.poll(() => broker.bodies('Produce').length).toBe(1);
    await new Promise((resolve) => setImmediate(resolve));
    expect(broker.bodies('Produce')).toHaveLength(1);
    first.open(undefined);
    await Promise.all(sends);
    expect(broker.bodies('Produce').map(batchOf)).toEqual([
      { sequence: 0, count: 3, epoch: 0 },
      { sequence: 3, count: 2, epoch: 0 },
      { sequence: 5, count: 1, epoch: 0 },
    ]);
  });

  it('are repeated in order, with those behind, when an error may pass', async () => {
    const broker = new ScriptedBroker();
    const producer = broker.client('remote').producer();
    await producer.send([record('0')]);
    const all = gate<undefined>();
    let moved = true;
    broker.script.Produce = async (body) => {
      const { sequence } = batchOf(body);
      if (!moved) return produced(body);
      if (sequence === 3) all.open(undefined);
      await all.promise;
      if (sequence === 3) moved = false;
      return produced(body, sequence === 1 ? ErrorCode.NOT_LEADER_OR_FOLLOWER : ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    };
    await Promise.all(['1', '2', '3'].map((value) => producer.send([record(value)])));
    const sequences = broker.bodies('Produce').map((body) => batchOf(body).sequence);
    expect(sequences).toEqual([0, 1, 2, 3, 1, 2, 3]);
  });

  it('survive a lost answer: the same batch goes again, and a broker that has it says so', async () => {
    const broker = new ScriptedBroker();
    let lost = false;
    broker.script.Produce = (body) => {
      if (lost) return produced(body, ErrorCode.DUPLICATE_SEQUENCE_NUMBER);
      lost = true;
      return lostAnswer();
    };
    await broker
      .client('remote')
      .producer()
      .send([record('once')]);
    expect(broker.bodies('Produce').map((body) => batchOf(body).sequence)).toEqual([0, 0]);
  });

  it('end the producer when the broker misses one: no new identity behind the caller of this send', async () => {
    const broker = new ScriptedBroker();
    broker.script.Produce = (body) => produced(body, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    const producer = broker.client('remote').producer();
    await expect(producer.send([record('v')])).rejects.toMatchObject({ errorName: 'OUT_OF_ORDER_SEQUENCE_NUMBER' });
    expect(broker.calls()).toEqual(['InitProducerId', 'Produce']);
  });
});

describe('a transaction', () => {
  it('of this process appends with acks=1 and leaves the disk to EndTxn; a remote one asks for acks=all', async () => {
    for (const [place, acks] of [
      ['in process', 1],
      ['remote', -1],
    ] as const) {
      const broker = new ScriptedBroker();
      const producer = await begun(broker.client(place));
      const transaction = producer.begin();
      void transaction.sendBatch('t', 0, batch());
      await transaction.commit();
      expect(broker.calls()).toEqual(['InitProducerId', 'Produce', 'EndTxn']);
      expect(broker.bodies('Produce')[0]).toMatchObject({ acks, transactionalId: 'txn' });
    }
  });

  it('asks for its end only when every append was taken', async () => {
    const broker = new ScriptedBroker();
    const answer = gate<undefined>();
    broker.script.Produce = async (body) => {
      await answer.promise;
      return produced(body);
    };
    const producer = await begun(broker.client('remote'));
    const transaction = producer.begin();
    void transaction.sendBatch('t', 0, batch());
    const committed = transaction.commit();
    await expect.poll(() => broker.calls()).toContain('Produce');
    await new Promise((resolve) => setImmediate(resolve));
    expect(broker.calls()).not.toContain('EndTxn');
    answer.open(undefined);
    await committed;
    expect(broker.calls()).toContain('EndTxn');
  });

  it('takes a new epoch and new sequences from each EndTxn of transaction.version 2', async () => {
    const broker = new ScriptedBroker();
    const producer = await begun(broker.client('remote'));
    for (let round = 0; round < 2; round++) {
      const transaction = producer.begin();
      await transaction.sendBatch('t', 0, batch(4));
      await transaction.commit();
    }
    expect(broker.bodies('Produce').map(batchOf)).toEqual([
      { sequence: 0, count: 4, epoch: 0 },
      { sequence: 0, count: 4, epoch: 1 },
    ]);
    expect(broker.seen.filter(({ api }) => api === 'Produce').every(({ version }) => version >= 12)).toBe(true);
  });

  it('adds partitions and groups by hand before transaction.version 2, and goes on with its sequences', async () => {
    const broker = new ScriptedBroker();
    broker.transactionVersion = 1;
    const producer = await begun(broker.client('remote'));
    for (let round = 0; round < 2; round++) {
      const transaction = producer.begin();
      void transaction.sendBatch('t', 0, batch(2));
      void transaction.sendBatch('t', 0, batch(2));
      const group = { groupId: 'g', generation: 3, memberId: 'm', instanceId: undefined };
      await transaction.sendOffsets([{ topic: 't', partition: 0, offset: 5 }], group);
      await transaction.commit();
    }
    const round = ['AddPartitionsToTxn', 'Produce', 'Produce', 'AddOffsetsToTxn', 'TxnOffsetCommit', 'EndTxn'].sort();
    expect(broker.calls().slice(1, 7).sort()).toEqual(round);
    expect(broker.calls().slice(7).sort()).toEqual(round);
    expect(broker.bodies('Produce').map((body) => batchOf(body).sequence)).toEqual([0, 2, 4, 6]);
    const versions = new Map(broker.seen.map(({ api, version }) => [api, version]));
    expect(versions.get('Produce')).toBe(11);
    expect(versions.get('EndTxn')).toBe(4);
    expect(versions.get('TxnOffsetCommit')).toBe(4);
  });

  it('with a refused batch is rolled back by commit(), which reports the refusal', async () => {
    const broker = new ScriptedBroker();
    const producer = await begun(broker.client('in process'));
    broker.script.Produce = (body) => produced(body, batchOf(body).sequence === 0 ? ErrorCode.MESSAGE_TOO_LARGE : 0);
    const transaction = producer.begin();
    void transaction.sendBatch('t', 0, batch());
    await expect(transaction.commit()).rejects.toMatchObject({ errorName: 'MESSAGE_TOO_LARGE' });
    expect(broker.bodies('EndTxn').map(({ committed }) => committed)).toEqual([false]);
    delete broker.script.Produce;
    const next = producer.begin();
    await next.sendBatch('t', 0, batch());
    await next.commit();
    expect(broker.bodies('EndTxn').map(({ committed }) => committed)).toEqual([false, true]);
  });

  it('whose EndTxn got no answer is not asked about again: only init() goes on', async () => {
    const broker = new ScriptedBroker();
    const producer = await begun(broker.client('remote'));
    broker.script.EndTxn = lostAnswer;
    const transaction = producer.begin();
    await transaction.sendBatch('t', 0, batch());
    await expect(transaction.commit()).rejects.toMatchObject({ code: 'TLR_UNREACHABLE', retriable: true });
    expect(broker.calls().filter((api) => api === 'EndTxn')).toHaveLength(1);
    expect(() => producer.begin()).toThrow(/initialised/);
    await expect(transaction.sendBatch('t', 0, batch())).rejects.toThrow();
    delete broker.script.EndTxn;
    await producer.init();
    // The open transaction is aborted first; then it says who it is, so that the coordinator sees whether someone else came in between (KIP-360).
    expect(broker.bodies('EndTxn').map(({ committed }) => committed)).toEqual([true, false]);
    expect(broker.bodies('InitProducerId').at(-1)).toMatchObject({ producerId: 7, producerEpoch: 1 });
    await producer.begin().commit();
  });

  it('waits while the coordinator is busy with the one before', async () => {
    const broker = new ScriptedBroker();
    const producer = await begun(broker.client('remote'));
    let busy = 2;
    broker.script.Produce = (body) => produced(body, busy-- > 0 ? ErrorCode.CONCURRENT_TRANSACTIONS : 0);
    const transaction = producer.begin();
    void transaction.sendBatch('t', 0, batch());
    await transaction.commit();
    expect(broker.bodies('Produce').map((body) => batchOf(body).sequence)).toEqual([0, 0, 0]);
  });

  it('without content costs no request', async () => {
    const broker = new ScriptedBroker();
    const producer = await begun(broker.client('remote'));
    await producer.begin().commit();
    await producer.begin().abort();
    expect(broker.calls()).toEqual(['InitProducerId']);
  });
});

describe('init', () => {
  it('reports a takeover of the transactional id as TLR_FENCED', async () => {
    const broker = new ScriptedBroker();
    const producer = await begun(broker.client('remote'));
    broker.script.InitProducerId = () => apis.InitProducerId.response.create({ errorCode: ErrorCode.PRODUCER_FENCED });
    await expect(producer.init()).rejects.toMatchObject({ code: 'TLR_FENCED' });
  });

  it('takes a transaction that outlived its timeout for what it is: the coordinator fenced it, nobody else', async () => {
    const broker = new ScriptedBroker();
    const producer = broker.client('remote').producer({ transactionalId: 'txn', transactionTimeoutMs: 1 });
    await producer.init();
    await producer.begin().sendBatch('t', 0, batch());
    await new Promise((resolve) => setTimeout(resolve, 5));
    broker.script.EndTxn = () => apis.EndTxn.response.create({ errorCode: ErrorCode.PRODUCER_FENCED });
    await producer.init();
    expect(broker.bodies('InitProducerId').map(({ producerId }) => producerId)).toEqual([-1, -1]);
  });

  it('is what helps when the end of a transaction comes after its timeout: the agent goes on, for nobody took over', async () => {
    const broker = new ScriptedBroker();
    broker.script.EndTxn = () => apis.EndTxn.response.create({ errorCode: ErrorCode.PRODUCER_FENCED });
    const commit = async (transactionTimeoutMs: number) => {
      const producer = broker.client('remote').producer({ transactionalId: 'txn', transactionTimeoutMs });
      await producer.init();
      const transaction = producer.begin();
      await transaction.sendBatch('t', 0, batch());
      await new Promise((resolve) => setTimeout(resolve, 5));
      return transaction.commit();
    };
    await expect(commit(1)).rejects.toMatchObject({ code: 'TLR_KAFKA', retriable: true });
    await expect(commit(600_000)).rejects.toMatchObject({ code: 'TLR_FENCED' });
  });

  it('begins anew when the coordinator has forgotten the id', async () => {
    const broker = new ScriptedBroker();
    const producer = await begun(broker.client('remote'));
    broker.script.InitProducerId = ({ producerId }) =>
      producerId === -1
        ? apis.InitProducerId.response.create({ producerId: 8, producerEpoch: 0 })
        : apis.InitProducerId.response.create({ errorCode: ErrorCode.INVALID_PRODUCER_ID_MAPPING });
    await producer.init();
    expect(broker.bodies('InitProducerId').map(({ producerId }) => producerId)).toEqual([-1, 7, -1]);
  });

  it('repeats while the coordinator is away, and ends when the producer is closed', async () => {
    const broker = new ScriptedBroker();
    let answers = 0;
    broker.script.InitProducerId = () => {
      answers++;
      return apis.InitProducerId.response.create({ errorCode: ErrorCode.COORDINATOR_LOAD_IN_PROGRESS });
    };
    const producer = broker.client('remote').producer({ transactionalId: 'txn' });
    const waiting = producer.init();
    await expect.poll(() => answers).toBeGreaterThan(2);
    await producer.close();
    await expect(waiting).rejects.toMatchObject({ code: 'TLR_CLOSED' });
  });
});
