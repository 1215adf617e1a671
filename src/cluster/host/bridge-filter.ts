// br_netfilter: what makes packets between pods on one bridge pass the service rules. A module on most kernels, which
// nothing loads by itself.
import { existsSync, writeFileSync } from 'node:fs';
import { exec } from './exec.ts';

export interface BridgeFilterOptions {
  /** Bridges of this network namespace stay as they were; namespaces made later have it on. */
  readonly onlyNamespaces?: boolean;
  /** For tests. */
  readonly directory?: string;
  readonly modprobe?: string;
}

export const bridgeFilterDirectory = '/proc/sys/net/bridge';
const files = ['bridge-nf-call-iptables', 'bridge-nf-call-ip6tables', 'bridge-nf-call-arptables'];

/** Loads it unless it is there. What to tell people where that fails, else undefined. */
export async function loadBridgeFilter(options: BridgeFilterOptions = {}): Promise<string | undefined> {
  const { directory = bridgeFilterDirectory, modprobe = 'modprobe', onlyNamespaces } = options;
  const present = () => existsSync(`${directory}/${files[0]}`);
  if (present()) return undefined;
  const failure = await exec(modprobe, ['br_netfilter']).then(
    () => undefined,
    error => (error as Error).message.split('\n')[0]!,
  );
  if (!present())
    return `the kernel has no br_netfilter: pods will not reach services backed by a neighbour on their node (${failure ?? 'it is not there after loading it'})`;
  if (onlyNamespaces) for (const file of files) writeFileSync(`${directory}/${file}`, '0');
  return undefined;
}
