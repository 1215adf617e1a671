// How much of the cluster's CPU each zone has, and how many endpoints it should therefore have.
import { parseQuantity } from '../../../api/quantity.ts';
import type { Node } from '../../../api/type/core-v1.ts';
import { isNodeReady } from '../../kernel/node.ts';

export const zoneLabel = 'topology.kubernetes.io/zone';
const controlPlaneLabels = ['node-role.kubernetes.io/control-plane', 'node-role.kubernetes.io/master'];

export interface ZoneShares {
  /** Share of the CPU by zone; undefined when there are fewer than two zones, or too little is known. */
  readonly shares?: ReadonlyMap<string, number>;
  /** Every node says its zone and CPU. */
  readonly complete: boolean;
}

/** The part of a node that shares depend on. */
export function zoneFacts(node: Node): string {
  const { labels = {} } = node.metadata;
  return [
    controlPlaneLabels.some(l => l in labels),
    isNodeReady(node),
    labels[zoneLabel] ?? '',
    node.status?.allocatable?.cpu ?? '',
  ].join('|');
}

export function zoneShares(nodes: readonly Node[]): ZoneShares {
  const milli = new Map<string, number>();
  let total = 0;
  for (const node of nodes) {
    const { labels = {} } = node.metadata;
    if (controlPlaneLabels.some(l => l in labels) || !isNodeReady(node)) continue;
    const cpu = parseQuantity(node.status?.allocatable?.cpu ?? 0).milliValue();
    const zone = labels[zoneLabel];
    if (!zone || cpu <= 0) return { complete: false };
    milli.set(zone, (milli.get(zone) ?? 0) + cpu);
    total += cpu;
  }
  if (milli.size < 2) return { complete: true };
  return { complete: true, shares: new Map([...milli].map(([zone, cpu]) => [zone, cpu / total])) };
}

export interface ZoneTarget {
  readonly desired: number;
  readonly minimum: number;
  readonly maximum: number;
}

// A zone's endpoints may get at most this much more traffic than they would if it were spread evenly.
const overload = 0.2;

/** Undefined when some zone would be overloaded however one spreads the endpoints. */
export function zoneTargets(
  shares: ReadonlyMap<string, number>,
  endpoints: number,
): ReadonlyMap<string, ZoneTarget> | undefined {
  let minimums = 0;
  const wanted = [...shares].map(([zone, share]) => {
    const desired = share * endpoints;
    const minimum = Math.ceil(desired / (1 + overload));
    minimums += minimum;
    return { zone, desired, minimum };
  });
  if (minimums > endpoints) return undefined;
  return new Map(
    wanted.map(({ zone, desired, minimum }) => [zone, { desired, minimum, maximum: minimum + endpoints - minimums }]),
  );
}
