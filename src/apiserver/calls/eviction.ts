// pods/eviction: deletes a pod unless a PodDisruptionBudget forbids it.

import { selectorFromLabelSelector } from '../../api/label-selector.ts';
import { cloneDeep, formatTime, type KubeObject, type Mutable, parseTime } from '../../api/meta.ts';
import { isPlain } from '../../api/patch/plain.ts';
import { badRequest, forbidden, internalError, notFound, StatusError } from '../../api/status.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import type { Eviction, PodDisruptionBudget } from '../../api/type/policy-v1.ts';
import { admitCall } from '../admission/admit-call.ts';
import { draftFrom } from '../body.ts';
import type { Call, CallResult } from '../context.ts';
import { deleteRequest } from '../delete-options.ts';
import { type DeleteRequest, deleteObject } from '../registry/delete.ts';
import { checkNamespace, checkPreconditions } from '../registry/metadata.ts';
import type { Registry } from '../registry/registry.ts';
import { updateObject } from '../registry/update.ts';

const target = { group: 'policy', version: 'v1', kind: 'Eviction', typeName: 'io.k8s.api.policy.v1.Eviction' };

/** Of version v1beta1 the eviction alone is still taken, which has the same form. */
function asLater(value: unknown): unknown {
  const early = isPlain(value) && value.kind === 'Eviction' && value.apiVersion === 'policy/v1beta1';
  return early ? { ...value, apiVersion: 'policy/v1' } : value;
}

// More pods than this disrupted at once means that the controller does not keep up.
const mostDisrupted = 2000;

const success: CallResult = {
  code: 201,
  object: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 },
};

export async function evict(call: Call, pods: Registry, budgets: Registry): Promise<CallResult> {
  const { value, ...given } = await call.body();
  const eviction = draftFrom(
    target,
    undefined,
    asLater(value),
    { fieldValidation: call.fieldValidation, warn: call.context.warn },
    given,
  ) as unknown as Eviction;
  const { name } = eviction.metadata;
  if (name && name !== call.key.name) throw badRequest('name in URL does not match name in Eviction object');
  checkNamespace(call, eviction);
  const stored = pods.get(call.key);
  const pod = stored.object as unknown as Pod;
  await admitCall({ ...call, registry: pods }, 'CREATE', eviction);
  const request = deleteRequest({ ...eviction.deleteOptions });
  checkPreconditions(pods, stored, request.preconditions);
  const context = { ...call.context, subresource: '', admitted: true, dryRun: call.context.dryRun || request.dryRun };
  // A pod that does not run disrupts nobody.
  if (!ignoresBudgets(pod)) await takeFromBudget(call, pod, budgets, context.dryRun);
  const preconditions = context.dryRun
    ? request.preconditions
    : await markEvicted(call, pods, pod, request.preconditions);
  await deleteObject(pods, call.key, { ...request, ...(preconditions ? { preconditions } : {}) }, context);
  return success;
}

function ignoresBudgets(pod: Pod): boolean {
  const phase = pod.status.phase;
  return (
    phase === 'Succeeded' || phase === 'Failed' || phase === 'Pending' || pod.metadata.deletionTimestamp !== undefined
  );
}

const isReady = (pod: Pod): boolean =>
  pod.status.conditions?.some(c => c.type === 'Ready' && c.status === 'True') ?? false;

async function takeFromBudget(call: Call, pod: Pod, budgets: Registry, dryRun: boolean): Promise<void> {
  const matching: PodDisruptionBudget[] = [];
  budgets.cache.snapshot().scan(`${call.key.namespace}/`, undefined, ({ object }) => {
    const budget = object as unknown as PodDisruptionBudget;
    if (budget.spec.selector && selectorFromLabelSelector(budget.spec.selector).matches(pod.metadata.labels ?? {}))
      matching.push(budget);
    return undefined;
  });
  if (matching.length === 0) return;
  if (matching.length > 1)
    throw internalError(
      'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
    );
  const [budget] = matching as [PodDisruptionBudget];
  if (!isReady(pod) && mayEvictUnhealthy(budget)) return;
  const key = { namespace: call.key.namespace!, name: budget.metadata.name };
  await updateObject(
    budgets,
    key,
    current => {
      if (!current) throw notFound(budgets.resource, key.name);
      return spend(current as unknown as PodDisruptionBudget, pod, budgets.options.clock.now());
    },
    { ...call.context, subresource: 'status', admitted: true, dryRun },
  );
}

function mayEvictUnhealthy({ spec, status }: PodDisruptionBudget): boolean {
  if (spec.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true;
  const { currentHealthy = 0, desiredHealthy = 0 } = status;
  return currentHealthy >= desiredHealthy && desiredHealthy > 0;
}

function spend(budget: PodDisruptionBudget, pod: Pod, nowMs: number): Mutable<KubeObject> {
  const next = cloneDeep(budget) as Mutable<PodDisruptionBudget>;
  const { status } = next;
  const { name } = budget.metadata;
  if ((status.observedGeneration ?? 0) < (budget.metadata.generation ?? 0))
    throw refusal(`The disruption budget ${name} is still being processed by the server.`, 10);
  const allowed = status.disruptionsAllowed ?? 0;
  const never = (why: string) => forbidden({ group: 'policy', resource: 'poddisruptionbudget' }, name, why);
  if (allowed < 0) throw never('pdb disruptions allowed is negative');
  if (Object.keys(status.disruptedPods ?? {}).length > mostDisrupted)
    throw never('DisruptedPods map too big - too many evictions not confirmed by PDB controller');
  if (allowed === 0) throw refusal(whyNone(budget));
  status.disruptionsAllowed = allowed - 1;
  if (status.disruptionsAllowed === 0) sayNoMore(status, nowMs);
  status.disruptedPods = { ...status.disruptedPods, [pod.metadata.name]: formatTime(nowMs) };
  return next as unknown as Mutable<KubeObject>;
}

const refusal = (message: string, retryAfterSeconds?: number): StatusError =>
  new StatusError(429, 'TooManyRequests', "Cannot evict pod as it would violate the pod's disruption budget.", {
    causes: [{ reason: 'DisruptionBudget', message }],
    ...(retryAfterSeconds ? { retryAfterSeconds } : {}),
  });

const allowedCondition = ({ conditions }: PodDisruptionBudget['status']) =>
  conditions?.find(c => c.type === 'DisruptionAllowed');

/** The figures of a budget that could not be looked at mean nothing. */
function whyNone({ metadata, status }: PodDisruptionBudget): string {
  const { currentHealthy = 0, desiredHealthy = 0 } = status;
  const none = `The disruption budget ${metadata.name} does not allow evicting pods currently`;
  const said = allowedCondition(status);
  const { reason, message } = said?.status === 'False' ? said : {};
  if (message && reason === 'SyncFailed') return `${none} because it failed sync: ${message}`;
  if (currentHealthy <= desiredHealthy)
    return `The disruption budget ${metadata.name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`;
  return message ? `${none} (${reason}): ${message}` : none;
}

function sayNoMore(status: Mutable<PodDisruptionBudget>['status'], nowMs: number): void {
  const before = allowedCondition(status);
  const condition = {
    ...before,
    type: 'DisruptionAllowed',
    status: 'False',
    reason: 'InsufficientPods',
    message: '',
    lastTransitionTime: before?.status === 'False' ? before.lastTransitionTime : formatTime(nowMs),
    ...(status.observedGeneration ? { observedGeneration: status.observedGeneration } : {}),
  };
  const others = (status.conditions ?? []).filter(c => c.type !== 'DisruptionAllowed');
  status.conditions = [...others, condition as never];
}

/** Resolves with the preconditions of the delete, which is of the pod as this has written it. */
async function markEvicted(
  call: Call,
  pods: Registry,
  pod: Pod,
  preconditions: DeleteRequest['preconditions'],
): Promise<DeleteRequest['preconditions']> {
  const { stored } = await updateObject(
    pods,
    call.key,
    current => {
      if (current) checkPreconditions(pods, { object: current }, preconditions);
      const next = cloneDeep(current as unknown as Pod) as Mutable<Pod>;
      const nowMs = pods.options.clock.now();
      const before = next.status.conditions?.find(c => c.type === 'DisruptionTarget');
      const lastTransitionTime =
        before?.status === 'True' && parseTime(before.lastTransitionTime)
          ? before.lastTransitionTime!
          : formatTime(nowMs);
      const condition = {
        type: 'DisruptionTarget',
        status: 'True',
        reason: 'EvictionByEvictionAPI',
        message: 'Eviction API: evicting',
        lastTransitionTime,
        ...(pod.metadata.generation ? { observedGeneration: pod.metadata.generation } : {}),
      };
      next.status.conditions = [
        ...(next.status.conditions ?? []).filter(c => c.type !== 'DisruptionTarget'),
        condition as never,
      ];
      return next as unknown as Mutable<KubeObject>;
    },
    { ...call.context, subresource: 'status', admitted: true },
  );
  if (preconditions?.resourceVersion === undefined) return preconditions;
  return { ...preconditions, resourceVersion: stored.object.metadata.resourceVersion };
}
