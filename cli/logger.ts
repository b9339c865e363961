// The command's logger: short lines for people on a terminal, pino's JSON for machines. Both go to standard error.
import type { LogFields, Logger } from '../base/logger.ts';
import type { Logger as PinoLogger } from 'pino';
import { note, paint } from './output.ts';

const levels = { debug: 20, info: 30, warn: 40, error: 50 } as const;
export type LogLevel = keyof typeof levels;

function textLogger(minimum: LogLevel, inherited: LogFields): Logger {
  const write = (level: LogLevel, message: string, fields: LogFields = {}) => {
    if (levels[level] < levels[minimum]) return;
    const time = new Date().toISOString().slice(11, 23);
    const colour = level === 'error' ? 'red' : level === 'warn' ? 'yellow' : 'dim';
    const rest = Object.entries({ ...inherited, ...fields })
      .filter(([, value]) => value !== undefined)
      .map(
        ([name, value]) =>
          ` ${name}=${typeof value === 'string' && /[\s"=]/.test(value) ? JSON.stringify(value) : String(value)}`,
      )
      .join('');
    note(`${time} ${paint(colour, level.padEnd(5), process.stderr)} ${message}${paint('dim', rest, process.stderr)}`);
  };
  return {
    debug: (message, fields) => write('debug', message, fields),
    info: (message, fields) => write('info', message, fields),
    warn: (message, fields) => write('warn', message, fields),
    error: (message, fields) => write('error', message, fields),
    child: (fields) => textLogger(minimum, { ...inherited, ...fields }),
  };
}

async function jsonLogger(minimum: LogLevel): Promise<Logger> {
  const { pino } = await import('pino');
  const wrap = (log: PinoLogger): Logger => ({
    debug: (message, fields) => log.debug(fields ?? {}, message),
    info: (message, fields) => log.info(fields ?? {}, message),
    warn: (message, fields) => log.warn(fields ?? {}, message),
    error: (message, fields) => log.error(fields ?? {}, message),
    child: (fields) => wrap(log.child(fields)),
  });
  return wrap(pino({ level: minimum }, pino.destination({ dest: 2, sync: true })));
}

/** Text unless JSON is asked for; pino is loaded only then. */
export async function createLogger(minimum: LogLevel, format: 'text' | 'json'): Promise<Logger> {
  return format === 'json' ? jsonLogger(minimum) : textLogger(minimum, {});
}
