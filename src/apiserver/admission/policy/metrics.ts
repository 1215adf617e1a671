// Checks of policies, by Kubernetes' names.

import { CellCounter, CellHistogram } from '../../../base/metric-cells.ts';
import type { Metrics } from '../../../base/metrics.ts';
import type { ConditionMetrics } from '../match/condition-metrics.ts';

export type EnforcementAction = 'allow' | 'deny' | 'warn' | 'audit';

export interface PolicyMetrics {
  /** A validation did not hold; `allow`: it could not be evaluated, and that is to be ignored. Others are not counted. */
  validated(
    policy: string,
    binding: string,
    check: { readonly action: EnforcementAction; readonly seconds: number },
  ): void;
  mutated(policy: string, binding: string, check: { readonly failed: boolean; readonly seconds: number }): void;
  readonly conditions: ConditionMetrics;
}

const validating = 'apiserver_validating_admission_policy_check';
const mutating = 'apiserver_mutating_admission_policy_check';
const buckets = [0.0000005, 0.001, 0.01, 0.1, 1];

export function policyMetrics(metrics: Metrics, conditions: ConditionMetrics): PolicyMetrics {
  const counter = (name: string, help: string) => new CellCounter(metrics, `${name}_total`, help);
  const histogram = (name: string, help: string) =>
    new CellHistogram(metrics, `${name}_duration_seconds`, help, buckets);
  const validations = counter(
    validating,
    '[BETA] Validation admission policy check total, labeled by policy and further identified by binding and enforcement action taken.',
  );
  const validationSeconds = histogram(
    validating,
    '[BETA] Validation admission latency for individual validation expressions in seconds, labeled by policy and further including binding and enforcement action taken.',
  );
  const mutations = counter(
    mutating,
    '[ALPHA] Mutation admission policy check total, labeled by policy and further identified by binding.',
  );
  const mutationSeconds = histogram(
    mutating,
    '[ALPHA] Mutation admission latency for individual mutation expressions in seconds, labeled by policy and binding.',
  );
  return {
    conditions,
    validated(policy, policy_binding, { action, seconds }) {
      const key = `${policy} ${policy_binding} ${action}`;
      const labels = () => ({ enforcement_action: action, error_type: 'invalid_error', policy, policy_binding });
      validations.add(key, labels);
      validationSeconds.cell(key, labels).observe(seconds);
    },
    mutated(policy, policy_binding, { failed, seconds }) {
      const error_type = failed ? 'invalid_error' : 'no_error';
      const key = `${policy} ${policy_binding} ${error_type}`;
      const labels = () => ({ error_type, policy, policy_binding });
      mutations.add(key, labels);
      mutationSeconds.cell(key, labels).observe(seconds);
    },
  };
}
