// A logger that keeps what it is told.
import type { LogFields, Logger } from '../../base/logger.ts';

export interface LoggedLine {
  level: 'debug' | 'info' | 'warn' | 'error';
  message: string;
  fields: LogFields;
}

export function recordingLogger(lines: LoggedLine[] = [], inherited: LogFields = {}): Logger & { lines: LoggedLine[] } {
  const write = (level: LoggedLine['level']) => (message: string, fields?: LogFields) =>
    void lines.push({ level, message, fields: { ...inherited, ...fields } });
  return {
    lines,
    ...{ debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
    child: (fields) => recordingLogger(lines, { ...inherited, ...fields }),
  };
}
