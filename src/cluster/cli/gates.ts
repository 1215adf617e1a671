// --feature-gates, as Kubernetes' components read it.
import { featureGates } from '../../api/feature-gates.ts';
import { messageOf } from '../../base/assert.ts';
import { CliError, exitCode } from './exit.ts';

/** `Name=true`, `Name=false`; of a name that comes twice the last. Throws a usage error that names what is wrong. */
export function parseGates(items: readonly string[]): Record<string, boolean> {
  const fail = (why: string): never => {
    throw new CliError(`--feature-gates: ${why}`, exitCode.usage);
  };
  const gates: Record<string, boolean> = {};
  for (const item of items.map(i => i.trim()).filter(i => i !== '')) {
    const [name = '', value, ...rest] = item.split('=').map(part => part.trim());
    if (value === undefined || rest.length > 0) fail(`missing bool value for ${name}`);
    if (!/^([tTfF01]|true|false|True|False|TRUE|FALSE)$/.test(value!))
      fail(`invalid value of ${name}=${value}, err: strconv.ParseBool: parsing "${value}": invalid syntax`);
    gates[name] = /^[tT1]/.test(value!);
  }
  try {
    featureGates(gates);
  } catch (error) {
    fail(messageOf(error));
  }
  return gates;
}
