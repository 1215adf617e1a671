// Which daemon pods are to be made and deleted.
import type { DaemonSet } from '../../../api/type/apps-v1.ts';
import type { Node, Pod } from '../../../api/type/core-v1.ts';
import { revisionLabel } from '../../history/kernel/revision.ts';
import { scaledAmount } from '../../kernel/amount.ts';
import { isPodAvailable, isPodFailed, isPodFinished, isPodReady, isPodSucceeded } from '../../kernel/pod.ts';
import { isUpdated, type Placement, targetNode } from './daemon-pod.ts';

export type PodsByNode = ReadonlyMap<string, readonly Pod[]>;

export interface PlanInput {
  readonly ds: DaemonSet;
  readonly hash: string;
  readonly nodes: readonly Node[];
  readonly placements: ReadonlyMap<string, Placement>;
  readonly pods: PodsByNode;
  readonly nowMs: number;
}

export interface Plan {
  /** Names of nodes that get a pod. */
  readonly create: readonly string[];
  readonly remove: readonly Pod[];
  /** Of `remove`: those that failed, which a back-off may keep a while. */
  readonly failed: readonly Pod[];
}

/** By the node each pod is meant for; those that have ended and are going do not count any more. */
export function groupByNode(pods: readonly Pod[]): Map<string, Pod[]> {
  const groups = new Map<string, Pod[]>();
  for (const pod of pods) {
    if (pod.metadata.deletionTimestamp && isPodFinished(pod)) continue;
    const node = targetNode(pod);
    if (!node) continue;
    const group = groups.get(node);
    if (group) group.push(pod);
    else groups.set(node, [pod]);
  }
  return groups;
}

/** Pods that have a node first, then the oldest. */
export function bySeniority(a: Pod, b: Pod): number {
  const [x, y] = [a.metadata, b.metadata];
  return (
    Number(!a.spec?.nodeName) - Number(!b.spec?.nodeName) ||
    compareText(x.creationTimestamp, y.creationTimestamp) ||
    compareText(x.name, y.name)
  );
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** One pod on each node that should have one, none elsewhere; two while one takes over from the other. */
export function planNodes(input: PlanInput): Plan {
  const create: string[] = [];
  const remove: Pod[] = [];
  const failed: Pod[] = [];
  for (const node of input.nodes) {
    const { name } = node.metadata;
    const { shouldRun, mayStay } = input.placements.get(name)!;
    const pods = input.pods.get(name);
    if (!pods) {
      if (shouldRun) create.push(name);
      continue;
    }
    const present = pods.filter(p => !p.metadata.deletionTimestamp);
    if (!mayStay) {
      remove.push(...present);
      continue;
    }
    failed.push(...present.filter(isPodFailed));
    remove.push(
      ...present.filter(isPodSucceeded),
      ...surplus(
        input,
        present.filter(p => !isPodFinished(p)),
      ),
    );
  }
  return { create, remove: [...failed, ...remove, ...withoutNode(input)], failed };
}

/** Of the pods that run on one node: without surge all but the oldest; with it all but an old and a new one. */
function surplus({ ds, hash, nowMs }: PlanInput, running: Pod[]): Pod[] {
  if (running.length <= 1) return [];
  running.sort(bySeniority);
  if (!allowsSurge(ds)) return running.slice(1);
  const fresh = running.find(p => p.metadata.labels?.[revisionLabel] === hash);
  const old = running.find(p => p.metadata.labels?.[revisionLabel] !== hash);
  const extra = running.filter(p => p !== fresh && p !== old);
  const isDone = old && fresh && (!isPodReady(old) || isPodAvailable(fresh, ds.spec.minReadySeconds ?? 0, nowMs));
  return isDone ? [...extra, old] : extra;
}

/** Meant for a node that is gone, and never scheduled: nobody else would delete them. */
function withoutNode({ nodes, pods }: PlanInput): Pod[] {
  const names = new Set(nodes.map(n => n.metadata.name));
  return [...pods]
    .filter(([name]) => !names.has(name))
    .flatMap(([, group]) => group.filter(p => !p.spec?.nodeName && !p.metadata.deletionTimestamp));
}

const rolling = (ds: DaemonSet) =>
  ds.spec.updateStrategy?.type === 'OnDelete' ? undefined : ds.spec.updateStrategy?.rollingUpdate;

const allowsSurge = (ds: DaemonSet): boolean => surgeOf(ds, 1) > 0;

const surgeOf = (ds: DaemonSet, desired: number): number => scaledAmount(rolling(ds)?.maxSurge ?? 0, desired, 'up');

/** How many nodes may have two pods, and how many may have none, at a time. */
export function updateLimits(ds: DaemonSet, desired: number): { surge: number; unavailable: number } {
  const surge = surgeOf(ds, desired);
  const unavailable = scaledAmount(rolling(ds)?.maxUnavailable ?? 1, desired, 'up');
  return { surge, unavailable: desired > 0 && surge === 0 && unavailable === 0 ? 1 : unavailable };
}

/** The next step of a rolling update. */
export function planUpdate(input: PlanInput): Plan {
  const { ds, nodes, placements } = input;
  const wanted = nodes.filter(n => placements.get(n.metadata.name)!.shouldRun).map(n => n.metadata.name);
  const limits = updateLimits(ds, wanted.length);
  const names = [...new Set([...wanted, ...input.pods.keys()])];
  const pairs = names.map(name => ({ name, pair: pairOn(input, name) }));
  return limits.surge > 0 ? surging(input, pairs, limits.surge) : replacing(input, pairs, limits.unavailable);
}

interface Pair {
  readonly fresh: Pod | undefined;
  readonly old: Pod | undefined;
}

/** Undefined when there are several of a kind, which `planNodes` must clean up first. */
function pairOn({ ds, hash, pods }: PlanInput, name: string): Pair | undefined {
  const present = (pods.get(name) ?? []).filter(p => !p.metadata.deletionTimestamp);
  const fresh = present.filter(p => isUpdated(p, ds, hash));
  const old = present.filter(p => !isUpdated(p, ds, hash));
  return fresh.length > 1 || old.length > 1 ? undefined : { fresh: fresh[0], old: old[0] };
}

type Pairs = readonly { readonly name: string; readonly pair: Pair | undefined }[];

/** Deletes old pods, as many as may be unavailable; new ones come when they are gone. */
function replacing(input: PlanInput, pairs: Pairs, limit: number): Plan {
  const useless: Pod[] = [];
  const candidates: Pod[] = [];
  let unavailable = 0;
  for (const { pair } of pairs) {
    const one = pair && (pair.fresh ? (pair.old ? undefined : pair.fresh) : pair.old);
    const available = one && isAvailable(input, one);
    // Not quite there, or being replaced.
    if (!available) unavailable++;
    if (!one || one === pair?.fresh) continue;
    (available ? candidates : useless).push(one);
  }
  return { create: [], remove: [...useless, ...candidates.slice(0, Math.max(0, limit - unavailable))], failed: [] };
}

/** Makes new pods beside the old ones, and deletes the old ones when the new ones are available. */
function surging(input: PlanInput, pairs: Pairs, limit: number): Plan {
  const remove: Pod[] = [];
  const urgent: string[] = [];
  const candidates: string[] = [];
  let surge = 0;
  for (const { name, pair } of pairs) {
    if (!pair) surge++;
    if (!pair?.old) continue;
    if (pair.fresh) {
      if (isAvailable(input, pair.fresh)) remove.push(pair.old);
      else surge++;
    } else (isAvailable(input, pair.old) ? candidates : urgent).push(name);
  }
  return { create: [...urgent, ...candidates.slice(0, Math.max(0, limit - surge))], remove, failed: [] };
}

const isAvailable = ({ ds, nowMs }: PlanInput, pod: Pod): boolean =>
  isPodAvailable(pod, ds.spec.minReadySeconds ?? 0, nowMs);
