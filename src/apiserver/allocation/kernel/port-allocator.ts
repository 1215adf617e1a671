import type { Random } from '../../../base/random.ts';
import { Bitmap } from './bitmap.ts';

export type Allocation = 'done' | 'taken' | 'outOfRange';

/** The first ports of a range are left to who asks for one by number: a 32nd part, 16 to 128 of them. */
export function staticPorts(size: number): number {
  return size <= 16 ? 0 : Math.min(Math.max(Math.floor(size / 32), 16), 128);
}

/** Node ports. One number serves all protocols. */
export class PortAllocator {
  readonly first: number;
  readonly last: number;
  readonly #slots: Bitmap;
  readonly #reserved: number;

  /** Both ends belong to the range. */
  constructor(first: number, last: number) {
    this.first = first;
    this.last = last;
    this.#slots = new Bitmap(last - first + 1);
    this.#reserved = staticPorts(this.#slots.size);
  }

  get free(): number {
    return this.#slots.free;
  }

  get used(): number {
    return this.#slots.size - this.#slots.free;
  }

  allocate(port: number): Allocation {
    if (port < this.first || port > this.last) return 'outOfRange';
    return this.#slots.take(port - this.first) ? 'done' : 'taken';
  }

  /** Undefined when the range is full. */
  allocateNext(random: Random): number | undefined {
    const slot = this.#slots.takeAny(this.#reserved, random);
    return slot === undefined ? undefined : this.first + slot;
  }

  release(port: number): void {
    if (port >= this.first && port <= this.last) this.#slots.release(port - this.first);
  }

  has(port: number): boolean {
    return port >= this.first && port <= this.last && this.#slots.has(port - this.first);
  }
}
