// The store with its requests timed, under the names kube-apiserver has for etcd's.
import type { Clock } from '../../base/clock.ts';
import type { Metrics } from '../../base/metrics.ts';
import type {
  Encode,
  ListPage,
  Store,
  StoreEntry,
  StoreWatch,
  StoreWatchHandler,
  WriteOptions,
} from '../../store/store.ts';
import { CellCounter, CellHistogram } from './cells.ts';
import { currentTrace } from './trace.ts';

type Operation = 'create' | 'delete' | 'get' | 'list' | 'update';

// Kubernetes'.
const buckets = [
  ...[0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60],
];
const mostKinds = 2000;

export class MeasuredStore implements Store {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #seconds: CellHistogram;
  readonly #total: CellCounter;
  readonly #errors: CellCounter;
  readonly #kinds = new Set<string>();
  newestRevision?: () => Promise<number>;

  constructor(store: Store, metrics: Metrics, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    if (store.newestRevision) this.newestRevision = () => store.newestRevision!();
    this.#seconds = new CellHistogram(
      metrics,
      'etcd_request_duration_seconds',
      '[ALPHA] Etcd request latency in seconds for each operation and object type.',
      buckets,
    );
    this.#total = new CellCounter(
      metrics,
      'etcd_requests_total',
      '[ALPHA] Etcd request counts for each operation and object type.',
    );
    this.#errors = new CellCounter(
      metrics,
      'etcd_request_errors_total',
      '[ALPHA] Etcd failed request counts for each operation and object type.',
    );
  }

  get revision(): number {
    return this.#store.revision;
  }

  get compactedRevision(): number {
    return this.#store.compactedRevision;
  }

  get(key: string): Promise<StoreEntry | undefined> {
    return this.#timed('get', key, this.#store.get(key));
  }

  list(prefix: string, options?: { limit?: number; after?: string; revision?: number }): Promise<ListPage> {
    return this.#timed('list', prefix, this.#store.list(prefix, options));
  }

  create(key: string, encode: Encode, options?: WriteOptions): Promise<number> {
    return this.#timed('create', key, this.#store.create(key, encode, options));
  }

  update(key: string, ifRevision: number, encode: Encode, options?: WriteOptions): Promise<number> {
    return this.#timed('update', key, this.#store.update(key, ifRevision, encode, options));
  }

  delete(key: string, ifRevision: number, encode?: Encode): Promise<number> {
    return this.#timed('delete', key, this.#store.delete(key, ifRevision, encode));
  }

  watch(prefix: string, after: number, handler: StoreWatchHandler): StoreWatch {
    return this.#store.watch(prefix, after, handler);
  }

  compact(revision: number): Promise<void> {
    return this.#store.compact(revision);
  }

  snapshot(file: string): Promise<void> {
    return this.#store.snapshot(file);
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  /** The same promise: nobody waits longer for being measured. */
  #timed<T>(operation: Operation, key: string, running: Promise<T>): Promise<T> {
    const startMs = this.#clock.monotonic();
    const trace = currentTrace();
    const done = (failed: boolean) => {
      const endMs = this.#clock.monotonic();
      this.#count(operation, key, (endMs - startMs) / 1000, failed);
      trace?.step(`store ${operation}`, startMs, endMs, { key });
    };
    running.then(
      () => done(false),
      () => done(true),
    );
    return running;
  }

  #count(operation: Operation, key: string, seconds: number, failed: boolean): void {
    let kind = kindOf(key);
    if (!this.#kinds.has(kind)) {
      if (this.#kinds.size >= mostKinds) kind = '';
      this.#kinds.add(kind);
    }
    const id = `${operation} ${kind}`;
    const labels = () => labelsOf(operation, kind);
    this.#seconds.cell(id, labels).observe(seconds);
    this.#total.add(id, labels);
    if (failed) this.#errors.add(id, labels);
  }
}

/** `/registry/pods` of `/registry/pods/default/a`, `/registry/apps.example.com/things` of custom resources. */
function kindOf(key: string): string {
  const first = key.indexOf('/', 1);
  const second = key.indexOf('/', first + 1);
  if (second < 0) return key;
  // Groups have dots, names of resources have none.
  const dot = key.indexOf('.', first);
  if (dot < 0 || dot > second) return key.slice(0, second);
  const third = key.indexOf('/', second + 1);
  return third < 0 ? key : key.slice(0, third);
}

function labelsOf(operation: Operation, kind: string): Record<string, string> {
  const [, , first = '', second] = kind.split('/');
  return { operation, group: second === undefined ? '' : first, resource: second ?? first };
}
