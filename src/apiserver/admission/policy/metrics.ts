// Checks of validating policies, by Kubernetes' names.

import { CellCounter, CellHistogram } from '../../../base/metric-cells.ts';
import type { Metrics } from '../../../base/metrics.ts';

export type EnforcementAction = 'allow' | 'deny' | 'warn' | 'audit';

/** One validation of a policy as a binding enforces it. */
export interface PolicyCheck {
  readonly action: EnforcementAction;
  readonly failed: boolean;
  readonly seconds: number;
}

export type PolicyMetrics = (policy: string, binding: string, check: PolicyCheck) => void;

const prefix = 'apiserver_validating_admission_policy_check';

export function policyMetrics(metrics: Metrics): PolicyMetrics {
  const total = new CellCounter(
    metrics,
    `${prefix}_total`,
    '[BETA] Validation admission policy check total, labeled by policy and further identified by binding and enforcement action taken.',
  );
  const duration = new CellHistogram(
    metrics,
    `${prefix}_duration_seconds`,
    '[BETA] Validation admission latency for individual validation expressions in seconds, labeled by policy and further including binding and enforcement action taken.',
    [0.0000005, 0.001, 0.01, 0.1, 1],
  );
  return (policy, binding, { action, failed, seconds }) => {
    const error = failed ? 'invalid_error' : 'no_error';
    const key = `${policy} ${binding} ${action} ${error}`;
    const labels = () => ({ enforcement_action: action, error_type: error, policy, policy_binding: binding });
    total.add(key, labels);
    duration.cell(key, labels).observe(seconds);
  };
}
