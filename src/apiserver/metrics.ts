// Request metrics by Kubernetes' names, counted in place: nothing is looked up by labels but when they are scraped.

import { BucketCounts, bucketSamples } from '../base/bucket-counts.ts';
import type { Clock } from '../base/clock.ts';
import { CellCounter } from '../base/metric-cells.ts';
import type { Metrics, Sample } from '../base/metrics.ts';
import { own } from '../base/own.ts';
import { removedRelease } from './deprecation.ts';
import type { Exchange } from './http/exchange.ts';
import { type Filter, filterSeconds } from './observe/filter-seconds.ts';
import { applyMediaType } from './patch.ts';
import type { RequestInfo } from './request-info.ts';

export interface RequestMetrics {
  observe(
    info: RequestInfo | undefined,
    exchange: Pick<Exchange, 'headers' | 'query' | 'sentBytes' | 'sentCode' | 'closed'>,
    code: number,
    startMs: number,
  ): void;
  /** A request was turned away because there was no room for it. */
  dropped(info: RequestInfo, code: number): void;
  /** A watch or a stream began; it counts until its exchange closes, and a watch lasts until then. */
  began(info: RequestInfo, exchange: Pick<Exchange, 'onClose'>, startMs: number): void;
  /** What a step before the handlers took. */
  filtered(filter: Filter, ms: number): void;
}

const latencyBuckets = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
];
// What is measured against a promise begins with what is worth one.
const sliBuckets = latencyBuckets.slice(2);
const sizeBuckets = [1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

const validationBuckets = [0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60];

/** What is counted of requests that are alike. */
class Cell {
  readonly labels: Readonly<Record<string, string>>;
  readonly codes = new Map<number, number>();
  readonly seconds = new BucketCounts(latencyBuckets);
  readonly bytes = new BucketCounts(sizeBuckets);
  constructor(labels: Readonly<Record<string, string>>) {
    this.labels = labels;
  }
}

/** Names of resources come from clients: beyond this what is new is counted together, refusals from half of it on. */
const mostCells = 5000;

/** `isServed`: whether there is what is asked for; names of what there is not are not kept. */
export function requestMetrics(
  metrics: Metrics,
  clock: Clock,
  isServed: (info: RequestInfo) => boolean = () => true,
): RequestMetrics {
  const cells = new Map<string, Cell>();
  metrics.source(
    'apiserver_request_total',
    '[STABLE] Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, component, and HTTP response code.',
    'counter',
    () =>
      [...cells.values()].flatMap(({ labels, codes }) =>
        [...codes].map(([code, value]) => ({ labels: { ...labels, code: String(code) }, value })),
      ),
  );
  const histogram = (name: string, help: string, read: (cell: Cell) => BucketCounts, drop: readonly string[]) =>
    metrics.source(name, help, 'histogram', () =>
      [...cells.values()]
        .filter(cell => read(cell).counts.some(n => n > 0))
        .flatMap(cell => bucketSamples(name, without(cell.labels, drop), read(cell))),
    );
  histogram(
    'apiserver_request_duration_seconds',
    '[STABLE] Response latency distribution in seconds for each verb, dry run value, group, version, resource, subresource, scope and component.',
    c => c.seconds,
    [],
  );
  histogram(
    'apiserver_response_sizes',
    '[STABLE] Response size distribution in bytes for each group, version, verb, resource, subresource, scope and component.',
    c => c.bytes,
    ['dry_run'],
  );

  const indicated =
    'Response latency distribution (not counting webhook duration and priority & fairness queue wait times) in seconds for each verb, group, version, resource, subresource, scope and component.';
  for (const [name, help] of [
    ['apiserver_request_sli_duration_seconds', `[ALPHA] ${indicated}`],
    ['apiserver_request_slo_duration_seconds', `[ALPHA] ${indicated}`],
  ] as const)
    metrics.source(name, help, 'histogram', () =>
      [...withoutDryRun(cells.values())]
        .filter(({ seconds }) => seconds.counts.some(n => n > 0))
        .flatMap(({ labels, seconds }) => bucketSamples(name, labels, seconds)),
    );
  metrics.source(
    'apiserver_requested_deprecated_apis',
    '[STABLE] Gauge of deprecated APIs that have been requested, broken out by API group, version, resource, subresource, and removed_release.',
    'gauge',
    () => deprecatedOf([...cells.values()].map(c => c.labels)),
  );
  const dropped = new CellCounter(
    metrics,
    'apiserver_request_terminations_total',
    '[ALPHA] Number of requests which apiserver terminated in self-defense.',
  );
  const validations = { Ignore: byValidation('Ignore'), Warn: byValidation('Warn'), Strict: byValidation('Strict') };
  const fieldValidation = 'field_validation_request_duration_seconds';
  metrics.source(
    fieldValidation,
    '[ALPHA] Response latency distribution in seconds for each field validation value',
    'histogram',
    () =>
      Object.values(validations)
        .filter(({ seconds }) => seconds.counts.some(n => n > 0))
        .flatMap(({ labels, seconds }) => bucketSamples(fieldValidation, labels, seconds)),
  );
  const aborted = new CellCounter(
    metrics,
    'apiserver_request_aborts_total',
    '[ALPHA] Number of requests which apiserver aborted possibly due to a timeout, for each group, version, verb, resource, subresource and scope',
  );
  const filters: { [F in Filter]?: BucketCounts } = {};
  const running = new Map<string, { readonly labels: Record<string, string>; value: number }>();
  metrics.source(
    'apiserver_longrunning_requests',
    '[STABLE] Gauge of all active long-running apiserver requests broken out by verb, group, version, resource, scope and component. Not all requests are tracked this way.',
    'gauge',
    () => [...running.values()],
  );

  function cellOf(info: RequestInfo, verb: string, dryRun: string, most: number): Cell {
    const scope = scopeOf(info);
    const key = `${verb} ${info.group} ${info.version} ${info.resource} ${info.subresource} ${scope}${dryRun}${info.isResource ? '' : info.path}`;
    let cell = cells.get(key);
    if (!cell) {
      const { group, version, resource, subresource } = info;
      if (cells.size >= most) return cells.get(overflow) ?? add(overflow, {});
      const page = info.isResource ? undefined : pages.get(info.path);
      cell = add(key, { dry_run: dryRun, group, version, resource, subresource, scope, verb, ...page });
    }
    return cell;
  }

  function add(key: string, labels: Readonly<Record<string, string>>): Cell {
    const { verb = 'other', dry_run = '', group = '', version = '', resource = '', subresource = '' } = labels;
    const { scope = '', component = 'apiserver' } = labels;
    const cell = new Cell({
      verb,
      dry_run,
      group,
      version,
      resource,
      subresource,
      scope,
      component,
    });
    cells.set(key, cell);
    return cell;
  }

  /** Nobody waited for the answer. */
  function abort(info: RequestInfo, verb: string): void {
    const { group, version, resource, subresource } = info;
    const scope = scopeOf(info);
    const labels = () => ({ group, resource, scope, subresource, verb, version });
    aborted.add(`${verb} ${group} ${version} ${resource} ${subresource} ${scope}`, labels);
  }

  return {
    dropped(info, code) {
      const { group, version, resource, subresource } = info;
      const scope = scopeOf(info);
      const verb = verbOf(info, undefined);
      if (!isServed(info)) return;
      dropped.add(`${code} ${verb} ${group} ${version} ${resource} ${subresource} ${scope}`, () => ({
        ...{ code: String(code), component: 'apiserver', group, resource, scope, subresource, verb, version },
      }));
    },
    filtered(filter, ms) {
      filters[filter] ??= filterSeconds(metrics, filter);
      filters[filter].observe(ms / 1000);
    },
    began(info, exchange, startMs) {
      const { group, version, resource, subresource } = info;
      const scope = scopeOf(info);
      const verb = verbOf(info, undefined);
      const key = `${verb} ${group} ${version} ${resource} ${subresource} ${scope}`;
      let found = running.get(key);
      if (!found) {
        if (running.size >= mostCells) return;
        found = { labels: { component: 'apiserver', group, resource, scope, subresource, verb, version }, value: 0 };
        running.set(key, found);
      }
      const counted = found;
      counted.value++;
      const { seconds } = cellOf(info, verb, '', mostCells);
      exchange.onClose(() => {
        counted.value--;
        if (info.verb === 'watch') seconds.observe((clock.monotonic() - startMs) / 1000);
      });
    },
    observe(info, { headers, query, sentBytes, sentCode, closed }, code, startMs) {
      if (!info || (info.isResource ? !isServed(info) : !pages.has(info.path))) return;
      const verb = verbOf(info, headers['content-type']);
      if (sentCode === 0 && closed && code !== 101) abort(info, verb);
      const cell = cellOf(
        info,
        verb,
        query.size > 0 && query.get('dryRun') === 'All' ? 'All' : '',
        code < 400 ? mostCells : mostCells / 2,
      );
      cell.codes.set(code, (cell.codes.get(code) ?? 0) + 1);
      if (info.verb === 'watch') return;
      const seconds = (clock.monotonic() - startMs) / 1000;
      cell.seconds.observe(seconds);
      if (info.isResource && validating.has(info.verb)) {
        const asked = (query.size > 0 && query.get('fieldValidation')) || 'Warn';
        if (Object.hasOwn(validations, asked)) validations[asked as keyof typeof validations].seconds.observe(seconds);
      }
      if (sentBytes > 0 && (verb === 'GET' || verb === 'LIST')) cell.bytes.observe(sentBytes);
    },
  };
}

/** What is counted besides resources, and as what. */
const pages = new Map<string, Readonly<Record<string, string>>>([
  ...['/healthz', '/livez', '/readyz'].map(path => [path, { component: '', subresource: path }] as const),
  ...['statusz', 'flagz'].map(name => [`/${name}`, { resource: name }] as const),
]);

const unpromised = new Set(['WATCH', 'CONNECT']);

/** As though nobody had asked for a dry run, without what lasts as long as its client likes. */
function withoutDryRun(cells: Iterable<Cell>): Iterable<Pick<Cell, 'labels' | 'seconds'>> {
  const merged = new Map<string, Pick<Cell, 'labels' | 'seconds'>>();
  for (const { labels, seconds } of cells) {
    if (unpromised.has(labels.verb!)) continue;
    const rest = without(labels, ['dry_run']);
    const key = Object.values(rest).join(' ');
    const sum = merged.get(key) ?? { labels: rest, seconds: new BucketCounts(sliBuckets) };
    const left = latencyBuckets.length - sliBuckets.length;
    for (const [i, n] of seconds.counts.entries()) sum.seconds.counts[Math.max(0, i - left)]! += n;
    sum.seconds.sum += seconds.sum;
    merged.set(key, sum);
  }
  return merged.values();
}

function deprecatedOf(cells: readonly Readonly<Record<string, string>>[]): Sample[] {
  const found = new Map<string, Sample>();
  for (const { group = '', version = '', resource = '', subresource = '' } of cells) {
    const removed = removedRelease({ group, version, resource });
    if (removed === undefined) continue;
    const labels = { group, removed_release: removed, resource, subresource, version };
    found.set(Object.values(labels).join(' '), { labels, value: 1 });
  }
  return [...found.values()];
}

const overflow = '';

function without(labels: Readonly<Record<string, string>>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).filter(([name]) => !names.includes(name)));
}

const byValidation = (value: string) => ({
  labels: { field_validation: value },
  seconds: new BucketCounts(validationBuckets),
});

const validating = new Set(['create', 'update', 'patch']);

const connected = new Set(['exec', 'attach', 'portforward', 'proxy']);
const methods: Readonly<Record<string, string>> = {
  create: 'POST',
  update: 'PUT',
  deletecollection: 'DELETE',
  '': 'other',
};

/** As the method a client would name: GET, LIST, WATCH, POST, PUT, PATCH, APPLY, DELETE, CONNECT. */
function verbOf({ isResource, verb, subresource }: RequestInfo, contentType: string | undefined): string {
  if (verb === 'patch' && contentType?.startsWith(applyMediaType)) return 'APPLY';
  return methodOf(verb, isResource ? subresource : '');
}

/** The method of a verb that metrics name. */
export function methodOf(verb: string, subresource: string): string {
  return connected.has(subresource) ? 'CONNECT' : (own(methods, verb) ?? verb.toUpperCase());
}

/** How much a request is about: one object, a namespace, all. */
export function scopeOf({ isResource, verb, name, namespace }: RequestInfo): string {
  if (!isResource) return '';
  if (name || verb === 'create') return 'resource';
  return namespace ? 'namespace' : 'cluster';
}
