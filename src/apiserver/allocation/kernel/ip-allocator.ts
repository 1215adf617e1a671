import { formatIp, ipNumber } from '../../../api/ip-number.ts';
import { parseIp } from '../../../api/name-rule.ts';
import { assert } from '../../../base/assert.ts';
import type { Random } from '../../../base/random.ts';
import { Bitmap } from './bitmap.ts';
import type { Allocation } from './port-allocator.ts';

export { formatIp };

/** Larger ranges are used up to this many addresses: 2 MB of bits. */
const maxAddresses = 2 ** 24;

/** The first addresses of a range are left to who asks for one: a 16th part, 16 to 256 of them. */
export function staticAddresses(rangeSize: number): number {
  return rangeSize <= 16 ? 0 : Math.min(Math.max(Math.floor(rangeSize / 16), 16), 256);
}

/** The addresses of one CIDR, without the network's own and, in IPv4, the broadcast address. */
/** Whether the address lies in the range; false for what is no address of its family. */
export function inCidr(cidr: string, text: string): boolean {
  const slash = cidr.indexOf('/');
  const [base, ip] = [parseIp(cidr.slice(0, slash)), parseIp(text)];
  if (!base || ip?.length !== base.length) return false;
  const hostBits = BigInt(ip.length * 8 - Number(cidr.slice(slash + 1)));
  return ipNumber(base) >> hostBits === ipNumber(ip) >> hostBits;
}

export class IpAllocator {
  readonly cidr: string;
  readonly family: 'IPv4' | 'IPv6';
  readonly #base: bigint;
  readonly #bytes: number;
  readonly #slots: Bitmap;
  readonly #reserved: number;

  constructor(cidr: string) {
    const slash = cidr.indexOf('/');
    const ip = parseIp(cidr.slice(0, slash));
    assert(slash > 0 && ip, `"${cidr}" is no CIDR`);
    const hostBits = BigInt(ip.length * 8 - Number(cidr.slice(slash + 1)));
    const total = 1n << hostBits;
    this.cidr = cidr;
    this.family = ip.length === 4 ? 'IPv4' : 'IPv6';
    this.#bytes = ip.length;
    // Slot 0 is the first address behind the network's.
    this.#base = (ipNumber(ip) & ~(total - 1n)) + 1n;
    const usable = total - (ip.length === 4 ? 2n : 1n);
    const size = usable > BigInt(maxAddresses) ? maxAddresses : Math.max(Number(usable), 0);
    this.#slots = new Bitmap(size);
    this.#reserved = Math.min(staticAddresses(Number(total)), size);
  }

  get free(): number {
    return this.#slots.free;
  }

  get used(): number {
    return this.#slots.size - this.#slots.free;
  }

  allocate(ip: string): Allocation {
    const slot = this.#slotOf(ip);
    if (slot === undefined) return 'outOfRange';
    return this.#slots.take(slot) ? 'done' : 'taken';
  }

  /** In canonical text; undefined when the range is full. */
  allocateNext(random: Random): string | undefined {
    const slot = this.#slots.takeAny(this.#reserved, random);
    return slot === undefined ? undefined : formatIp(this.#base + BigInt(slot), this.#bytes);
  }

  release(ip: string): void {
    const slot = this.#slotOf(ip);
    if (slot !== undefined) this.#slots.release(slot);
  }

  has(ip: string): boolean {
    const slot = this.#slotOf(ip);
    return slot !== undefined && this.#slots.has(slot);
  }

  #slotOf(text: string): number | undefined {
    const ip = parseIp(text);
    if (ip?.length !== this.#bytes) return undefined;
    const slot = ipNumber(ip) - this.#base;
    return slot < 0n || slot >= BigInt(this.#slots.size) ? undefined : Number(slot);
  }
}
