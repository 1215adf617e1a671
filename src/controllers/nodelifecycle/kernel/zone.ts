// How bad it is in a zone, and how fast its nodes may be tainted then.
import type { Node, NodeCondition } from '../../../api/type/core-v1.ts';

export type ZoneState = 'Initial' | 'Normal' | 'PartialDisruption' | 'FullDisruption';

export interface EvictionOptions {
  /** Nodes a second in a healthy zone. */
  readonly evictionQps: number;
  /** In a large cluster's zone that is partly disrupted; a small one's stops. */
  readonly secondaryEvictionQps: number;
  readonly largeClusterThreshold: number;
  /** Share of nodes not ready from which a zone counts as partly disrupted. */
  readonly unhealthyThreshold: number;
}

const zero = '\0';

/** Same for nodes of one region and zone; '' for those that say neither. */
export function zoneOf(node: Node): string {
  const labels = node.metadata.labels ?? {};
  const zone = labels['failure-domain.beta.kubernetes.io/zone'] ?? labels['topology.kubernetes.io/zone'] ?? '';
  const region = labels['failure-domain.beta.kubernetes.io/region'] ?? labels['topology.kubernetes.io/region'] ?? '';
  return zone === '' && region === '' ? '' : `${region}:${zero}:${zone}`;
}

/** `ready`: the Ready condition of each node of the zone; a node without one is not ready. */
export function zoneStateOf(ready: readonly (NodeCondition | undefined)[], unhealthyThreshold: number): ZoneState {
  const up = ready.filter(c => c?.status === 'True').length;
  const down = ready.length - up;
  if (up === 0 && down > 0) return 'FullDisruption';
  return down > 2 && down / ready.length >= unhealthyThreshold ? 'PartialDisruption' : 'Normal';
}

/** Nodes a second. */
export function evictionQpsOf(state: ZoneState, nodes: number, options: EvictionOptions): number {
  if (state !== 'PartialDisruption') return options.evictionQps;
  return nodes > options.largeClusterThreshold ? options.secondaryEvictionQps : 0;
}

export interface DisruptionChange {
  readonly states: ReadonlyMap<string, ZoneState>;
  /** New rates of zones; the others keep theirs. */
  readonly qps: ReadonlyMap<string, number>;
  /** No node is ready any more: the fault is more likely here than there, so nothing is evicted. */
  readonly entered: boolean;
  /** Some nodes are back: all get their full grace period anew. */
  readonly left: boolean;
}

/** `ready`: by zone. */
export function judgeDisruption(
  old: ReadonlyMap<string, ZoneState>,
  ready: ReadonlyMap<string, readonly (NodeCondition | undefined)[]>,
  options: EvictionOptions,
): DisruptionChange {
  const found = new Map<string, ZoneState>();
  for (const [zone, conditions] of ready) found.set(zone, zoneStateOf(conditions, options.unhealthyThreshold));
  const before = new Map<string, ZoneState>();
  for (const zone of ready.keys()) before.set(zone, old.get(zone) ?? 'Initial');
  const isFull = (states: ReadonlyMap<string, ZoneState>) => [...states.values()].every(s => s === 'FullDisruption');
  const [is, was] = [isFull(found), isFull(before)];
  const qps = new Map<string, number>();
  if (is && was) return { states: before, qps, entered: false, left: false };
  for (const [zone, state] of found) {
    if (is) qps.set(zone, 0);
    else if (was || state !== before.get(zone)) qps.set(zone, evictionQpsOf(state, ready.get(zone)!.length, options));
  }
  return { states: found, qps, entered: is, left: was };
}
