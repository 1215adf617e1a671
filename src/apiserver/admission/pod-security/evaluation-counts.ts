// How often pods were held against a standard, by Kubernetes' names.
import { CellCounter } from '../../../base/metric-cells.ts';
import type { Metrics } from '../../../base/metrics.ts';
import type { AdmissionAttributes } from '../admission.ts';

/** Newest minor version whose name a metric tells; later ones are `future`. */
const newestMinor = 36;

export class EvaluationCounts {
  readonly #evaluations: CellCounter;

  constructor(metrics: Metrics) {
    this.#evaluations = new CellCounter(
      metrics,
      'pod_security_evaluations_total',
      '[STABLE] Number of policy evaluations that occurred, not counting ignored or exempt requests.',
    );
  }

  count(
    decision: 'allow' | 'deny',
    mode: 'enforce' | 'audit' | 'warn',
    { level, version }: { readonly level: string; readonly version: string },
    { operation, resource, subresource }: AdmissionAttributes,
  ): void {
    const policyVersion = Number(version.slice('v1.'.length)) > newestMinor ? 'future' : version;
    const kind = resource.group === '' && resource.resource === 'pods' ? 'pod' : 'controller';
    const request = operation.toLowerCase();
    const key = `${decision} ${mode} ${level} ${policyVersion} ${request} ${kind} ${subresource}`;
    this.#evaluations.add(key, () => ({
      ...{ decision, mode, policy_level: level, policy_version: policyVersion },
      ...{ request_operation: request, resource: kind, subresource },
    }));
  }
}
