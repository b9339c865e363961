// The ledger: where every line went. What agents committed is set against what each edge read of it, and what an edge read against what became of it:
// read (+ made by splitting) = delivered + dropped by a rule + dead letters (+ already there). Accounts are committed with the offsets, lines with the positions, so the
// ledger is exact across kills; it speaks of everything since the data directory was new.
import { formatBytes, formatCount } from '../base/units.ts';
import { type Account, isBalanced } from './account.ts';

/** What an agent says of itself (agents/agent.ts). */
export interface AgentAccount {
  agent: string;
  committedLines: Readonly<Record<string, number>>;
  committedBytes: number;
  totalLines: Readonly<Record<string, number>>;
  warnings: readonly string[];
  /** Why it has not brought everything into its topics that it should have. */
  problem: string | undefined;
}

export interface EdgeAccount {
  /** `<pipeline>.<sink>`. */
  edge: string;
  /** Where it reads. */
  topics: readonly string[];
  /** When it writes into a topic. */
  toTopic: string | undefined;
  /** Where dead letters go. */
  deadLetterTopic: string;
  account: Account;
  /** True when it reads its topics from the first record to the end; a job or a later start need not have read everything. */
  readsAll: boolean;
  /** Why it has not delivered everything it should have. */
  problem: string | undefined;
}

export interface LedgerEdge extends Account {
  edge: string;
  topics: readonly string[];
  deadLetterTopic: string | undefined;
  /** Lines that agents and other edges put into its topics and it has not read; undefined when it does not read them all. */
  missing: number | undefined;
  problem: string | undefined;
  balanced: boolean;
}

export interface Ledger {
  agents: {
    agent: string;
    lines: number;
    bytes: number;
    totalLines: Readonly<Record<string, number>>;
    warnings: readonly string[];
    problem: string | undefined;
  }[];
  /** Records that agents and edges put into each topic. */
  topics: { topic: string; records: number }[];
  edges: LedgerEdge[];
  /** True when every line has exactly one end, and none is on the way. */
  balanced: boolean;
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

/** Sets the accounts against each other. */
export function buildLedger(agents: readonly AgentAccount[], edges: readonly EdgeAccount[]): Ledger {
  const written = new Map<string, number>();
  const add = (topic: string, records: number) => written.set(topic, (written.get(topic) ?? 0) + records);
  for (const { totalLines } of agents) for (const [topic, lines] of Object.entries(totalLines)) add(topic, lines);
  for (const { toTopic, account } of edges) if (toTopic !== undefined) add(toTopic, account.out);
  const rows = edges.map(({ edge, topics, deadLetterTopic, account, readsAll, problem }): LedgerEdge => {
    // Other producers may have written, too: then more was read than is known of, which is no loss.
    const missing = readsAll
      ? Math.max(0, sum(topics.map((topic) => written.get(topic) ?? 0)) - account.in)
      : undefined;
    return {
      ...{ edge, topics, ...account, missing, problem },
      deadLetterTopic: account.dead > 0 ? deadLetterTopic : undefined,
      balanced: isBalanced(account) && (missing ?? 0) === 0 && problem === undefined,
    };
  });
  return {
    agents: agents.map(({ agent, committedLines, committedBytes, totalLines, warnings, problem }) => ({
      ...{ agent, lines: sum(Object.values(committedLines)), bytes: committedBytes, totalLines, warnings },
      problem,
    })),
    topics: [...written].map(([topic, records]) => ({ topic, records })),
    edges: rows,
    balanced: rows.every(({ balanced }) => balanced) && agents.every(({ problem }) => problem === undefined),
  };
}

/** The ledger as a table for people. */
export function renderLedger(ledger: Ledger): string {
  const blocks: string[] = [];
  if (ledger.agents.length > 0) {
    const rows = ledger.agents.map(({ agent, lines, bytes, totalLines }) => [
      ...[agent, formatCount(lines), formatBytes(bytes), formatCount(sum(Object.values(totalLines)))],
    ]);
    blocks.push(table(['agent', 'lines this run', 'bytes', 'lines ever'], rows));
  }
  if (ledger.edges.length > 0) {
    const rows = ledger.edges.map((edge) => [
      ...[edge.edge, formatCount(edge.in), formatCount(edge.out), formatCount(edge.alreadyThere)],
      ...[formatCount(edge.dropped), formatCount(edge.dead), edge.balanced ? 'yes' : 'NO'],
    ]);
    blocks.push(table(['edge', 'read', 'delivered', 'already there', 'dropped', 'dead letters', 'balanced'], rows));
  }
  const notes: string[] = [];
  for (const { agent, warnings, problem } of ledger.agents)
    for (const text of problem === undefined ? warnings : [...warnings, problem]) notes.push(`${agent}: ${text}`);
  for (const { edge, problem, missing, deadLetterTopic, dead, split } of ledger.edges) {
    if (split > 0)
      notes.push(`${edge}: splitting made ${formatCount(split)} more ${split === 1 ? 'record' : 'records'}`);
    if (problem !== undefined) notes.push(`${edge}: ${problem}`);
    if (missing !== undefined && missing > 0) notes.push(`${edge}: ${formatCount(missing)} lines were not read`);
    if (deadLetterTopic !== undefined)
      notes.push(`${edge}: ${formatCount(dead)} dead letters are in ${deadLetterTopic}, each with its reason`);
  }
  if (notes.length > 0) blocks.push(notes.join('\n'));
  blocks.push(ledger.balanced ? 'balanced: every line read has exactly one end' : 'NOT balanced');
  return blocks.join('\n\n');
}

/** First column to the left, numbers to the right. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ');
  return [line(head), ...rows.map(line)].join('\n').trimEnd();
}
