// What an API server tells of itself and who follows its requests, put together.
import { reportComponent } from '../../api/component-metrics.ts';
import { debugPaths } from '../../base/debug/debug-paths.ts';
import { CellCounter, CellHistogram } from '../../base/metric-cells.ts';
import { createMetrics, exponentialBuckets, type Metrics } from '../../base/metrics.ts';
import { reportProcess } from '../../base/process-metrics.ts';
import type { Store } from '../../store/store.ts';
import type { Authorizer, Verdict } from '../authz/authorizer.ts';
import type { ApiContext } from '../context.ts';
import type { PathHandler } from '../handler.ts';
import { metricsPath, type VersionInfo } from '../health.ts';
import type { Exchange } from '../http/exchange.ts';
import { nosniff } from '../respond.ts';
import type { ApiServerOptions } from '../server-options.ts';
import { reportCaches } from './cache-metrics.ts';
import { filterSeconds } from './filter-seconds.ts';
import { reportStorage, reportStore } from './storage-metrics.ts';
import { createTracer, type Tracer } from './tracer.ts';

export interface Observation {
  readonly tracer: Tracer;
  /** /metrics/slis, /statusz, /flagz, /debug/pprof. */
  readonly paths: readonly PathHandler[];
  /** What came of a health check of an endpoint. */
  checked(name: string, endpoint: string, healthy: boolean): void;
}

export interface ObservationDeps {
  readonly context: ApiContext;
  readonly options: Pick<ApiServerOptions, 'tracing' | 'profiling' | 'flags'>;
  readonly metrics: Metrics;
  readonly version: VersionInfo;
  readonly store: Store;
}

export function createObservation({ context, options, metrics, version, store }: ObservationDeps): Observation {
  const { clock, random, log } = context;
  reportProcess(metrics, clock);
  reportComponent(metrics, version, context.featureEnabled);
  reportStorage(metrics, context);
  reportStore(metrics, store);
  reportCaches(metrics, context, store.newestRevision !== undefined);
  const slis = createMetrics();
  const { profiling = true } = options;
  const answer = debugPaths({
    // As every server made of Kubernetes' modules.
    component: 'apiserver',
    version: version.gitVersion.replace(/^v/, ''),
    flags: { profiling: String(profiling), ...options.flags },
    paths: [
      ...(profiling ? ['/debug/pprof'] : []),
      ...['/flagz', '/healthz', '/livez', '/metrics', '/metrics/slis', '/readyz', '/statusz', '/version'],
    ],
    profiling,
    clock,
  });
  return {
    tracer: createTracer(options.tracing, { clock, random, log }),
    paths: [metricsPath(slis, '/metrics/slis'), exchange => serveDebug(answer, exchange)],
    checked: healthMetrics(slis),
  };
}

async function serveDebug(answer: ReturnType<typeof debugPaths>, exchange: Exchange): Promise<boolean> {
  const gone = new AbortController();
  exchange.onClose(() => gone.abort());
  const { path, query, headers } = exchange;
  const answering = answer({ path, query, accept: headers.accept, signal: gone.signal });
  if (!answering) return false;
  const { code, contentType, body, headers: more } = await answering;
  const profiles = path.startsWith('/debug/pprof/') ? nosniff : {};
  exchange.respond(
    code,
    { 'content-type': contentType, 'cache-control': 'no-cache, private', ...profiles, ...more },
    body,
  );
  return true;
}

function healthMetrics(slis: Metrics): Observation['checked'] {
  const state = slis.gauge(
    'kubernetes_healthcheck',
    '[STABLE] This metric records the result of a single healthcheck.',
    ['name', 'type'],
  );
  const total = slis.counter(
    'kubernetes_healthchecks_total',
    '[STABLE] This metric records the results of all healthcheck.',
    ['name', 'status', 'type'],
  );
  return (name, type, healthy) => {
    state.set({ name, type }, healthy ? 1 : 0);
    total.inc({ name, status: healthy ? 'success' : 'error', type });
  };
}

const results = { allow: 'allowed', deny: 'denied', noOpinion: 'no-opinion' } as const;

/** The same authorizer, its answers counted and timed: those to requests, and to who asks by a review or a rule. */
export function measuredAuthorizer(inner: () => Authorizer, metrics: Metrics, clock: ApiContext['clock']): Authorizer {
  const attempts = new CellCounter(
    metrics,
    'authorization_attempts_total',
    "[ALPHA] Counter of authorization attempts broken down by result. It can be either 'allowed', 'denied', 'no-opinion' or 'error'.",
  );
  const seconds = new CellHistogram(
    metrics,
    'authorization_duration_seconds',
    '[ALPHA] Authorization duration in seconds broken out by result.',
    exponentialBuckets(0.001, 2, 15),
  );
  const filter = filterSeconds(metrics, 'authorization');
  const count = (verdict: Verdict, startMs: number): Verdict => {
    const result = verdict.error && verdict.decision !== 'allow' ? 'error' : results[verdict.decision];
    const labels = () => ({ result });
    attempts.add(result, labels);
    const took = (clock.monotonic() - startMs) / 1000;
    seconds.cell(result, labels).observe(took);
    filter.observe(took);
    return verdict;
  };
  return {
    authorize(attributes) {
      const startMs = clock.monotonic();
      const answer = inner().authorize(attributes);
      return answer instanceof Promise ? answer.then(verdict => count(verdict, startMs)) : count(answer, startMs);
    },
  };
}
