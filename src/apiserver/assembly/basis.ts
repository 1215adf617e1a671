import { featureGates } from '../../api/feature-gates.ts';
import { builtinResources, type ResourceTable } from '../../api/resource.ts';
import { type Clock, systemClock } from '../../base/clock.ts';
import { createLog, type Log } from '../../base/log.ts';
import { createMetrics, type Metrics } from '../../base/metrics.ts';
import { type Random, systemRandom } from '../../base/random.ts';
import { createEgress, type Egress } from '../egress/egress.ts';
import type { ApiServerOptions } from '../server-options.ts';

/** What every part of the server is made with. */
export interface Basis {
  readonly options: ApiServerOptions;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly table: ResourceTable;
  readonly featureEnabled: (gate: string) => boolean;
  readonly egress: Egress;
}

export function basisOf(options: ApiServerOptions): Basis {
  const {
    clock = systemClock,
    random = systemRandom,
    log = createLog('apiserver'),
    metrics = createMetrics(),
  } = options;
  const featureEnabled = featureGates(options.featureGates);
  const egress = createEgress({ proxies: options.egress ?? {}, clock, random, metrics });
  return { options, clock, random, log, metrics, table: builtinResources(), featureEnabled, egress };
}
