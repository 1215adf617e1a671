// Controllers broken on purpose, one thing at a time: what the invariants would be worth if nobody noticed these.
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

export interface Mutant {
  readonly name: string;
  /** In src/. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  /** What stands there instead; `$broken` is true while the mutant is on. */
  readonly replace: string;
  /** Of those that notice. */
  readonly firstSeed: number;
}

export const mutants: readonly Mutant[] = [
  {
    name: 'a Deployment ignores maxSurge',
    file: 'controllers/deployment/kernel/rollout.ts',
    find: 'const limit = wanted + maxSurge(d);',
    replace: 'const limit = $broken ? 2 * wanted + size + total : wanted + maxSurge(d);',
    firstSeed: 1,
  },
  {
    name: 'a Deployment ignores maxUnavailable',
    file: 'controllers/deployment/kernel/rollout.ts',
    find: 'const minAvailable = wantedReplicas(d) - maxUnavailable(d);',
    replace: 'const minAvailable = $broken ? 0 : wantedReplicas(d) - maxUnavailable(d);',
    firstSeed: 1,
  },
  {
    name: 'a ReplicaSet acts before it sees what it wrote',
    file: 'controllers/replicaset/replica-engine.ts',
    find: 'const staleMs = this.#writes.waitMs(key);',
    replace: 'const staleMs = $broken ? undefined : this.#writes.waitMs(key);',
    firstSeed: 90,
  },
  {
    name: 'a DaemonSet acts before it sees what it wrote',
    file: 'controllers/daemonset/daemon-reconciler.ts',
    find: 'const staleMs = this.#writes.waitMs(key);',
    replace: 'const staleMs = $broken ? undefined : this.#writes.waitMs(key);',
    firstSeed: 112,
  },
  {
    name: 'a Job acts before it sees what it wrote',
    file: 'controllers/job/job.ts',
    find: 'const staleMs = this.#writes.waitMs(key);',
    replace: 'const staleMs = $broken ? undefined : this.#writes.waitMs(key);',
    firstSeed: 231,
  },
  {
    name: 'a Job counts a pod before it has let go of it, and again afterwards',
    file: 'controllers/job/kernel/track.ts',
    find: 'const stillSucceeded = succeeded.filter(uid => held.has(uid));',
    replace: 'const stillSucceeded = $broken ? [] : succeeded.filter(uid => held.has(uid));',
    firstSeed: 88,
  },
  {
    name: 'a StatefulSet does not wait for the pod before',
    file: 'controllers/statefulset/kernel/set-plan.ts',
    find: 'if (isTerminating(slot.pod!) || !isAvailable(input, slot.pod!)) {',
    replace: 'if (!$broken && (isTerminating(slot.pod!) || !isAvailable(input, slot.pod!))) {',
    firstSeed: 5,
  },
  {
    name: 'a CronJob ignores Forbid',
    file: 'controllers/cronjob/cronjob.ts',
    find: "if (concurrencyPolicy === 'Forbid' &&",
    replace: "if (!$broken && concurrencyPolicy === 'Forbid' &&",
    firstSeed: 131,
  },
  {
    name: 'a CronJob does not replace',
    file: 'controllers/cronjob/cronjob.ts',
    find: "if (concurrencyPolicy === 'Replace')",
    replace: "if (!$broken && concurrencyPolicy === 'Replace')",
    firstSeed: 305,
  },
  {
    name: 'the scheduler forgets assumed pods',
    file: 'scheduler/scheduling-cycle.ts',
    find: 'this.#o.cache.assume(pod, node);',
    replace: 'if (!$broken) this.#o.cache.assume(pod, node);',
    firstSeed: 2,
  },
  {
    name: 'the quota is not charged',
    file: 'apiserver/admission/resource-quota.ts',
    find: 'if (!limited.length && !hasAny(quotas, namespace)) return;',
    replace: 'if ($broken || (!limited.length && !hasAny(quotas, namespace))) return;',
    firstSeed: 3,
  },
  {
    name: 'the garbage collector leaves what has lost its owner',
    file: 'controllers/garbage-collector/collector.ts',
    find: 'else await this.#collect(node, latest, verdict);',
    replace: 'else if (!$broken) await this.#collect(node, latest, verdict);',
    firstSeed: 9,
  },
  {
    name: 'an eviction takes nothing from the budget',
    file: 'apiserver/calls/eviction.ts',
    find: 'status.disruptionsAllowed = allowed - 1;',
    replace: 'status.disruptionsAllowed = $broken ? allowed : allowed - 1;',
    firstSeed: 11,
  },
  {
    name: 'an eviction does not say whom it took',
    file: 'apiserver/calls/eviction.ts',
    find: 'status.disruptedPods = {',
    replace: 'if (!$broken) status.disruptedPods = {',
    firstSeed: 0,
  },
  {
    name: 'a budget counts pods about to be evicted as healthy',
    file: 'controllers/disruption/kernel/budget.ts',
    find: '!Object.hasOwn(disrupted, p.metadata.name) && isPodReady(p)',
    replace: '($broken || !Object.hasOwn(disrupted, p.metadata.name)) && isPodReady(p)',
    firstSeed: 0,
  },
  {
    name: 'a budget wants one less',
    file: 'controllers/disruption/kernel/budget.ts',
    find: 'Math.max(0, healthy - desired)',
    replace: 'Math.max(0, healthy - desired + ($broken ? 1 : 0))',
    firstSeed: 0,
  },
];

const key = 'k8tsMutant';
const source = resolve(import.meta.dirname, '../../src');

/** Puts every mutant, asleep, into the code that is loaded from now on. Throws when one no longer fits its file. */
export function installMutants(): void {
  const sources = new Map<string, string>();
  for (const [file, here] of Map.groupBy(mutants, m => m.file)) {
    const path = resolve(source, file);
    sources.set(pathToFileURL(path).href, here.reduce(mutated, readFileSync(path, 'utf8')));
  }
  registerHooks({
    load(url, context, next) {
      const changed = sources.get(url);
      return changed ? { format: 'module-typescript', source: changed, shortCircuit: true } : next(url, context);
    },
  });
}

function mutated(text: string, { name, file, find, replace }: Mutant): string {
  const parts = text.split(find);
  if (parts.length !== 2)
    throw new Error(`mutant ${JSON.stringify(name)}: ${JSON.stringify(find)} is ${parts.length - 1} times in ${file}`);
  return parts.join(replace.replaceAll('$broken', `((globalThis as any).${key} === ${JSON.stringify(name)})`));
}

/** Wakes one mutant; none with undefined. */
export function wakeMutant(name: string | undefined): void {
  (globalThis as Record<string, unknown>)[key] = name;
}
