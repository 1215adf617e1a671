// The store with its requests timed, under the names kube-apiserver has for etcd's.
import { BucketCounts, bucketSamples } from '../../base/bucket-counts.ts';
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
import { currentTrace } from './trace.ts';

type Operation = 'create' | 'delete' | 'get' | 'list' | 'update';

// Kubernetes'.
const buckets = [
  ...[0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60],
];
const mostKinds = 2000;

/** Objects read by lists. */
interface Lists {
  readonly labels: Readonly<Record<string, string>>;
  lists: number;
  objects: number;
}

interface Cell {
  readonly labels: Readonly<Record<string, string>>;
  readonly seconds: BucketCounts;
  errors: number;
}
type Cells = { [O in Operation]?: Cell };

export class MeasuredStore implements Store {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #cells = new Map<string, Cells>();
  readonly #others: Cells = {};
  readonly #all: Cell[] = [];
  readonly #lists = new Map<string, Lists>();
  readonly #names: ReadonlyMap<string, Kind>;
  newestRevision?: () => Promise<number>;

  /** `resources`: what the prefixes of keys are called. */
  constructor(store: Store, metrics: Metrics, clock: Clock, resources: Iterable<Kind & { storagePrefix: string }>) {
    this.#names = new Map([...resources].reverse().map(r => [r.storagePrefix, r]));
    this.#store = store;
    this.#clock = clock;
    if (store.newestRevision) this.newestRevision = () => store.newestRevision!();
    this.#report(metrics);
  }

  #report(metrics: Metrics): void {
    const name = 'etcd_request_duration_seconds';
    metrics.source(
      name,
      '[ALPHA] Etcd request latency in seconds for each operation and object type.',
      'histogram',
      () => this.#all.flatMap(({ labels, seconds }) => bucketSamples(name, labels, seconds)),
    );
    const count = (what: string, help: string, value: (cell: Cell) => number) =>
      metrics.source(what, help, 'counter', () =>
        this.#all.map(cell => ({ labels: cell.labels, value: value(cell) })).filter(s => s.value > 0),
      );
    count('etcd_requests_total', '[ALPHA] Etcd request counts for each operation and object type.', ({ seconds }) =>
      seconds.counts.reduce((sum, n) => sum + n, 0),
    );
    this.#reportLists(metrics);
    count(
      'etcd_request_errors_total',
      '[ALPHA] Etcd failed request counts for each operation and object type.',
      ({ errors }) => errors,
    );
  }

  // The store gives what lies below a prefix: nothing is left out after it is read.
  #reportLists(metrics: Metrics): void {
    const tell = (name: string, help: string, read: (lists: Lists) => number) =>
      metrics.source(name, `[ALPHA] ${help}`, 'counter', () =>
        [...this.#lists.values()].map(each => ({ labels: each.labels, value: read(each) })),
      );
    tell('apiserver_storage_list_total', 'Number of LIST requests served from storage', l => l.lists);
    for (const [what, help] of [
      ['fetched', 'Number of objects read from storage in the course of serving a LIST request'],
      ['evaluated', 'Number of objects tested in the course of serving a LIST request from storage'],
      ['returned', 'Number of objects returned for a LIST request from storage'],
    ])
      tell(`apiserver_storage_list_${what}_objects_total`, help!, l => l.objects);
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
    const listing = this.#store.list(prefix, options);
    listing.then(
      page => this.#countList(prefix, page.entries.length),
      () => {},
    );
    return this.#timed('list', prefix, listing);
  }

  get scan(): Store['scan'] {
    const { scan } = this.#store;
    if (!scan) return undefined;
    return (prefix, revision, take) => {
      let objects = 0;
      const scanning = scan.call(this.#store, prefix, revision, entry => {
        objects++;
        take(entry);
      });
      scanning.then(
        () => this.#countList(prefix, objects),
        () => {},
      );
      return this.#timed('list', prefix, scanning);
    };
  }

  async unmap(): Promise<void> {
    await this.#store.unmap?.();
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

  #countList(prefix: string, objects: number): void {
    const kind = kindOf(prefix);
    let lists = this.#lists.get(kind);
    if (!lists) {
      if (this.#lists.size >= mostKinds) return;
      lists = { labels: this.#labelsOf(kind), lists: 0, objects: 0 };
      this.#lists.set(kind, lists);
    }
    lists.lists++;
    lists.objects += objects;
  }

  #labelsOf(kind: string): { group: string; resource: string } {
    const known = this.#names.get(kind);
    if (known) return { group: known.group, resource: known.resource };
    const [, , first = '', second] = kind.split('/');
    return { group: second === undefined ? '' : first, resource: second ?? first };
  }

  #count(operation: Operation, key: string, seconds: number, failed: boolean): void {
    const kind = kindOf(key);
    let cells = this.#cells.get(kind);
    if (!cells) {
      cells = this.#cells.size < mostKinds ? {} : this.#others;
      if (cells !== this.#others) this.#cells.set(kind, cells);
    }
    let cell = cells[operation];
    if (!cell) {
      const labels = { operation, ...this.#labelsOf(cells === this.#others ? '' : kind) };
      cell = { labels, seconds: new BucketCounts(buckets), errors: 0 };
      cells[operation] = cell;
      this.#all.push(cell);
    }
    cell.seconds.observe(seconds);
    if (failed) cell.errors++;
  }
}

interface Kind {
  readonly group: string;
  readonly resource: string;
}

/** `/registry/pods` of `/registry/pods/default/a`, `/registry/apps.example.com/things` of custom resources. */
function kindOf(key: string): string {
  const first = key.indexOf('/', 1);
  let second = key.indexOf('/', first + 1);
  // Services and their endpoints are the only ones a folder holds together.
  if (key.startsWith('/registry/services/')) second = key.indexOf('/', second + 1);
  if (second < 0) return key;
  // Groups have dots, names of resources have none.
  const dot = key.indexOf('.', first);
  if (dot < 0 || dot > second) return key.slice(0, second);
  const third = key.indexOf('/', second + 1);
  return third < 0 ? key : key.slice(0, third);
}
