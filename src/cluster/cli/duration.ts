import { parseDuration } from './context.ts';
import { CliError, exitCode } from './exit.ts';

// The longest a timer can run, some 24 days.
const longestMs = 2 ** 31 - 1;

/** A flag's duration in milliseconds. */
export function duration(text: string): number {
  try {
    return Math.min(parseDuration(text), longestMs);
  } catch (error) {
    throw new CliError((error as Error).message, exitCode.usage);
  }
}
