// Waiting requests: woken by their condition, by time, or when whoever asked is gone; never twice, and nothing stays behind.
import { expect, test } from 'vitest';
import type { Clock } from '../../../base/clock.ts';
import { WaitingRequests } from '../../../broker/handlers/waiting.ts';
import type { PartitionLog } from '../../../broker/log/contract.ts';

class ManualTime implements Clock {
  private readonly timers: { at: number; action: () => void }[] = [];
  private time = 0;
  now = () => this.time;
  monotonicMs = () => this.time;
  schedule(delayMs: number, action: () => void) {
    const timer = { at: this.time + delayMs, action };
    this.timers.push(timer);
    return { cancel: () => void this.timers.splice(this.timers.indexOf(timer), 1) };
  }
  pass(ms: number) {
    this.time += ms;
    for (const timer of this.timers.filter(({ at }) => at <= this.time)) timer.action();
  }
  get pending() {
    return this.timers.length;
  }
}

function movingPartition() {
  const listeners = new Set<() => void>();
  const onAdvance = (listener: () => void) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  };
  const partition = { onAdvance } as Partial<PartitionLog> as PartitionLog;
  return { partition, listeners, move: () => [...listeners].forEach((listener) => listener()) };
}

test('a condition that holds already does not wait', async () => {
  const waiting = new WaitingRequests(new ManualTime());
  await waiting.until({}, [], 1000, () => true);
  await waiting.until({}, [], 0, () => false);
  expect(waiting.size).toBe(0);
});

test('a move that does not fulfil the condition wakes nobody; one that does wakes, and cleans up', async () => {
  const time = new ManualTime();
  const waiting = new WaitingRequests(time);
  const { partition, listeners, move } = movingPartition();
  let bytes = 0;
  const done = waiting.until({}, [partition], 1000, () => bytes >= 10);
  move();
  expect(waiting.size).toBe(1);
  bytes = 10;
  move();
  await done;
  expect([waiting.size, listeners.size, time.pending]).toEqual([0, 0, 0]);
});

test('time ends the waiting', async () => {
  const time = new ManualTime();
  const waiting = new WaitingRequests(time);
  const done = waiting.until({}, [movingPartition().partition], 1000, () => false);
  time.pass(1000);
  await done;
  expect(waiting.size).toBe(0);
});

test('releasing one who asked leaves the others; close lets all go for good', async () => {
  const waiting = new WaitingRequests(new ManualTime());
  const [first, second] = [{}, {}];
  const firstDone = waiting.until(first, [], 1000, () => false);
  const secondDone = waiting.until(second, [], 1000, () => false);
  waiting.release(first);
  await firstDone;
  expect(waiting.size).toBe(1);
  waiting.close();
  await secondDone;
  await waiting.until(first, [], 1000, () => false);
  expect(waiting.size).toBe(0);
});
