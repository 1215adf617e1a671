// Match conditions that did not hold, by Kubernetes' names. Those that hold are not counted there.
import { CellCounter, CellHistogram } from '../../../base/metric-cells.ts';
import type { Metrics } from '../../../base/metrics.ts';

export interface Conditioned {
  readonly kind: 'webhook' | 'policy';
  readonly name: string;
  readonly operation: string;
  /** Kubernetes calls webhooks that validate so here, all policies `validate`. */
  readonly type: 'admit' | 'validating' | 'validate';
}

export interface Unmet {
  readonly seconds: number;
  /** None was false and some could not be evaluated. */
  readonly failed: boolean;
  /** The request goes on without it. */
  readonly excluded: boolean;
}

export type ConditionMetrics = (of: Conditioned, unmet: Unmet) => void;

const prefix = 'apiserver_admission_match_condition';
const ofWhat = (who: string) =>
  `identified by name${who} and broken out for each kind containing matchConditions (webhook or policy), operation and`;
const holder = ' of resource containing the match condition';

export function conditionMetrics(metrics: Metrics): ConditionMetrics {
  const errors = new CellCounter(
    metrics,
    `${prefix}_evaluation_errors_total`,
    `[ALPHA] Admission match condition evaluation errors count, ${ofWhat(holder)} admission type (validate or admit).`,
  );
  const exclusions = new CellCounter(
    metrics,
    `${prefix}_exclusions_total`,
    `[ALPHA] Admission match condition evaluation exclusions count, ${ofWhat(holder)} admission type (validate or admit).`,
  );
  const duration = new CellHistogram(
    metrics,
    `${prefix}_evaluation_seconds`,
    `[ALPHA] Admission match condition evaluation time in seconds, ${ofWhat('')} type (validate or admit).`,
    [0.001, 0.005, 0.01, 0.025, 0.1, 0.2, 0.25],
  );
  return (of, { seconds, failed, excluded }) => {
    const key = `${of.kind} ${of.name} ${of.operation} ${of.type}`;
    const labels = () => ({ ...of });
    duration.cell(key, labels).observe(seconds);
    if (failed) errors.add(key, labels);
    if (excluded && of.kind === 'webhook')
      exclusions.add(key, () => ({ ...of, type: of.type === 'admit' ? 'admit' : 'validate' }));
  };
}
