// Metrics of webhooks by Kubernetes' names.
import type { Metrics } from '../../../base/metrics.ts';
import type { ConditionMetrics } from '../match/condition-metrics.ts';

export type WebhookType = 'admit' | 'validating';
export type RejectionError = 'calling_webhook_error' | 'apiserver_internal_error' | 'no_error';

export interface WebhookMetrics {
  /** One answer, or none after `seconds`: code 0. `rejected`: the request ends with it. */
  called(
    hook: { name: string; type: WebhookType; operation: string },
    call: { readonly seconds: number; readonly code: number; readonly rejected: boolean },
  ): void;
  rejected(hook: { name: string; type: WebhookType; operation: string }, error: RejectionError, code: number): void;
  failedOpen(hook: { name: string; type: WebhookType }): void;
  readonly conditions: ConditionMetrics;
}

const buckets = [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 25];
const prefix = 'apiserver_admission_webhook';

export function webhookMetrics(metrics: Metrics, conditions: ConditionMetrics): WebhookMetrics {
  const own = ['name', 'type', 'operation'];
  const duration = metrics.histogram(
    `${prefix}_admission_duration_seconds`,
    '[STABLE] Admission webhook latency histogram in seconds, identified by name and broken out for each operation and API resource and type (validate or admit).',
    [...own, 'rejected'],
    buckets,
  );
  const requests = metrics.counter(
    `${prefix}_request_total`,
    '[ALPHA] Admission webhook request total, identified by name and broken out for each admission type (validating or admit) and operation. Additional labels specify whether the request was rejected or not and an HTTP status code. Codes greater than 600 are truncated to 600, to keep the metrics cardinality bounded.',
    [...own, 'code', 'rejected'],
  );
  const rejections = metrics.counter(
    `${prefix}_rejection_count`,
    'Admission webhook rejections, by name, type, operation, kind of error and code.',
    [...own, 'error_type', 'rejection_code'],
  );
  const open = metrics.counter(`${prefix}_fail_open_count`, 'Webhooks that failed and were gone without.', [
    'name',
    'type',
  ]);
  return {
    conditions,
    called(hook, { seconds, code, rejected }) {
      const labels = { ...hook, rejected: String(rejected) };
      duration.observe(labels, seconds);
      requests.inc({ ...labels, code: String(code) });
    },
    rejected: (hook, error, code) =>
      rejections.inc({ ...hook, error_type: error, rejection_code: String(Math.min(code, 600)) }),
    failedOpen: ({ name, type }) => open.inc({ name, type }),
  };
}
