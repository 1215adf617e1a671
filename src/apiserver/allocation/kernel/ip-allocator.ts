import { formatIp, ipNumber } from '../../../api/ip-number.ts';
import { parseIp } from '../../../api/name-rule.ts';
import { assert } from '../../../base/assert.ts';
import type { Random } from '../../../base/random.ts';
import { Bitmap } from './bitmap.ts';
import type { Allocation } from './port-allocator.ts';

export { formatIp };

/** Of larger ranges addresses are given out up to this many, 2 MB of bits; those beyond are for who asks for one. */
const maxAddresses = 2 ** 24;
/** As far as sizes are told. */
const maxSize = 2n ** 63n - 1n;

/** The first addresses of a range are left to who asks for one: a 16th part, 16 to 256 of them. */
export function staticAddresses(rangeSize: number): number {
  return rangeSize <= 16 ? 0 : Math.min(Math.max(Math.floor(rangeSize / 16), 16), 256);
}

/** Whether the address lies in the range; false for what is no address of its family. */
export function inCidr(cidr: string, text: string): boolean {
  const slash = cidr.indexOf('/');
  const [base, ip] = [parseIp(cidr.slice(0, slash)), parseIp(text)];
  if (!base || ip?.length !== base.length) return false;
  const hostBits = BigInt(ip.length * 8 - Number(cidr.slice(slash + 1)));
  return ipNumber(base) >> hostBits === ipNumber(ip) >> hostBits;
}

/** The addresses of one CIDR, without the network's own and, in IPv4, the broadcast address. */
class IpRange {
  readonly size: bigint;
  readonly bytes: number;
  readonly #base: bigint;

  constructor(cidr: string) {
    const slash = cidr.indexOf('/');
    const ip = parseIp(cidr.slice(0, slash));
    assert(slash > 0 && ip, `"${cidr}" is no CIDR`);
    const total = 1n << BigInt(ip.length * 8 - Number(cidr.slice(slash + 1)));
    const usable = total - (ip.length === 4 ? 2n : 1n);
    this.size = usable > 0n ? usable : 0n;
    this.bytes = ip.length;
    // The first address behind the network's.
    this.#base = (ipNumber(ip) & ~(total - 1n)) + 1n;
  }

  indexOf(text: string): bigint | undefined {
    const ip = parseIp(text);
    if (ip?.length !== this.bytes) return undefined;
    const index = ipNumber(ip) - this.#base;
    return index < 0n || index >= this.size ? undefined : index;
  }

  /** In canonical text. */
  at(index: number): string {
    return formatIp(this.#base + BigInt(index), this.bytes);
  }
}

/** Whether a service may have the address as one of the range. */
export const isAddressOf = (cidr: string, ip: string): boolean => new IpRange(cidr).indexOf(ip) !== undefined;

export class IpAllocator {
  readonly cidr: string;
  readonly family: 'IPv4' | 'IPv6';
  readonly #range: IpRange;
  readonly #slots: Bitmap;
  /** Taken addresses beyond those slots. */
  readonly #far = new Set<bigint>();
  readonly #reserved: number;

  constructor(cidr: string) {
    this.cidr = cidr;
    this.#range = new IpRange(cidr);
    const { bytes, size } = this.#range;
    this.family = bytes === 4 ? 'IPv4' : 'IPv6';
    const slots = Math.min(Number(size), maxAddresses);
    this.#slots = new Bitmap(slots);
    this.#reserved = Math.min(staticAddresses(Number(size) + (bytes === 4 ? 2 : 1)), slots);
  }

  get free(): number {
    const { size } = this.#range;
    return Number(size < maxSize ? size : maxSize) - this.used;
  }

  get used(): number {
    return this.#slots.size - this.#slots.free + this.#far.size;
  }

  holds(ip: string): boolean {
    return this.#range.indexOf(ip) !== undefined;
  }

  allocate(ip: string): Allocation {
    const index = this.#range.indexOf(ip);
    if (index === undefined) return 'outOfRange';
    if (this.#has(index)) return 'taken';
    if (index < maxAddresses) this.#slots.take(Number(index));
    else this.#far.add(index);
    return 'done';
  }

  /** In canonical text; undefined when the range is full. */
  allocateNext(random: Random): string | undefined {
    const slot = this.#slots.takeAny(this.#reserved, random);
    return slot === undefined ? undefined : this.#range.at(slot);
  }

  release(ip: string): void {
    const index = this.#range.indexOf(ip);
    if (index === undefined) return;
    if (index < maxAddresses) this.#slots.release(Number(index));
    else this.#far.delete(index);
  }

  has(ip: string): boolean {
    const index = this.#range.indexOf(ip);
    return index !== undefined && this.#has(index);
  }

  #has(index: bigint): boolean {
    return index < maxAddresses ? this.#slots.has(Number(index)) : this.#far.has(index);
  }
}
