// The registry of steps: one line each. A new step is one file, a line here, and a test.
import { add } from './add.ts';
import type { AnyStepDefinition } from './definition.ts';
import { drop } from './drop.ts';
import { keep } from './keep.ts';
import { lookup } from './lookup.ts';
import { parse } from './parse.ts';
import { redact } from './redact.ts';
import { remove } from './remove.ts';
import { rename } from './rename.ts';
import { route } from './route.ts';
import { sample } from './sample.ts';
import { set } from './set.ts';
import { split } from './split.ts';
import { timestamp } from './timestamp.ts';

export const steps: readonly AnyStepDefinition[] = [
  ...[parse, drop, keep, set, add, rename, remove, timestamp],
  ...[redact, sample, split, lookup, route],
];
