// Which devices there are, by pool and as each node sees them: kept up to date slice by slice, so that a cycle only looks.

import { nodeSelectorMatches } from '../../../api/node-affinity.ts';
import { parseQuantity, type Quantity } from '../../../api/quantity.ts';
import type { Node, NodeSelector } from '../../../api/type/core-v1.ts';
import type { ResourceSlice } from '../../../api/type/resource-v1.ts';
import { largest } from '../../../base/whole-number.ts';
import { type DeviceEntry, deviceId, type NodeView, type Pool } from './device-entry.ts';

const noDevices: NodeView = { pools: [], candidates: new Map() };

export class DeviceIndex {
  /** By pool, then by name. */
  readonly #slices = new Map<string, Map<string, ResourceSlice>>();
  readonly #pools = new Map<string, Pool>();
  readonly #byNode = new Map<string, Set<Pool>>();
  /** Pools that are not, or not only, tied to nodes by name. */
  readonly #elsewhere = new Set<Pool>();
  readonly #views = new Map<string, { readonly view: NodeView; readonly node: Node }>();

  set(slice: ResourceSlice, old?: ResourceSlice): void {
    const id = poolId(slice);
    if (old && poolId(old) !== id) this.delete(old);
    this.#slices.getOrInsertComputed(id, () => new Map()).set(slice.metadata.name!, slice);
    this.#rebuild(id);
  }

  delete(slice: ResourceSlice): void {
    const id = poolId(slice);
    const slices = this.#slices.get(id);
    slices?.delete(slice.metadata.name!);
    if (slices?.size === 0) this.#slices.delete(id);
    this.#rebuild(id);
  }

  pool(id: string): Pool | undefined {
    return this.#pools.get(id);
  }

  view(node: Node): NodeView {
    const name = node.metadata.name!;
    const known = this.#views.get(name);
    if (known && (known.node === node || this.#elsewhere.size === 0)) return known.view;
    const own = this.#byNode.get(name);
    if (!own && this.#elsewhere.size === 0) return noDevices;
    const pools = [...(own ?? []), ...this.#elsewhere]
      .map(pool => ({ pool, devices: pool.devices.filter(d => reaches(d, node)) }))
      .filter(p => p.devices.length > 0)
      .sort((a, b) => order(a.pool.driver, b.pool.driver) || order(a.pool.name, b.pool.name));
    const view: NodeView = { pools, candidates: new Map() };
    this.#views.set(name, { view, node });
    return view;
  }

  #rebuild(id: string): void {
    const old = this.#pools.get(id);
    const slices = this.#slices.get(id);
    const pool = slices && makePool(id, [...slices.values()]);
    if (old) this.#forget(old);
    if (!pool) return;
    this.#pools.set(id, pool);
    if (!pool.nodes) this.#elsewhere.add(pool);
    for (const node of pool.nodes ?? []) this.#byNode.getOrInsertComputed(node, () => new Set()).add(pool);
    this.#stale(pool);
  }

  #forget(pool: Pool): void {
    this.#pools.delete(pool.id);
    this.#elsewhere.delete(pool);
    for (const node of pool.nodes ?? []) {
      const pools = this.#byNode.get(node);
      pools?.delete(pool);
      if (pools?.size === 0) this.#byNode.delete(node);
    }
    this.#stale(pool);
  }

  #stale({ nodes }: Pool): void {
    if (nodes) for (const node of nodes) this.#views.delete(node);
    else this.#views.clear();
  }
}

const poolId = ({ spec }: ResourceSlice): string => `${spec.driver}/${spec.pool.name}`;
const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function reaches({ slice, device }: DeviceEntry, node: Node): boolean {
  const { spec } = slice;
  return isThere(spec.perDeviceNodeSelection ? device : spec, node);
}

interface Place {
  readonly nodeName?: string;
  readonly nodeSelector?: NodeSelector;
  readonly allNodes?: boolean;
}

const isThere = ({ nodeName, nodeSelector, allNodes }: Place, node: Node): boolean =>
  nodeName
    ? nodeName === node.metadata.name
    : nodeSelector
      ? nodeSelectorMatches(nodeSelector, node)
      : allNodes === true;

function makePool(id: string, all: readonly ResourceSlice[]): Pool {
  const newest = largest(all.map(s => s.spec.pool.generation));
  const slices = all
    .filter(s => s.spec.pool.generation === newest)
    .sort((a, b) => order(a.metadata.name!, b.metadata.name!));
  const { driver, pool } = slices[0]!.spec;
  const devices: DeviceEntry[] = [];
  const counters = new Map<string, Map<string, Quantity>>();
  const nodes = new Set<string>();
  const seen = new Set<string>();
  let tied = true;
  let invalid = '';
  const made: { -readonly [K in keyof Pool]: Pool[K] } = {
    ...{ id, driver, name: pool.name, devices, counters },
    complete: slices.every(s => s.spec.pool.resourceSliceCount === slices.length),
    invalid: '',
    nodes: undefined,
  };
  for (const slice of slices) {
    if (slice.spec.nodeName) nodes.add(slice.spec.nodeName);
    else if (slice.spec.devices?.length) tied = false;
    for (const set of slice.spec.sharedCounters ?? []) {
      if (counters.has(set.name)) invalid ||= `duplicate counter set name ${set.name}`;
      counters.set(
        set.name,
        new Map(Object.entries(set.counters).map(([name, { value }]) => [name, parseQuantity(value)])),
      );
    }
    for (const device of slice.spec.devices ?? []) {
      if (seen.has(device.name)) invalid ||= `duplicate device name ${device.name}`;
      seen.add(device.name);
      devices.push({
        id: deviceId(driver, pool.name, device.name),
        ...{ device, slice, pool: made, shared: device.allowMultipleAllocations === true, verdicts: new Map() },
      });
    }
  }
  made.invalid = invalid;
  if (tied) made.nodes = nodes;
  return made;
}
