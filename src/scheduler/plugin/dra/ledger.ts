// Which devices are taken, by which claims, and how much of those that are shared.
import { parseQuantity, type Quantity, zeroQuantity } from '../../../api/quantity.ts';
import type { AllocationResult, DeviceRequestAllocationResult } from '../../../api/type/resource-v1.ts';
import { type DeviceId, deviceId, type Pool } from './device-entry.ts';

/** By counter set and counter, or by capacity. */
export type Amounts = Map<string, Quantity>;

export interface Usage {
  /** Claims that have it for themselves. */
  alone: number;
  /** Claims that share it. */
  shares: number;
  /** By capacity, of all shares. */
  readonly consumed: Amounts;
}

export class Ledger {
  readonly #claims = new Map<string, AllocationResult>();
  readonly #devices = new Map<DeviceId, Usage>();
  readonly #versions = new Map<string, number>();
  readonly #free = new Map<string, { readonly pool: Pool; readonly version: number; readonly free: Amounts }>();

  /** Another after every change. */
  version = 0;

  /** What a claim holds; undefined: nothing. */
  set(claim: string, allocation: AllocationResult | undefined): void {
    const old = this.#claims.get(claim);
    if (old === allocation) return;
    this.version++;
    if (old) for (const r of old.devices?.results ?? []) this.#count(r, -1);
    if (allocation) this.#claims.set(claim, allocation);
    else this.#claims.delete(claim);
    for (const r of allocation?.devices?.results ?? []) this.#count(r, 1);
  }

  usage(id: DeviceId): Usage | undefined {
    return this.#devices.get(id);
  }

  #count(result: DeviceRequestAllocationResult, sign: 1 | -1): void {
    // An administrator looks at devices without taking them.
    if (result.adminAccess) return;
    const { driver, pool, device } = result;
    const id = deviceId(driver, pool, device);
    const poolKey = `${driver}/${pool}`;
    this.#versions.set(poolKey, (this.#versions.get(poolKey) ?? 0) + 1);
    const usage = this.#devices.getOrInsertComputed(id, () => ({ alone: 0, shares: 0, consumed: new Map() }));
    if (result.shareID === undefined) usage.alone += sign;
    else usage.shares += sign;
    for (const [name, text] of Object.entries(result.consumedCapacity ?? {})) {
      const amount = parseQuantity(text);
      const before = usage.consumed.get(name) ?? zeroQuantity;
      usage.consumed.set(name, sign > 0 ? before.add(amount) : before.subtract(amount));
    }
    if (usage.alone === 0 && usage.shares === 0) this.#devices.delete(id);
  }

  /** What is left of the counters a pool's devices share, by `set/counter`. */
  freeCounters(pool: Pool): ReadonlyMap<string, Quantity> {
    const version = this.#versions.get(pool.id) ?? 0;
    const known = this.#free.get(pool.id);
    if (known && known.pool === pool && known.version === version) return known.free;
    const free: Amounts = new Map();
    for (const [set, counters] of pool.counters)
      for (const [name, value] of counters) free.set(`${set}/${name}`, value);
    for (const { id, device } of pool.devices) {
      if (!device.consumesCounters?.length || !this.#devices.has(id)) continue;
      for (const { counterSet, counters } of device.consumesCounters)
        for (const [name, { value }] of Object.entries(counters)) {
          const key = `${counterSet}/${name}`;
          const left = free.get(key);
          if (left) free.set(key, left.subtract(parseQuantity(value)));
        }
    }
    this.#free.set(pool.id, { pool, version, free });
    return free;
  }
}
