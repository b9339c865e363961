// Every kind of agent: one line each. The next one is a file, a line here and a test.
import type { AgentDefinition } from './agent.ts';
import { httpAgent } from './http/agent.ts';
import { tailAgent } from './tail/agent.ts';

export const agentDefinitions: readonly AgentDefinition<unknown>[] = [tailAgent, httpAgent];
