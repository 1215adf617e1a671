// disruption-controller: says in each PodDisruptionBudget how many pods may be evicted now. Keys: `namespace/budget`,
// and `pod:namespace/pod` for conditions to take back.

import { selectorFromLabelSelector } from '../../api/label-selector.ts';
import { cloneDeep, formatTime, keyOf, parseKey } from '../../api/meta.ts';
import { appsV1, coreV1, policyV1 } from '../../api/refs.ts';
import { isConflict } from '../../api/status.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import type { LabelSelector } from '../../api/type/meta-v1.ts';
import type { PodDisruptionBudget, PodDisruptionBudgetStatus } from '../../api/type/policy-v1.ts';
import { messageOf } from '../../base/assert.ts';
import { referenceTo } from '../../client/event-recorder.ts';
import type { Controller, ControllerContext, Result } from '../../engine/controller.ts';
import { expectedScale } from './expected-scale.ts';
import { countHealthy, desiredHealthy, disruptedPods, failedStatus, needsScale, nextStatus } from './kernel/budget.ts';
import { staleInMs, takenBack } from './kernel/stale-condition.ts';

const podPrefix = 'pod:';

export function disruptionController(): Controller {
  return {
    name: 'disruption-controller',
    queue: 'disruption',
    serviceAccount: 'disruption-controller',
    component: 'controllermanager',
    watches: [
      { resource: policyV1.poddisruptionbudgets, keys: (b, _old, _c, deleted) => (deleted ? [] : [keyOf(b)]) },
      {
        resource: coreV1.pods,
        keys: (pod: Pod, old, context) => [
          ...budgetsOf(context, pod, old).map(keyOf),
          ...(staleInMs(pod, context.clock.now()) === undefined ? [] : [podPrefix + keyOf(pod)]),
        ],
      },
    ],
    reads: [coreV1.replicationcontrollers, appsV1.replicasets, appsV1.deployments, appsV1.statefulsets],
    writes: ['poddisruptionbudgets/status', 'pods/status', 'events'],
    create: context => {
      const warn = (pod: Pod) => warnOfSeveral(context, pod);
      context.observe(coreV1.pods, { onAdd: warn, onUpdate: warn });
      return {
        reconcile: key =>
          key.startsWith(podPrefix)
            ? takeBack(context, key.slice(podPrefix.length))
            : new BudgetSync(context, key).run(),
      };
    },
  };
}

function selects(budget: PodDisruptionBudget, pod: Pod | undefined): boolean {
  try {
    return !!pod && selectorFromLabelSelector(budget.spec.selector).matches(pod.metadata.labels ?? {});
  } catch {
    return false;
  }
}

/** Those that count the pod, or did before it changed. */
function budgetsOf(context: ControllerContext, pod: Pod, old?: Pod): readonly PodDisruptionBudget[] {
  const all = context.lister(policyV1.poddisruptionbudgets).list(pod.metadata.namespace);
  return all.filter(b => selects(b, pod) || selects(b, old));
}

/** Nothing can be evicted that several budgets count. */
function warnOfSeveral(context: ControllerContext, pod: Pod): void {
  const budgets = budgetsOf(context, pod);
  if (budgets.length < 2) return;
  const { namespace, name } = pod.metadata;
  context.events.event(
    referenceTo(pod, coreV1.pods),
    'Warning',
    'MultiplePodDisruptionBudgets',
    `Pod "${namespace}"/"${name}" matches multiple PodDisruptionBudgets.  Chose "${budgets[0]!.metadata.name}" arbitrarily.`,
  );
}

/** As Go prints it: part of a message. */
function printSelector(selector: LabelSelector | undefined): string {
  const labels = Object.entries(selector?.matchLabels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const expressions = selector?.matchExpressions ?? [];
  const print = ({ key, operator, values = [] }: (typeof expressions)[number]) =>
    `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${values.join(' ')}],}`;
  return `&LabelSelector{MatchLabels:map[string]string{${labels.map(([k, v]) => `${k}: ${v},`).join('')}},MatchExpressions:[]LabelSelectorRequirement{${expressions.map(e => `${print(e)},`).join('')}},}`;
}

/** One look at one budget. */
class BudgetSync {
  readonly #context: ControllerContext;
  readonly #key: string;

  constructor(context: ControllerContext, key: string) {
    this.#context = context;
    this.#key = key;
  }

  async run(): Promise<Result | undefined> {
    const budget = this.#context.lister(policyV1.poddisruptionbudgets).get(this.#key);
    if (!budget) return undefined;
    try {
      return await this.#sync(budget);
    } catch (error) {
      if (isConflict(error)) throw error;
      this.#context.log.error('syncing the budget failed', { budget: this.#key, error: messageOf(error) });
      await this.#write(budget, failedStatus(budget, messageOf(error), this.#context.clock.now()));
      return undefined;
    }
  }

  async #sync(budget: PodDisruptionBudget): Promise<Result | undefined> {
    const nowMs = this.#context.clock.now();
    const pods = this.#pods(budget);
    if (pods.length === 0) this.#tell(budget, 'Normal', 'NoPods', 'No matching pods found');
    const expected = await this.#expected(budget, pods);
    const disrupted = disruptedPods(budget, pods, nowMs);
    for (const pod of disrupted.overdue) this.#tellOverdue(budget, pod);
    const counts = {
      healthy: countHealthy(pods, disrupted.pods),
      desired: desiredHealthy(budget, expected),
      expected,
    };
    const status = nextStatus(budget, counts, disrupted.pods, nowMs);
    if (status) await this.#write(budget, status);
    // A moment past the time, which itself is not too late yet.
    return disrupted.recheckMs === undefined ? undefined : { requeueAfterMs: disrupted.recheckMs - nowMs + 1 };
  }

  #pods(budget: PodDisruptionBudget): readonly Pod[] {
    try {
      const selector = selectorFromLabelSelector(budget.spec.selector);
      const pods = this.#context.lister(coreV1.pods).list(budget.metadata.namespace);
      return pods.filter(p => selector.matches(p.metadata.labels ?? {}));
    } catch (error) {
      this.#tell(budget, 'Warning', 'NoPods', `Failed to get pods: ${messageOf(error)}`);
      throw error;
    }
  }

  async #expected(budget: PodDisruptionBudget, pods: readonly Pod[]): Promise<number> {
    if (!needsScale(budget)) return pods.length;
    try {
      const { expected, unmanaged } = await expectedScale(this.#context, pods);
      if (unmanaged.length > 0) this.#tellUnmanaged(budget);
      return expected;
    } catch (error) {
      const message = `Failed to calculate the number of expected pods: ${messageOf(error)}`;
      this.#tell(budget, 'Warning', 'CalculateExpectedPodCountFailed', message);
      throw error;
    }
  }

  #tellUnmanaged(budget: PodDisruptionBudget): void {
    const selector = JSON.stringify(printSelector(budget.spec.selector));
    this.#tell(
      budget,
      'Warning',
      'UnmanagedPods',
      `Pods selected by this PodDisruptionBudget (selector: ${selector}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.`,
    );
  }

  #tellOverdue(budget: PodDisruptionBudget, pod: Pod): void {
    const { namespace, name } = budget.metadata;
    this.#context.events.event(
      referenceTo(pod, coreV1.pods),
      'Warning',
      'NotDeleted',
      `Pod was expected by PDB ${namespace}/${name} to be deleted but it wasn't`,
    );
  }

  #tell(budget: PodDisruptionBudget, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#context.events.event(referenceTo(budget, policyV1.poddisruptionbudgets), type, reason, message);
  }

  async #write(budget: PodDisruptionBudget, status: PodDisruptionBudgetStatus): Promise<void> {
    const draft = cloneDeep({ ...budget, status });
    await this.#context.client.updateStatus<PodDisruptionBudget>(policyV1.poddisruptionbudgets, draft);
  }
}

async function takeBack(context: ControllerContext, key: string): Promise<Result | undefined> {
  const { client, clock, lister } = context;
  const pod = lister(coreV1.pods).get(key);
  const waitMs = pod && staleInMs(pod, clock.now());
  if (!pod || waitMs === undefined) return undefined;
  if (waitMs > 0) return { requeueAfterMs: waitMs };
  // Replaces reason and message too, which a merge would keep.
  const condition = { reason: null, message: null, ...takenBack(pod, formatTime(clock.now())) };
  const body = { metadata: { uid: pod.metadata.uid }, status: { conditions: [condition] } };
  await client.patch(coreV1.pods, parseKey(key), { type: 'strategic', body }, { subresource: 'status' });
  return undefined;
}
