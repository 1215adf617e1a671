import { messageOf } from './assert.ts';
import { type Clock, systemClock } from './clock.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
const rank: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 };

/** Structured log: a constant message plus fields. One line an entry. */
export interface Log {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
  /** A log that adds these fields to each entry. */
  with(fields: Record<string, unknown>): Log;
}

export interface LogOptions {
  level?: LogLevel;
  clock?: Clock;
  write?: (line: string) => void;
}

export function createLog(component: string, options: LogOptions = {}): Log {
  const { level = 'info', clock = systemClock, write = line => process.stderr.write(line) } = options;
  const make = (bound: Record<string, unknown>): Log => {
    const at = (l: LogLevel) => (message: string, fields?: Record<string, unknown>) => {
      if (rank[l] < rank[level]) return;
      let line = `${new Date(clock.now()).toISOString()} ${l.toUpperCase().padEnd(5)} ${component}: ${message}`;
      for (const [k, v] of Object.entries({ ...bound, ...fields })) line += ` ${k}=${render(v)}`;
      write(`${line}\n`);
    };
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      with: fields => make({ ...bound, ...fields }),
    };
  };
  return make({});
}

function render(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(messageOf(value));
  return typeof value === 'string' && /^[\w./:@-]+$/.test(value) ? value : (JSON.stringify(value) ?? 'undefined');
}

/** Drops everything. */
export const silentLog: Log = createLog('silent', { write: () => {} });
