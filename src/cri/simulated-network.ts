// Addresses of simulated sandboxes.
import { RuntimeError } from './runtime-error.ts';

// Below it are the range's own address and the gateway's.
const firstSlot = 2;

export class SandboxAddresses {
  /** Ranges, comma-separated: a sandbox has an address of each. */
  podCidr: string;
  readonly #taken = new Set<number>();
  #next = firstSlot;

  constructor(podCidr: string) {
    this.podCidr = podCidr;
  }

  /** In order, reusing an address as late as the range allows. Throws a RuntimeError when there is none left. */
  take(): { slot: number; ips: string[] } {
    const ranges = this.podCidr.split(',');
    const bits = Number(ranges[0]!.split('/')[1]);
    const size = 2 ** Math.min(20, (ranges[0]!.includes(':') ? 128 : 32) - bits);
    for (let tries = 0; tries < size; tries++) {
      const slot = this.#next;
      this.#next = slot + 1 >= size - 1 ? firstSlot : slot + 1;
      if (this.#taken.has(slot)) continue;
      this.#taken.add(slot);
      return { slot, ips: ranges.map(range => addressOf(range, slot)) };
    }
    throw new RuntimeError('RunPodSandbox', 'Unknown', `failed to setup network: no IP addresses in ${this.podCidr}`);
  }

  release(slot: number): void {
    this.#taken.delete(slot);
  }
}

/** The range's address number `slot`. */
function addressOf(cidr: string, slot: number): string {
  const [base = ''] = cidr.trim().split('/');
  if (base.includes(':')) return `${base.replace(/::.*$/, '')}::${slot.toString(16)}`;
  const value = base.split('.').reduce((sum, part) => sum * 256 + Number(part), 0) + slot;
  return [24, 16, 8, 0].map(shift => (value >>> shift) & 255).join('.');
}
