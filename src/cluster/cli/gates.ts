// --feature-gates of the programs that the command line starts.
import { parseFeatureGates } from '../../api/feature-gates.ts';
import { messageOf } from '../../base/assert.ts';
import { CliError, exitCode } from './exit.ts';

/** Throws a usage error that names what is wrong. */
export function parseGates(items: readonly string[]): Record<string, boolean> {
  try {
    return parseFeatureGates(items);
  } catch (error) {
    throw new CliError(`--feature-gates: ${messageOf(error)}`, exitCode.usage);
  }
}
