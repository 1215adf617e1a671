// Topology aware hints (`service.kubernetes.io/topology-mode: Auto`): each zone gets endpoints in proportion to its CPU,
// its own as far as possible.
import type { Endpoint, EndpointSlice } from '../../../api/type/discovery-v1.ts';
import { draftOf, type SlicePlan } from '../../kernel/slice-packing.ts';
import { isReady, removeHints, withHints } from './hint.ts';
import { type ZoneShares, type ZoneTarget, zoneTargets } from './zone-share.ts';

const modeAnnotations = ['service.kubernetes.io/topology-mode', 'service.kubernetes.io/topology-aware-hints'];

/** The older annotation counts where it stands. */
export function wantsTopologyHints(annotations: Readonly<Record<string, string>> | undefined): boolean {
  const value = annotations?.[modeAnnotations[1]!] ?? annotations?.[modeAnnotations[0]!];
  return value === 'Auto' || value === 'auto';
}

/** Sets hints throughout the plan. Returns why that was impossible; the plan is then without any. */
export function addTopologyHints(plan: SlicePlan, zones: ZoneShares): string | undefined {
  const problem = tryToHint(plan, zones);
  if (problem !== undefined) removeHints(plan);
  return problem;
}

function tryToHint(plan: SlicePlan, { shares, complete }: ZoneShares): string | undefined {
  const all = [...plan.create, ...plan.update, ...plan.unchanged];
  const total = all.reduce((n, s) => n + (s.endpoints ?? []).filter(isReady).length, 0);
  if (!complete) return 'Insufficient Node information: allocatable CPU or zone not specified on one or more nodes';
  if (!shares) return 'Nodes only ready in one zone';
  const counts = ` (${total} endpoints, ${shares.size} zones)`;
  if (shares.size > total) return `Insufficient number of endpoints${counts}`;
  const targets = zoneTargets(shares, total);
  if (!targets)
    return `Unable to allocate minimum required endpoints to each zone without exceeding overload threshold${counts}`;
  const hinted = keepValidHints(plan, targets);
  if (!hintOwnZones(plan, hinted)) return 'One or more endpoints do not have a zone specified';
  moveHints(plan, targets, hinted);
  return hinted.size === 0 ? 'No hints allocated for zones' : undefined;
}

/** Counts the hints of unchanged slices; those whose hints will not do are to be updated. */
function keepValidHints(plan: SlicePlan, targets: ReadonlyMap<string, ZoneTarget>): Map<string, number> {
  const hinted = new Map<string, number>();
  for (const slice of plan.unchanged.splice(0)) {
    const counts = countHints(slice, targets, hinted);
    if (counts) {
      plan.unchanged.push(slice);
      for (const [zone, n] of counts) hinted.set(zone, (hinted.get(zone) ?? 0) + n);
    } else plan.update.push(draftOf(slice, slice.metadata, [...(slice.endpoints ?? [])]));
  }
  return hinted;
}

function countHints(
  slice: EndpointSlice,
  targets: ReadonlyMap<string, ZoneTarget>,
  hinted: ReadonlyMap<string, number>,
): Map<string, number> | undefined {
  const counts = new Map<string, number>();
  for (const endpoint of slice.endpoints ?? []) {
    if (!isReady(endpoint)) {
      if (endpoint.hints) return undefined;
      continue;
    }
    const zone = endpoint.hints?.forZones?.[0]?.name;
    if (!endpoint.zone || endpoint.hints?.forZones?.length !== 1 || endpoint.hints.forNodes || !targets.has(zone!))
      return undefined;
    counts.set(zone!, (counts.get(zone!) ?? 0) + 1);
  }
  for (const [zone, n] of counts) if ((hinted.get(zone) ?? 0) + n > targets.get(zone)!.maximum) return undefined;
  return counts;
}

function hintOwnZones(plan: SlicePlan, hinted: Map<string, number>): boolean {
  let allHaveZones = true;
  const own = (endpoint: Endpoint): Endpoint => {
    if (!isReady(endpoint)) return withHints(endpoint, undefined);
    if (!endpoint.zone) allHaveZones = false;
    else hinted.set(endpoint.zone, (hinted.get(endpoint.zone) ?? 0) + 1);
    return withHints(endpoint, endpoint.zone);
  };
  for (const draft of [...plan.create, ...plan.update]) draft.endpoints = draft.endpoints.map(own);
  return allHaveZones;
}

/** Zones with more than they should have give to those below their minimum. */
function moveHints(plan: SlicePlan, targets: ReadonlyMap<string, ZoneTarget>, hinted: Map<string, number>): void {
  const { giving, receiving } = transfers(targets, hinted);
  for (const draft of [...plan.create, ...plan.update])
    for (const [i, endpoint] of draft.endpoints.entries()) {
      const from = endpoint.zone;
      if (!isReady(endpoint) || !from || !giving.get(from)) continue;
      const to = most(receiving);
      if (!to) return;
      draft.endpoints[i] = withHints(endpoint, to.zone);
      giving.set(from, giving.get(from)! - 1);
      receiving.set(to.zone, to.count - 1);
      hinted.set(from, hinted.get(from)! - 1);
      hinted.set(to.zone, (hinted.get(to.zone) ?? 0) + 1);
    }
}

function transfers(targets: ReadonlyMap<string, ZoneTarget>, hinted: ReadonlyMap<string, number>) {
  const surplus = new Map<string, number>();
  const shortage = new Map<string, number>();
  // A zone that has no nodes any more gives all it has.
  for (const [zone, n] of hinted) if (!targets.has(zone)) surplus.set(zone, n);
  for (const [zone, { desired, minimum }] of targets) {
    const n = hinted.get(zone) ?? 0;
    if (n > desired && n > minimum) surplus.set(zone, n - desired);
    if (n < minimum) shortage.set(zone, minimum - n);
  }
  const giving = new Map<string, number>();
  const receiving = new Map<string, number>();
  for (let from = most(surplus), to = most(shortage); from && to && from.count + to.count >= 1; ) {
    giving.set(from.zone, (giving.get(from.zone) ?? 0) + 1);
    receiving.set(to.zone, (receiving.get(to.zone) ?? 0) + 1);
    // Nobody gives what it needs itself.
    const left = (hinted.get(from.zone) ?? 0) - giving.get(from.zone)!;
    surplus.set(from.zone, left > (targets.get(from.zone)?.minimum ?? 0) ? from.count - 1 : 0);
    shortage.set(to.zone, to.count - 1);
    from = most(surplus);
    to = most(shortage);
  }
  return { giving, receiving };
}

/** The zone with the highest count above zero; of equals the first. */
function most(counts: ReadonlyMap<string, number>): { zone: string; count: number } | undefined {
  let best: { zone: string; count: number } | undefined;
  for (const [zone, count] of counts) if (count > 0 && (!best || count > best.count)) best = { zone, count };
  return best;
}
