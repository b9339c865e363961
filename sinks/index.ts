// The registry of sinks: one line each. A new sink is one file, a line here, and a test that runs test/sinks/contract.ts.
import { elasticsearchSink } from './elasticsearch/sink.ts';
import { fileSink } from './file/sink.ts';
import { hdfsSink } from './hdfs/sink.ts';
import { stdoutSink } from './stdout.ts';
import type { SinkDefinition } from './sink.ts';

export const sinkDefinitions: readonly SinkDefinition<unknown>[] = [elasticsearchSink, fileSink, hdfsSink, stdoutSink];
