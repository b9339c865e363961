// Every agent and sink there is, for loading configurations. The only place where the two registries meet.
import { agentDefinitions } from '../agents/index.ts';
import { readFile } from 'node:fs/promises';
import type { LoadOptions } from '../pipelines/load.ts';
import { sinkDefinitions } from '../sinks/index.ts';

export const loadOptions: LoadOptions = {
  env: process.env,
  readFile: (path) => readFile(path),
  agents: agentDefinitions,
  sinks: sinkDefinitions,
};
