// Tells a node's pods that the addresses of pods that have gone are nobody's.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock, Timer } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { attachmentOf, type CniNetwork, type CniResult } from './cni.ts';
import { runProgram } from './command.ts';

export interface AddressWithdrawalOptions {
  readonly network: Pick<CniNetwork, 'name' | 'leaseDir'>;
  readonly clock: Clock;
  readonly log: Log;
  /** The network namespace of the bridge, where it is not this one. */
  readonly namespace?: string;
  readonly cacheDir?: string;
  /** What runs programs; tests pass their own. */
  readonly run?: typeof runProgram;
}

/** Pods that go together are told of together: each time costs a program of 6 ms. */
const gatherMs = 100;

// Changing the bridge's address to the one it has makes the kernel tell all on it whose addresses it holds, and forget
// whom it knew itself.
const script = `for f in "ipv4/conf/$1/arp_notify" "ipv6/conf/$1/ndisc_notify"; do
  echo 1 > "/proc/sys/net/$f"
done 2> /dev/null
shift
printf '%s\\n' "$@" | ip -force -batch -`;

const whole = (ip: string): string => `${ip}/${ip.includes(':') ? 128 : 32}`;

/**
 * Who had spoken with a pod on its bridge goes on sending to its hardware address, which nobody has any longer: until
 * the kernel asks anew, a connection waits for up to 72 s (seen with repeats of its first packet at 1, 3, 7, 15, 31 and
 * 63 s; over IPv6 95 s were not enough). So the bridge takes the address for an instant and says so; what is sent there then comes to the node, which
 * asks for the address itself and answers within 3 s that there is none.
 */
export class AddressWithdrawal {
  readonly #o: AddressWithdrawalOptions;
  readonly #gone = new Map<string, { readonly bridge: string; readonly mac: string }>();
  #timer: Timer | undefined;

  constructor(options: AddressWithdrawalOptions) {
    this.#o = options;
  }

  /** Of a sandbox that is to stop; the plugins forget it then. */
  attachment(sandboxId: string): Promise<CniResult | undefined> {
    return attachmentOf(sandboxId, this.#o.network.name, this.#o.cacheDir);
  }

  /** It has stopped. */
  withdraw({ interfaces, ips }: CniResult): void {
    const { name: bridge, mac } = interfaces?.find(i => !i.sandbox) ?? {};
    if (!bridge || !mac) return;
    for (const { address } of ips ?? []) {
      const [ip] = address.split('/');
      if (ip) this.#gone.set(ip, { bridge, mac });
    }
    if (this.#gone.size) this.#timer ??= this.#o.clock.after(gatherMs, () => void this.#tell());
  }

  stop(): void {
    this.#timer?.cancel();
  }

  async #tell(): Promise<void> {
    this.#timer = undefined;
    const { network, namespace, run = runProgram, log } = this.#o;
    // One that is given again already is its new pod's to announce.
    const free = [...this.#gone].filter(([ip]) => !existsSync(join(network.leaseDir, network.name, ip)));
    this.#gone.clear();
    const [first] = free;
    if (!first) return;
    const [, { bridge, mac }] = first;
    const lines = [
      // Nobody else has it: the kernel need not look for that first, nor then be silent.
      ...free.map(([ip]) => `addr add ${whole(ip)} dev ${bridge}${ip.includes(':') ? ' nodad' : ''}`),
      `link set ${bridge} address ${mac}`,
      ...free.map(([ip]) => `addr del ${whole(ip)} dev ${bridge}`),
    ];
    const [program, ...args] = [...(namespace ? ['ip', 'netns', 'exec', namespace] : []), 'sh', '-c', script, 'sh'];
    try {
      await run(program!, [...args, bridge, ...lines]);
    } catch (error) {
      log.warn("telling that pods' addresses are free failed", { addresses: free.map(([ip]) => ip), error });
    }
  }
}
