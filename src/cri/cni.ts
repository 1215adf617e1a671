import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from './command.ts';

export interface CniNetwork {
  /** One word a node: names the network, its address leases and cached results on a machine with several nodes. */
  readonly name: string;
  readonly bridge: string;
  /** The node's pod ranges, one a family. */
  readonly podCidrs: readonly string[];
  readonly mtu: number;
  /** Where host-local keeps the addresses in use. */
  readonly leaseDir: string;
}

const cniVersion = '0.4.0';
const needed = ['bridge', 'host-local', 'portmap', 'loopback'];

/**
 * Bridge, host-local addresses and port mappings. The bridge is the pods' gateway (first address of each range), sends
 * a pod's packets back to itself (a pod reaching its own service), and does not masquerade: that is the proxy's and the
 * node's business.
 */
export function cniConflist(network: CniNetwork): object {
  const anywhere = network.podCidrs.map(cidr => ({ dst: cidr.includes(':') ? '::/0' : '0.0.0.0/0' }));
  return {
    cniVersion,
    name: network.name,
    plugins: [
      {
        type: 'bridge',
        bridge: network.bridge,
        mtu: network.mtu,
        isGateway: true,
        // A node that gets another range keeps its bridge and moves its address.
        forceAddress: true,
        hairpinMode: true,
        ipMasq: false,
        ipam: {
          type: 'host-local',
          dataDir: network.leaseDir,
          ranges: network.podCidrs.map(subnet => [{ subnet }]),
          routes: anywhere,
        },
      },
      { type: 'portmap', capabilities: { portMappings: true }, snat: true },
    ],
  };
}

/** Writes the node's network configuration into `confDir`, whole or not at all; containerd picks it up by itself. */
export async function writeCniConfig(confDir: string, network: CniNetwork): Promise<void> {
  await mkdir(confDir, { recursive: true });
  // Renamed within the directory from a name that containerd does not read.
  const temporary = join(confDir, '.k8ts-new');
  await writeFile(temporary, `${JSON.stringify(cniConflist(network), null, 2)}\n`);
  await rename(temporary, join(confDir, '10-k8ts.conflist'));
}

/** The directory that holds the CNI plugins; fails with what to install. */
export function findCniBinDir(
  candidates: readonly string[] = ['/opt/cni/bin', '/usr/lib/cni', '/usr/libexec/cni'],
): string {
  for (const directory of candidates) if (needed.every(name => existsSync(join(directory, name)))) return directory;
  throw new Error(
    `find the CNI plugins ${needed.join(', ')}: not in ${candidates.join(', ')}; install containernetworking-plugins ` +
      '(Debian, Ubuntu, Fedora: containernetworking-plugins; Arch, Alpine: cni-plugins)',
  );
}

const cniCacheDir = '/var/lib/cni/results';

/**
 * Removes what libcni remembers of the network's attachments, for a node that goes away without taking them down; and
 * of the attachments of the same sandboxes to loopback, which no node's name is in.
 */
export async function forgetCniResults(networkName: string, cacheDir = cniCacheDir): Promise<void> {
  const ids: string[] = [];
  for (const name of (await cached(cacheDir)).filter(n => n.startsWith(`${networkName}-`))) {
    const text = await readFile(join(cacheDir, name), 'utf8').catch(() => '');
    if (!text.includes(`"networkName":"${networkName}"`)) continue;
    await rm(join(cacheDir, name), { force: true });
    const id = /"containerId":"([0-9a-f]+)"/.exec(text)?.[1];
    if (id) ids.push(id);
  }
  await forgetSandboxResults(ids, cacheDir);
}

/** The same for the sandboxes of these ids, on whichever network (each also has one on loopback). */
export async function forgetSandboxResults(ids: readonly string[], cacheDir = cniCacheDir): Promise<void> {
  if (ids.length === 0) return;
  const gone = new Set(ids);
  for (const name of await cached(cacheDir))
    if (gone.has(name.split('-').at(-2) ?? '')) await rm(join(cacheDir, name), { force: true });
}

/** What containerd calls a pod's interface. */
const podInterface = 'eth0';

// Setting the address that is there already makes the kernel tell the link of it.
const announce = `for f in ipv4/conf/${podInterface}/arp_notify ipv6/conf/${podInterface}/ndisc_notify; do
  echo 1 > /proc/sys/net/$f
done 2> /dev/null
exec ip link set ${podInterface} address "$1"`;

/**
 * Tells the node and its pods whose address it is now, where another pod may have had it before. The bridge plugin lets
 * the kernel do that when the interface comes up, which is before the bridge forwards for it: who had spoken with the
 * earlier pod went on sending to that one, for up to a minute. Nothing to do for a sandbox on the node's network.
 */
export class AddressAnnouncer {
  readonly #network: string;
  readonly #cacheDir: string;
  // All that pods had so far; undefined where there were pods before.
  readonly #had: Set<string> | undefined;

  constructor({ name, leaseDir }: Pick<CniNetwork, 'name' | 'leaseDir'>, cacheDir = cniCacheDir) {
    this.#network = name;
    this.#cacheDir = cacheDir;
    this.#had = existsSync(join(leaseDir, name)) ? undefined : new Set();
  }

  async announce(sandboxId: string): Promise<void> {
    const result = await attachmentOf(sandboxId, this.#network, this.#cacheDir);
    if (!result || this.#areNew(result.ips ?? [])) return;
    for (const { sandbox, mac } of result.interfaces ?? [])
      if (sandbox && mac) await runProgram('nsenter', [`--net=${sandbox}`, 'sh', '-c', announce, 'sh', mac]);
  }

  #areNew(ips: readonly { readonly address: string }[]): boolean {
    const had = this.#had;
    if (!had) return false;
    const known = ips.some(ip => had.has(ip.address));
    for (const { address } of ips) had.add(address);
    return !known;
  }
}

export interface CniResult {
  /** Those without a sandbox are the node's: the bridge, then the pod's other end. */
  readonly interfaces?: readonly { readonly name?: string; readonly sandbox?: string; readonly mac?: string }[];
  /** With the length of their range. */
  readonly ips?: readonly { readonly address: string }[];
}

/** What the plugins said of a sandbox's interface; undefined when it has none of this network, or no longer. */
export async function attachmentOf(
  sandboxId: string,
  network: string,
  cacheDir = cniCacheDir,
): Promise<CniResult | undefined> {
  const file = join(cacheDir, `${network}-${sandboxId}-${podInterface}`);
  const text = await readFile(file, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as { result?: CniResult }).result;
}

const cached = (cacheDir: string) => readdir(cacheDir).catch(() => []);
