// What the server's options say about letting requests in, put together.
import type { Metrics } from '../../base/metrics.ts';
import { type ApiContext, registryOf } from '../context.ts';
import { requestTimeoutMs } from '../deadline.ts';
import type { PathHandler } from '../handler.ts';
import { filterSeconds } from '../observe/filter-seconds.ts';
import type { ApiServerOptions } from '../server-options.ts';
import { dumpPaths } from './dump.ts';
import { FlowControl } from './flow-control.ts';
import { reportFlowControl } from './flow-metrics.ts';
import { type Gate, Inflight, plainGate } from './inflight.ts';

const group = 'flowcontrol.apiserver.k8s.io';

export function createGate(
  context: ApiContext,
  options: Pick<
    ApiServerOptions,
    'enablePriorityAndFairness' | 'maxRequestsInflight' | 'maxMutatingRequestsInflight' | 'requestTimeoutMs'
  >,
  metrics: Metrics,
): { readonly gate: Gate; readonly paths: readonly PathHandler[] } {
  const { clock } = context;
  const readOnly = options.maxRequestsInflight ?? 400;
  const mutating = options.maxMutatingRequestsInflight ?? 200;
  const monotonic = () => clock.monotonic();
  const inflight = new Inflight(metrics, monotonic);
  if (options.enablePriorityAndFairness === false)
    return { gate: timed(plainGate(inflight, { readOnly, mutating }, monotonic), metrics, monotonic), paths: [] };
  if (readOnly + mutating <= 0)
    throw new Error(
      `invalid configuration: MaxRequestsInFlight=${readOnly} and MaxMutatingRequestsInFlight=${mutating}; they must add up to something positive`,
    );
  const control = new FlowControl({
    clock,
    schemas: registryOf(context, group, 'flowschemas').cache,
    levels: registryOf(context, group, 'prioritylevelconfigurations').cache,
    cacheOf: (g, resource) => context.registries.get(`${g}/${resource}`)?.cache,
    inflight,
    bySize: context.featureEnabled('SizeBasedListCostEstimate'),
    serverSeats: readOnly + mutating,
    requestTimeoutMs: options.requestTimeoutMs || requestTimeoutMs,
  });
  reportFlowControl(control, metrics);
  return { gate: timed(control, metrics, monotonic), paths: [dumpPaths(control, clock)] };
}

/** The same gate; how long it keeps requests is counted. */
function timed(gate: Gate, metrics: Metrics, monotonic: () => number): Gate {
  const seconds = filterSeconds(metrics, 'priorityandfairness');
  return {
    admit(info, user, exchange, nowMs) {
      const startMs = monotonic();
      const tell = () => seconds.observe((monotonic() - startMs) / 1000);
      const passage = gate.admit(info, user, exchange, nowMs);
      if (passage instanceof Promise) passage.then(tell, tell);
      else tell();
      return passage;
    },
  };
}
