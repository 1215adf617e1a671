// --node-address of `k8ts proxy`.
import { parseIp } from '../../api/name-rule.ts';
import { CliError, exitCode } from './exit.ts';

/** One address, or one of each family, parted by a comma. Throws a usage error for anything else. */
export function parseNodeAddresses(text: string): readonly string[] {
  const addresses = text.split(',').map(a => a.trim());
  const families = new Set(addresses.map(a => parseIp(a)?.length));
  if (families.has(undefined) || families.size < addresses.length)
    throw new CliError(
      `--node-address ${JSON.stringify(text)}: want an address, or one of each family parted by a comma`,
      exitCode.usage,
    );
  return addresses;
}
