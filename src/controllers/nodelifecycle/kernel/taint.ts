// Which taints a node's conditions call for.
import type { Node, Taint } from '../../../api/type/core-v1.ts';

export const notReadyKey = 'node.kubernetes.io/not-ready';
export const unreachableKey = 'node.kubernetes.io/unreachable';
const unschedulableKey = 'node.kubernetes.io/unschedulable';

/** By type and status of a condition. */
const conditionKeys: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Ready: { False: notReadyKey, Unknown: unreachableKey },
  MemoryPressure: { True: 'node.kubernetes.io/memory-pressure' },
  DiskPressure: { True: 'node.kubernetes.io/disk-pressure' },
  NetworkUnavailable: { True: 'node.kubernetes.io/network-unavailable' },
  PIDPressure: { True: 'node.kubernetes.io/pid-pressure' },
};
const ownKeys = new Set([unschedulableKey, ...Object.values(conditionKeys).flatMap(k => Object.values(k))]);

export type TaintName = Pick<Taint, 'key' | 'effect'>;

const sameTaint = (a: TaintName, b: TaintName): boolean => a.key === b.key && a.effect === b.effect;

export const hasTaint = (node: Node, taint: TaintName): boolean => !!node.spec?.taints?.some(t => sameTaint(t, taint));

export const notReadyTaint: TaintName = { key: notReadyKey, effect: 'NoExecute' };
export const unreachableTaint: TaintName = { key: unreachableKey, effect: 'NoExecute' };

/** What to add to and remove from a node, so that its NoSchedule taints say what its conditions say. */
export function scheduleTaintChanges(node: Node): {
  readonly add: readonly TaintName[];
  readonly remove: readonly TaintName[];
} {
  const keys = new Set<string>();
  for (const { type, status } of node.status?.conditions ?? []) {
    const key = conditionKeys[type]?.[status];
    if (key) keys.add(key);
  }
  if (node.spec?.unschedulable) keys.add(unschedulableKey);
  const wanted = [...keys].map((key): TaintName => ({ key, effect: 'NoSchedule' }));
  const existing = (node.spec?.taints ?? []).filter(t => t.effect === 'NoSchedule' && ownKeys.has(t.key));
  return {
    add: wanted.filter(w => !existing.some(t => sameTaint(t, w))),
    remove: existing.filter(t => !keys.has(t.key)),
  };
}

/** The node's taints after the change; undefined when that is none. */
export function changedTaints(
  node: Node,
  add: readonly TaintName[],
  remove: readonly TaintName[],
  now: string,
): readonly Taint[] | undefined {
  const old = node.spec?.taints ?? [];
  const kept = old.filter(t => !remove.some(r => sameTaint(r, t)));
  const added = add
    .filter(a => !kept.some(t => sameTaint(t, a)))
    .map(({ key, effect }) => ({ key, effect, timeAdded: now }));
  return kept.length === old.length && added.length === 0 ? undefined : [...kept, ...added];
}

const labelPairs = [
  ['kubernetes.io/os', 'beta.kubernetes.io/os'],
  ['kubernetes.io/arch', 'beta.kubernetes.io/arch'],
] as const;

/** Old names of labels, where they do not say what the new ones say. */
export function missingLabels(node: Node): Readonly<Record<string, string>> | undefined {
  const labels = node.metadata.labels ?? {};
  const out: Record<string, string> = {};
  for (const [primary, secondary] of labelPairs) {
    const value = labels[primary];
    if (value !== undefined && labels[secondary] !== value) out[secondary] = value;
  }
  return Object.keys(out).length > 0 ? out : undefined;
}
