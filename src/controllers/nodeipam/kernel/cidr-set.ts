// The equal parts of one cluster CIDR, of which each node gets one.
import { formatIp, ipNumber } from '../../../api/ip-number.ts';
import { parseIp } from '../../../api/name-rule.ts';

/** IPv6 ranges are cut into 2^16 parts at most. */
const maxMaskDifference = 16;

interface Range {
  /** Bytes of an address. */
  readonly bytes: 4 | 16;
  readonly first: bigint;
  readonly last: bigint;
  readonly bits: number;
}

/** Throws when `cidr` is none. */
function parseRange(cidr: string): Range {
  const [address = '', mask = ''] = cidr.split('/');
  const ip = parseIp(address);
  const bits = Number(mask);
  if (!ip || !/^\d{1,3}$/.test(mask) || bits > ip.length * 8) throw new Error(`invalid CIDR address: ${cidr}`);
  const size = 1n << BigInt(ip.length * 8 - bits);
  const first = ipNumber(ip) & ~(size - 1n);
  return { bytes: ip.length as 4 | 16, first, last: first + size - 1n, bits };
}

/** Given out in turn, so that a part that came back rests as long as there are others. */
export class CidrSet {
  readonly cidr: string;
  readonly #range: Range;
  readonly #nodeMask: number;
  /** Number of addresses in a part, as a power of two. */
  readonly #shift: bigint;
  readonly #count: number;
  readonly #used = new Set<number>();
  #next = 0;
  /** Since the start, of parts that were free, and of parts that were not. */
  allocations = 0;
  releases = 0;

  /** Throws when `cidr` is none or is not to be cut into parts of `nodeMask` bits. */
  constructor(cidr: string, nodeMask: number) {
    this.cidr = cidr;
    this.#range = parseRange(cidr);
    const { bits, bytes } = this.#range;
    if (nodeMask < bits || nodeMask > bytes * 8) {
      throw new Error(
        `--cluster-cidr ${cidr}: mask size of cluster CIDR must be less than or equal to --node-cidr-mask-size (${nodeMask}) configured for CIDR family`,
      );
    }
    if (bytes === 16 && nodeMask - bits > maxMaskDifference)
      throw new Error('New CIDR set failed; the node CIDR size is too big');
    this.#nodeMask = nodeMask;
    this.#shift = BigInt(bytes * 8 - nodeMask);
    this.#count = 2 ** (nodeMask - bits);
  }

  /** Parts there are. */
  get size(): number {
    return this.#count;
  }

  /** Parts not given out. */
  get free(): number {
    return this.#count - this.#used.size;
  }

  /** The next free part; undefined when there is none. */
  allocate(): string | undefined {
    if (this.free === 0) return undefined;
    while (this.#used.has(this.#next)) this.#next = (this.#next + 1) % this.#count;
    const index = this.#next;
    this.#used.add(index);
    this.allocations++;
    this.#next = (index + 1) % this.#count;
    const address = this.#range.first + (BigInt(index) << this.#shift);
    return `${formatIp(address, this.#range.bytes)}/${this.#nodeMask}`;
  }

  /** Takes all parts that `cidr` touches. Throws when it is none or lies outside. */
  occupy(cidr: string): void {
    const [from, to] = this.#partsOf(cidr);
    for (let i = from; i <= to; i++) {
      if (!this.#used.has(i)) this.allocations++;
      this.#used.add(i);
    }
  }

  /** Gives back all parts that `cidr` touches. Throws as `occupy`. */
  release(cidr: string): void {
    const [from, to] = this.#partsOf(cidr);
    for (let i = from; i <= to; i++) if (this.#used.delete(i)) this.releases++;
  }

  /** True when the ranges share an address. */
  overlaps(cidr: string): boolean {
    const other = parseRange(cidr);
    const { bytes, first, last } = this.#range;
    return other.bytes === bytes && other.first <= last && first <= other.last;
  }

  #partsOf(cidr: string): readonly [number, number] {
    const { first, last, bits } = this.#range;
    if (!this.overlaps(cidr)) throw new Error(`cidr ${cidr} is out the range of cluster cidr ${this.cidr}`);
    const other = parseRange(cidr);
    if (other.bits <= bits) return [0, this.#count - 1];
    const index = (address: bigint) => Number(((address < last ? address : last) - first) >> this.#shift);
    return [index(other.first), index(other.last)];
  }
}
