// The podFailurePolicy and the successPolicy of a Job.
import type { Job, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyRule } from '../../../api/type/batch-v1.ts';
import type { ContainerStatus, Pod } from '../../../api/type/core-v1.ts';
import { IndexSet } from './index-set.ts';

export type FailureAction = PodFailurePolicyRule['action'];

export interface FailureMatch {
  readonly action: FailureAction;
  /** Says what failed, when the job is to fail. */
  readonly message: string;
}

/** The first rule a failed pod meets. */
export function matchFailurePolicy(job: Job, pod: Pod): FailureMatch | undefined {
  for (const [index, rule] of (job.spec.podFailurePolicy?.rules ?? []).entries()) {
    const what = rule.onExitCodes ? exitCodeMatch(rule.onExitCodes, pod) : conditionMatch(rule, pod);
    if (what) return { action: rule.action, message: `${what} matching ${rule.action} rule at index ${index}` };
  }
  return undefined;
}

/** Not ignored by a rule. */
export const countsAsFailure = (job: Job, pod: Pod): boolean => matchFailurePolicy(job, pod)?.action !== 'Ignore';

const nameOf = (pod: Pod): string => `${pod.metadata.namespace}/${pod.metadata.name}`;

function exitCodeMatch(wanted: PodFailurePolicyOnExitCodesRequirement, pod: Pod): string | undefined {
  const { containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
  const found = [...containerStatuses, ...initContainerStatuses].find(s => exited(s, wanted));
  return (
    found && `Container ${found.name} for pod ${nameOf(pod)} failed with exit code ${found.state?.terminated?.exitCode}`
  );
}

function exited(status: ContainerStatus, wanted: PodFailurePolicyOnExitCodesRequirement): boolean {
  if (wanted.containerName !== undefined && wanted.containerName !== status.name) return false;
  const code = status.state?.terminated?.exitCode;
  if (!code) return false;
  const named = (wanted.values ?? []).includes(code);
  return wanted.operator === 'In' ? named : wanted.operator === 'NotIn' && !named;
}

function conditionMatch(rule: PodFailurePolicyRule, pod: Pod): string | undefined {
  const patterns = rule.onPodConditions ?? [];
  const found = pod.status?.conditions?.find(c =>
    patterns.some(p => p.type === c.type && (p.status ?? 'True') === c.status),
  );
  return found && `Pod ${nameOf(pod)} has condition ${found.type}`;
}

/** The message of the first rule that what has succeeded satisfies. */
export function matchSuccessPolicy(job: Job, succeeded: IndexSet): string | undefined {
  const completions = job.spec.completions ?? 0;
  for (const [index, rule] of (job.spec.successPolicy?.rules ?? []).entries()) {
    let met: boolean;
    if (rule.succeededIndexes === undefined)
      met = rule.succeededCount !== undefined && succeeded.size >= rule.succeededCount;
    else {
      const wanted = IndexSet.parse(rule.succeededIndexes, completions);
      met = wanted.common(succeeded) >= (rule.succeededCount ?? wanted.size);
    }
    if (met) return `Matched rules at index ${index}`;
  }
  return undefined;
}
