// Which node ports are given out, for servers that share a store: kube-apiserver's own record, a RangeAllocation whose
// data is a bitmap (a big-endian number; bit i is the range's port i), changed by compare-and-write.
import type { KubeObject, Mutable } from '../../api/meta.ts';
import { type Store, StoreConflictError, type StoreEntry } from '../../store/store.ts';
import { decodeStored, encodeWithoutRevision } from '../registry/stored-form.ts';

const key = '/registry/ranges/servicenodeports';
const repairsToFree = 3;

export interface PortLedgerOptions {
  readonly store: Store;
  /** Both ends belong to it. */
  readonly range: readonly [number, number];
  /** What services have; asked when there is no record yet, and to repair it. */
  inUse(): Iterable<number>;
}

export class PortLedger {
  readonly #options: PortLedgerOptions;
  /** Ports that no service had at the last repairs, and at how many in a row. */
  #suspects: ReadonlyMap<number, number> = new Map();

  constructor(options: PortLedgerOptions) {
    this.#options = options;
  }

  /** Takes all of them, or none: resolves with one that is taken. */
  async claim(ports: readonly number[]): Promise<number | undefined> {
    let taken: number | undefined;
    await this.#change(bits => {
      taken = ports.find(port => (bits & this.#bit(port)) !== 0n);
      return taken === undefined ? ports.reduce((all, port) => all | this.#bit(port), bits) : bits;
    });
    return taken;
  }

  async release(ports: readonly number[]): Promise<void> {
    await this.#change(bits => ports.reduce((all, port) => all & ~this.#bit(port), bits));
  }

  /**
   * Takes what services have and the record had `lost`; frees what none has had at three repairs in a row, as
   * kube-apiserver does, so that with `suspects` another is due.
   */
  async repair(): Promise<{ lost: ReadonlySet<number>; suspects: boolean }> {
    const [first, last] = this.#options.range;
    const used = new Set(this.#options.inUse());
    let idle = new Map<number, number>();
    let lost = new Set<number>();
    await this.#change(bits => {
      idle = new Map();
      lost = new Set();
      let next = bits;
      for (let port = first; port <= last; port++) {
        if (used.has(port)) {
          if ((bits & this.#bit(port)) === 0n) lost.add(port);
          next |= this.#bit(port);
        } else if ((bits & this.#bit(port)) === 0n) continue;
        else {
          const times = (this.#suspects.get(port) ?? 0) + 1;
          if (times === repairsToFree) next &= ~this.#bit(port);
          else idle.set(port, times);
        }
      }
      return next;
    });
    this.#suspects = idle;
    return { lost, suspects: idle.size > 0 };
  }

  // Ports out of the range are nobody's to give.
  #bit(port: number): bigint {
    const [first, last] = this.#options.range;
    return port < first || port > last ? 0n : 1n << BigInt(port - first);
  }

  async #change(act: (bits: bigint) => bigint): Promise<void> {
    const { store } = this.#options;
    for (;;) {
      const entry = await store.get(key);
      const before = entry ? this.#read(entry) : undefined;
      const start = before ?? [...this.#options.inUse()].reduce((all, port) => all | this.#bit(port), 0n);
      const next = act(start);
      if (next === before) return;
      const encode = () => this.#write(next);
      try {
        if (entry) await store.update(key, entry.revision, encode);
        else await store.create(key, encode);
        return;
      } catch (error) {
        if (!(error instanceof StoreConflictError)) throw error;
      }
    }
  }

  /** Undefined for a record of another range: it is begun anew. */
  #read({ value, revision }: StoreEntry): bigint | undefined {
    const { range, data } = decodeStored(value, revision) as unknown as { range: string; data?: string };
    if (range !== this.#options.range.join('-')) return undefined;
    const hex = Buffer.from(data ?? '', 'base64').toString('hex');
    return hex ? BigInt(`0x${hex}`) : 0n;
  }

  #write(bits: bigint): Uint8Array {
    const hex = bits.toString(16);
    const data = Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex').toString('base64');
    const record = {
      kind: 'RangeAllocation',
      apiVersion: 'v1',
      metadata: {},
      range: this.#options.range.join('-'),
      data,
    };
    return encodeWithoutRevision(record as unknown as Mutable<KubeObject>);
  }
}
