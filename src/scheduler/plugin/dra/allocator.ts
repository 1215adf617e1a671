// Finds devices on one node for claims: the first that do, in order, going back where a choice leads nowhere. Pure.
import type { Quantity } from '../../../api/quantity.ts';
import { parseQuantity, zeroQuantity } from '../../../api/quantity.ts';
import { untoleratedTaint } from '../../../api/toleration.ts';
import type { Taint, Toleration } from '../../../api/type/core-v1.ts';
import type { Device, DeviceClass, DeviceToleration } from '../../../api/type/resource-v1.ts';
import { type Asked, consumption, offers } from './capacity.ts';
import type { DeviceEntry, DeviceId, NodeView, SelectorSet } from './device-entry.ts';
import { candidatesOf, verdictOn } from './device-selector.ts';
import type { Amounts, Ledger } from './ledger.ts';

/** What a request, or one of its alternatives, asks. */
export interface Ask {
  /** `request`, or `request/alternative`. */
  readonly name: string;
  /** Its request. */
  readonly request: string;
  readonly deviceClass: DeviceClass;
  readonly selectors: SelectorSet;
  /** Undefined: all. */
  readonly count: number | undefined;
  readonly admin: boolean;
  readonly tolerations: readonly DeviceToleration[] | undefined;
  readonly capacity: Asked | undefined;
}

export interface Constraint {
  readonly attribute: string;
  /** All different; else all the same. */
  readonly distinct: boolean;
  /** Undefined: all. */
  readonly requests: ReadonlySet<string> | undefined;
}

export interface WantedClaim {
  /** namespace/name. */
  readonly key: string;
  /** Of each, the first alternative that works. */
  readonly requests: readonly (readonly Ask[])[];
  readonly constraints: readonly Constraint[];
}

export interface Pick {
  readonly ask: Ask;
  /** Which alternative. */
  readonly rank: number;
  readonly entry: DeviceEntry;
  /** Of a device that is shared. */
  readonly consumed: ReadonlyMap<string, Quantity> | undefined;
}

export const maxDevicesOfClaim = 32;

/** This node will not do, for a reason worth telling. */
export class NotOnThisNode extends Error {
  override name = 'NotOnThisNode';
}

export interface AllocateOptions {
  readonly view: NodeView;
  readonly ledger: Ledger;
  /** Asked now and then; throws to end a long search. */
  readonly checkTime?: () => void;
}

/**
 * Devices for each claim, or undefined when the node has not enough. Throws for what is wrong with a claim, a class or a
 * pool, NotOnThisNode for what is wrong on this node only.
 */
export function allocate(claims: readonly WantedClaim[], options: AllocateOptions): Pick[][] | undefined {
  const search = new Search(claims, options);
  return search.next(0, 0) ? search.picks : undefined;
}

/** A device's value of an attribute named in full. */
export function attributeOf(device: Device, driver: string, name: string): string | undefined {
  const local = name.startsWith(`${driver}/`) ? device.attributes?.[name.slice(driver.length + 1)] : undefined;
  const value = device.attributes?.[name] ?? local;
  if (!value) return undefined;
  if (value.int !== undefined) return `i${value.int}`;
  if (value.bool !== undefined) return `b${value.bool}`;
  if (value.version !== undefined) return `v${value.version}`;
  return value.string === undefined ? undefined : `s${value.string}`;
}

const stepsBetweenChecks = 2048;

interface Trial {
  alone: boolean;
  shares: number;
  readonly consumed: Amounts;
}

class Search {
  readonly picks: Pick[][];
  readonly #claims: readonly WantedClaim[];
  readonly #o: AllocateOptions;
  readonly #taken = new Map<DeviceId, Trial>();
  /** Counters taken, by pool and `set/counter`. */
  readonly #counters = new Map<string, Amounts>();
  /** By constraint: how often each value was chosen. */
  readonly #chosen = new Map<Constraint, Map<string, number>>();
  #steps = 0;

  constructor(claims: readonly WantedClaim[], options: AllocateOptions) {
    this.#claims = claims;
    this.#o = options;
    this.picks = claims.map(() => []);
  }

  next(claim: number, request: number): boolean {
    const wanted = this.#claims[claim];
    if (!wanted) return true;
    const asks = wanted.requests[request];
    if (!asks) return this.next(claim + 1, 0);
    for (let rank = 0; rank < asks.length; rank++) {
      const ask = asks[rank]!;
      const found =
        ask.count === undefined
          ? this.#all(claim, request, ask, rank)
          : this.#some(claim, request, ask, rank, this.#candidates(ask), 0, ask.count);
      if (found) return true;
    }
    return false;
  }

  #candidates(ask: Ask): readonly DeviceEntry[] {
    const bad = this.#o.view.pools.find(p => p.pool.complete && p.pool.invalid)?.pool;
    if (bad) throw new Error(`pool ${bad.id} is invalid: ${bad.invalid}`);
    return candidatesOf(this.#o.view, ask.selectors);
  }

  #at = (claim: WantedClaim, ask: Ask): string => `claim ${claim.key}, request ${ask.name}`;

  /** `left` more from `from` on: which of like devices come first makes no difference. */
  #some(
    claim: number,
    request: number,
    ask: Ask,
    rank: number,
    candidates: readonly DeviceEntry[],
    from: number,
    left: number,
  ): boolean {
    if (left === 0) return this.next(claim, request + 1);
    let hopeless: Set<string> | undefined;
    for (let i = from; i < candidates.length; i++) {
      this.#tick();
      const entry = candidates[i]!;
      if (!this.#isFree(entry, ask)) continue;
      this.#mustPass(claim, ask, entry);
      if (hopeless?.has(this.#likeness(entry))) continue;
      if (!this.#take(claim, ask, rank, entry)) continue;
      if (this.#some(claim, request, ask, rank, candidates, entry.shared ? i : i + 1, left - 1)) return true;
      this.#giveBack(claim);
      hopeless ??= new Set();
      hopeless.add(this.#likeness(entry));
    }
    return false;
  }

  #all(claim: number, request: number, ask: Ask, rank: number): boolean {
    const wanted = this.#claims[claim]!;
    const { pools } = this.#o.view;
    const devices: DeviceEntry[] = [];
    for (const { pool, devices: here } of pools) {
      const why = !pool.complete ? 'being updated' : pool.invalid && 'invalid';
      if (why)
        throw new Error(
          `${this.#at(wanted, ask)}: asks for all devices, but resource pool ${pool.id} is currently ${why}`,
        );
      for (const entry of here) {
        if (verdictOn(entry, ask.selectors) === false) continue;
        this.#mustPass(claim, ask, entry);
        devices.push(entry);
      }
    }
    // All means at least one.
    let taken = 0;
    const rest =
      devices.length > 0 && devices.every(d => this.#isFree(d, ask) && this.#take(claim, ask, rank, d) && ++taken);
    if (rest && this.next(claim, request + 1)) return true;
    while (taken-- > 0) this.#giveBack(claim);
    return false;
  }

  #tick(): void {
    if (++this.#steps % stepsBetweenChecks === 0) this.#o.checkTime?.();
  }

  /** A selector that cannot be told ends it all. */
  #mustPass(claim: number, ask: Ask, entry: DeviceEntry): void {
    const verdict = verdictOn(entry, ask.selectors);
    if (typeof verdict === 'boolean') return;
    const whose =
      verdict.of === 'class' ? `class ${ask.deviceClass.metadata.name}` : `claim ${this.#claims[claim]!.key}`;
    throw new Error(`${whose}: selector #${verdict.index}: ${verdict.message}`);
  }

  #isFree({ id, shared }: DeviceEntry, { admin }: Ask): boolean {
    if (admin) return true;
    const used = this.#o.ledger.usage(id);
    const trial = this.#taken.get(id);
    if (!used && !trial) return true;
    return shared && !used?.alone && !trial?.alone;
  }

  /** Notes the choice, or nothing when a rule forbids it. */
  #take(claim: number, ask: Ask, rank: number, entry: DeviceEntry): boolean {
    const wanted = this.#claims[claim]!;
    const { device } = entry;
    if (untoleratedTaint(device.taints as readonly Taint[], ask.tolerations as readonly Toleration[])) return false;
    const consumed = this.#consumed(entry, ask);
    if (consumed === false) return false;
    if (!ask.admin && device.consumesCounters?.length && !this.#hasCounters(entry)) return false;
    if (!this.#meetsConstraints(wanted, ask, entry)) return false;
    const mine = this.picks[claim]!;
    if (mine.length >= maxDevicesOfClaim)
      throw new NotOnThisNode(`claim ${wanted.key}: number of devices exceeds the claim limit of ${maxDevicesOfClaim}`);
    mine.push({ ask, rank, entry, consumed });
    this.#note(mine.at(-1)!, wanted, 1);
    return true;
  }

  #giveBack(claim: number): void {
    this.#note(this.picks[claim]!.pop()!, this.#claims[claim]!, -1);
  }

  /** False: too little is left. */
  #consumed({ id, device, shared }: DeviceEntry, { admin, capacity }: Ask): Pick['consumed'] | false {
    if (!shared || admin) return offers(device, capacity) ? undefined : false;
    const wanted = consumption(device, capacity);
    if (!wanted) return false;
    const used = this.#o.ledger.usage(id)?.consumed;
    const trial = this.#taken.get(id)?.consumed;
    for (const [name, amount] of wanted) {
      const sum = amount.add(used?.get(name) ?? zeroQuantity).add(trial?.get(name) ?? zeroQuantity);
      if (sum.compare(parseQuantity(device.capacity![name]!.value)) > 0) return false;
    }
    return wanted;
  }

  #hasCounters({ id, pool, device }: DeviceEntry): boolean {
    // What is shared takes its counters once.
    if (this.#o.ledger.usage(id) || this.#taken.has(id)) return true;
    const free = this.#o.ledger.freeCounters(pool);
    const trial = this.#counters.get(pool.id);
    for (const { counterSet, counters } of device.consumesCounters!)
      for (const [name, { value }] of Object.entries(counters)) {
        const key = `${counterSet}/${name}`;
        const left = free.get(key);
        if (
          !left ||
          parseQuantity(value)
            .add(trial?.get(key) ?? zeroQuantity)
            .compare(left) > 0
        )
          return false;
      }
    return true;
  }

  #meetsConstraints({ constraints }: WantedClaim, ask: Ask, { device, pool }: DeviceEntry): boolean {
    for (const c of constraints) {
      if (!concerns(c, ask)) continue;
      const value = attributeOf(device, pool.driver, c.attribute);
      if (value === undefined) return false;
      const chosen = this.#chosen.get(c);
      if (chosen && chosen.size > 0 && chosen.has(value) === c.distinct) return false;
    }
    return true;
  }

  #note({ ask, entry, consumed }: Pick, { constraints }: WantedClaim, sign: 1 | -1): void {
    const { id, device, pool } = entry;
    for (const c of constraints) {
      if (!concerns(c, ask)) continue;
      const value = attributeOf(device, pool.driver, c.attribute)!;
      const chosen = this.#chosen.getOrInsertComputed(c, () => new Map());
      const count = (chosen.get(value) ?? 0) + sign;
      if (count > 0) chosen.set(value, count);
      else chosen.delete(value);
    }
    if (ask.admin) return;
    const first = sign > 0 ? !this.#taken.has(id) : this.#taken.get(id)!.shares <= 1;
    if (first && device.consumesCounters && !this.#o.ledger.usage(id)) this.#noteCounters(entry, sign);
    if (sign < 0 && first) {
      this.#taken.delete(id);
      return;
    }
    const trial = this.#taken.getOrInsertComputed(id, () => ({ alone: !consumed, shares: 0, consumed: new Map() }));
    if (consumed) trial.shares += sign;
    for (const [name, amount] of consumed ?? []) add(trial.consumed, name, amount, sign);
  }

  #noteCounters({ pool, device }: DeviceEntry, sign: 1 | -1): void {
    const trial = this.#counters.getOrInsertComputed(pool.id, () => new Map());
    for (const { counterSet, counters } of device.consumesCounters!)
      for (const [name, { value }] of Object.entries(counters))
        add(trial, `${counterSet}/${name}`, parseQuantity(value), sign);
  }

  /** Equal for devices that no rule of these claims tells apart. */
  #likeness(entry: DeviceEntry): string {
    const { device, pool, shared, id } = entry;
    if (shared) return id;
    const parts: unknown[] = [
      this.#o.ledger.usage(id) ? 1 : 0,
      device.taints,
      device.capacity,
      device.consumesCounters?.length ? [pool.id, device.consumesCounters] : 0,
    ];
    for (const { constraints, requests } of this.#claims) {
      for (const c of constraints) parts.push(attributeOf(device, pool.driver, c.attribute) ?? 0);
      for (const ask of requests.flat()) parts.push(verdictOn(entry, ask.selectors));
    }
    return JSON.stringify(parts);
  }
}

const concerns = ({ requests }: Constraint, { name, request }: Ask): boolean =>
  !requests || requests.has(request) || requests.has(name);

function add(amounts: Amounts, name: string, amount: Quantity, sign: 1 | -1): void {
  const before = amounts.get(name) ?? zeroQuantity;
  amounts.set(name, sign > 0 ? before.add(amount) : before.subtract(amount));
}
