import { parseDuration } from './context.ts';
import { CliError, exitCode } from './exit.ts';

/** A flag's duration in milliseconds. */
export function duration(text: string): number {
  try {
    return parseDuration(text);
  } catch (error) {
    throw new CliError((error as Error).message, exitCode.usage);
  }
}
