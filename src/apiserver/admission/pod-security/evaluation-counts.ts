// How often pods were held against a standard, by Kubernetes' names.
import { CellCounter } from '../../../base/metric-cells.ts';
import type { Metrics } from '../../../base/metrics.ts';
import type { AdmissionAttributes } from '../admission.ts';

/** Newest minor version whose name a metric tells; later ones are `future`. */
const newestMinor = 36;

export class EvaluationCounts {
  readonly #evaluations: CellCounter;
  readonly #exemptions: CellCounter;

  constructor(metrics: Metrics) {
    this.#evaluations = new CellCounter(
      metrics,
      'pod_security_evaluations_total',
      '[STABLE] Number of policy evaluations that occurred, not counting ignored or exempt requests.',
    );
    this.#exemptions = new CellCounter(
      metrics,
      'pod_security_exemptions_total',
      '[STABLE] Number of exempt requests, not counting ignored or out of scope requests.',
    );
  }

  count(
    decision: 'allow' | 'deny',
    mode: 'enforce' | 'audit' | 'warn',
    { level, version }: { readonly level: string; readonly version: string },
    request: AdmissionAttributes,
  ): void {
    const policyVersion = Number(version.slice('v1.'.length)) > newestMinor ? 'future' : version;
    const labels = labelsOf(request);
    const key = `${decision} ${mode} ${level} ${policyVersion} ${Object.values(labels).join(' ')}`;
    const policy = { decision, mode, policy_level: level, policy_version: policyVersion };
    this.#evaluations.add(key, () => ({ ...policy, ...labels }));
  }

  exempt(request: AdmissionAttributes): void {
    const labels = labelsOf(request);
    this.#exemptions.add(Object.values(labels).join(' '), () => labels);
  }
}

const labelsOf = ({ operation, resource, subresource }: AdmissionAttributes) => ({
  request_operation: operation.toLowerCase(),
  resource: resource.group === '' && resource.resource === 'pods' ? 'pod' : 'controller',
  subresource,
});
