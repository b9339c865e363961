// Kafka's own tools, many in one Java machine (kafka/ToolRunner.java): each is started by the name of its class, and its output can be followed while it runs.
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { until } from './command.ts';
import { canRunJava } from './maven-jars.ts';
import { isInstalled, run } from './programs.ts';
import { kafkaJars } from './real-kafka.ts';

const source = join(import.meta.dirname, 'kafka', 'ToolRunner.java');
const endMs = 60_000;
/** For the shutdown hooks that tools leave with the Java machine. */
const opened = ['--add-opens', 'java.base/java.lang=ALL-UNNAMED'];

/** Whether Kafka's tools can be run here. */
export function canRunTools(): boolean {
  return canRunJava() && isInstalled('javac', ['-version']);
}

export interface ToolResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** One run of a tool. */
export class Tool {
  stdout = '';
  stderr = '';
  code: number | undefined;
  readonly name: string;
  private readonly stopIt: () => void;

  constructor(name: string, stopIt: () => void) {
    this.name = name;
    this.stopIt = stopIt;
  }

  /** How it ended; rejects, with what it printed, when it does not. */
  async end(timeoutMs = endMs): Promise<ToolResult> {
    const code = await until(`the end of ${this.name}`, () => this.code ?? false, timeoutMs).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.stdout}\n${this.stderr}`);
    });
    return { code, stdout: this.stdout, stderr: this.stderr };
  }

  /** Runs its shutdown hooks, as SIGTERM would, and waits for the end. */
  stop(): Promise<ToolResult> {
    this.stopIt();
    return this.end();
  }
}

/** The Java machine in which tools run; close() it in afterAll. */
export class JavaTools {
  private readonly machine: ChildProcess;
  private readonly tools = new Map<number, Tool>();
  private nextId = 1;

  private constructor(machine: ChildProcess) {
    this.machine = machine;
    createInterface({ input: machine.stdout! }).on('line', (line) => this.take(line));
  }

  static async open(): Promise<JavaTools> {
    const jars = dirname((await kafkaJars())[0]!);
    const classes = await compiled(source, jars);
    const logging = `-Dlog4j2.configurationFile=${join(classes, 'log4j2.properties')}`;
    const java = ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto', ...opened, logging];
    const command = [...java, '-cp', `${classes}:${join(jars, '*')}`, basename(source, '.java')];
    return new JavaTools(spawn('java', command, { stdio: ['pipe', 'pipe', 'inherit'] }));
  }

  /** Starts the tool of that class; it goes on beside the test. */
  start(main: string, args: readonly string[], input = ''): Tool {
    const id = this.nextId++;
    const tool = new Tool(`${main} ${args.join(' ')}`, () => this.say({ id, stop: true }));
    this.tools.set(id, tool);
    this.say({ id, main, args, input });
    return tool;
  }

  /** Runs the tool to its end. */
  run(main: string, args: readonly string[], input = ''): Promise<ToolResult> {
    return this.start(main, args, input).end();
  }

  close(): void {
    this.machine.kill('SIGKILL');
  }

  private say(order: object): void {
    this.machine.stdin!.write(JSON.stringify(order) + '\n');
  }

  private take(line: string): void {
    const {
      id,
      out = '',
      err = '',
      code,
    } = JSON.parse(line) as { id: number; out?: string; err?: string; code?: number };
    const tool = this.tools.get(id)!;
    tool.stdout += out;
    tool.stderr += err;
    tool.code = code;
  }
}

const logging = `status = ERROR
rootLogger.level = ERROR
rootLogger.appenderRef.c.ref = C
appender.c.type = Console
appender.c.name = C
appender.c.target = SYSTEM_ERR
appender.c.follow = true
appender.c.layout.type = PatternLayout
appender.c.layout.pattern = %p %m (%c)%n
`;

/** The folder with the compiled program, beside the jars; a changed source is another folder. */
export async function compiled(path: string, jars: string): Promise<string> {
  const mark = createHash('sha256').update(readFileSync(path)).update(logging).digest('hex').slice(0, 8);
  const classes = join(dirname(jars), `${basename(path, '.java')}-${mark}`);
  if (existsSync(classes)) return classes;
  await mkdir(dirname(jars), { recursive: true });
  const fresh = await mkdtemp(join(dirname(jars), 'incoming-'));
  const result = await run('javac', ['--release', '17', '-cp', join(jars, '*'), '-d', fresh, path]);
  if (result.code !== 0) throw new Error(`${path} was not compiled: ${result.stderr}`);
  await writeFile(join(fresh, 'log4j2.properties'), logging);
  await rename(fresh, classes).catch(() => undefined); // Another run was quicker.
  return classes;
}
