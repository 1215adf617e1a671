// garbage-collector-controller: deletes what has lost its last owner, carries out foreground deletion and orphaning.
import type { KubeObject } from '../../api/meta.ts';
import { apiVersionOf, type ResourceRef } from '../../api/ref.ts';
import type { OwnerReference } from '../../api/type/meta-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { Client } from '../../client/client.ts';
import type { Controller, ControllerContext, Reconciler, Result } from '../../engine/controller.ts';
import { type FetchedLists, fetchResourceLists } from '../api-resources.ts';
import { Collector, UnknownKindError } from './collector.ts';
import { type Collectable, collectable } from './kernel/collectable.ts';
import { type Effects, type Node, OwnerGraph } from './kernel/owner-graph.ts';
import { Monitors } from './monitors.ts';
import { SurfaceChanges, surfaceReads } from './surface-changes.ts';

export interface GarbageCollectorOptions {
  /** Default: the server's discovery documents. */
  readonly discover?: (client: Client) => Promise<FetchedLists>;
}

// Besides, for what no definition tells.
const rediscoverMs = 30_000;
// The server may learn of a definition a little later than this controller does.
const catchUpMs = 50;
const catchUps = 7;
// So long work waits for all resources to be listed once; then it goes on with those there are.
const initialSyncMs = 30_000;
// An owner that exists and is not in sight (its resource cannot be watched) is asked for again.
const unseenOwnerMs = 60_000;

export function garbageCollectorController(options: GarbageCollectorOptions = {}): Controller {
  return {
    name: 'garbage-collector-controller',
    queue: 'garbage_collector_attempt_to_delete',
    serviceAccount: 'generic-garbage-collector',
    component: 'garbage-collector-controller',
    watches: [],
    reads: surfaceReads,
    writes: ['*', 'events'],
    workers: 20,
    create: context => new GarbageCollector(context, options.discover ?? fetchResourceLists),
  };
}

const orphanPrefix = 'orphan ';

/** The very same: in process, what has not changed is not made again. */
const isSame = (a: FetchedLists['lists'], b: FetchedLists['lists']) =>
  a.length > 0 && a.length === b.length && a.every((list, i) => list === b[i]);

class GarbageCollector implements Reconciler {
  readonly #context: ControllerContext;
  readonly #discover: (client: Client) => Promise<FetchedLists>;
  readonly #graph = new OwnerGraph();
  readonly #collector: Collector;
  readonly #monitors: Monitors;
  /** What the graph shows is not to be acted on before it is whole. */
  readonly #ready = Promise.withResolvers<void>();
  readonly #changes: SurfaceChanges;
  /** Keys that have an owner of a kind nobody knows. */
  readonly #puzzling = new Set<string>();
  #known: Collectable = { watched: new Map(), byKind: new Map() };
  /** What that was made of, when all of it answered. */
  #lists: FetchedLists['lists'] = [];

  constructor(context: ControllerContext, discover: (client: Client) => Promise<FetchedLists>) {
    this.#context = context;
    this.#discover = discover;
    this.#changes = new SurfaceChanges(context);
    this.#collector = new Collector(context.client, this.#graph, ref => this.#resourceOf(ref));
    this.#monitors = new Monitors(context, {
      put: (object, resource) => this.#act(this.#graph.observe(object, resource)),
      delete: object => this.#gone(object),
    });
  }

  async reconcile(key: string): Promise<Result | undefined> {
    await this.#ready.promise;
    const orphan = key.startsWith(orphanPrefix);
    const node = this.#graph.get(orphan ? key.slice(orphanPrefix.length) : key);
    if (!node?.observed) return undefined;
    if (orphan) {
      if (node.orphaning) await this.#collector.orphan(node);
      return undefined;
    }
    try {
      for (const next of await this.#collector.attempt(node)) this.#context.enqueue(next.uid);
    } catch (error) {
      if (!(error instanceof UnknownKindError)) throw error;
      this.#context.log.debug('owner cannot be looked for', { key, error: error.message });
      this.#puzzling.add(key);
      return { requeueAfterMs: rediscoverMs };
    }
    return this.#graph.hasUnseenOwner(node) ? { requeueAfterMs: unseenOwnerMs } : undefined;
  }

  async run(signal: AbortSignal): Promise<void> {
    const failures = this.#context.metrics.counter(
      'garbagecollector_controller_resources_sync_error_total',
      'Number of garbage collector resources sync errors',
    );
    // Workers that wait are let go at the end.
    signal.addEventListener('abort', () => this.#ready.resolve(), { once: true });
    try {
      this.#changes.take();
      await this.#rediscover();
      await this.#firstSync(signal);
      this.#ready.resolve();
      for (;;) {
        await this.#changeOr(rediscoverMs, signal);
        await this.#catchUp(signal).catch(error => {
          if (signal.aborted) throw error;
          failures.inc({});
          this.#context.log.warn('discovery failed, keeping to what is known', { error: messageOf(error) });
        });
      }
    } finally {
      if (signal.aborted) this.#monitors.stop();
    }
  }

  /** Waits until the server has other resources, or so long. */
  async #changeOr(ms: number, signal: AbortSignal): Promise<void> {
    const waiting = new AbortController();
    const stop = () => waiting.abort();
    this.#changes.onChange(stop);
    signal.addEventListener('abort', stop, { once: true });
    if (!this.#changes.take()) await this.#context.clock.sleep(ms, waiting.signal).catch(() => {});
    signal.removeEventListener('abort', stop);
    signal.throwIfAborted();
    this.#changes.take();
  }

  /** Asks what there is until that is what the definitions say. */
  async #catchUp(signal: AbortSignal): Promise<void> {
    for (let n = 0, waitMs = catchUpMs; ; n++, waitMs *= 2) {
      const found = await this.#rediscover();
      if (this.#changes.shownBy(found) || n === catchUps) return;
      await this.#context.clock.sleep(waitMs, signal);
    }
  }

  async #rediscover(): Promise<FetchedLists> {
    const found = await this.#discover(this.#context.client);
    const { lists, failed } = found;
    const same = failed.size === 0 && isSame(lists, this.#lists);
    this.#lists = failed.size === 0 ? lists : [];
    if (same) return found;
    const unknown = new Set([...failed.keys()].map(gv => (gv.includes('/') ? gv.slice(0, gv.indexOf('/')) : '')));
    const now = collectable(lists);
    const byKind = new Map(now.byKind);
    for (const [id, resource] of this.#known.byKind)
      if (unknown.has(resource.group) && !byKind.has(id)) byKind.set(id, resource);
    const more = [...byKind.keys()].some(kind => !this.#known.byKind.has(kind));
    this.#known = { watched: now.watched, byKind };
    this.#monitors.sync(now.watched, unknown);
    if (!more) return found;
    for (const key of this.#puzzling) this.#context.enqueue(key);
    this.#puzzling.clear();
    return found;
  }

  async #firstSync(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#context;
    const late = Promise.withResolvers<void>();
    const timer = clock.after(initialSyncMs, late.resolve);
    await Promise.race([this.#monitors.whenSynced(signal), late.promise]);
    timer.cancel();
    const missing = this.#monitors.unsynced();
    if (missing.length > 0) log.warn('not all resources could be listed, going on without', { missing });
  }

  #gone(object: KubeObject): void {
    const node = this.#graph.get(object.metadata.uid);
    if (!node?.observed) return;
    if (node.dependents.size > 0) this.#collector.ownerGone(node);
    this.#act(this.#graph.remove(node.uid));
  }

  #act({ attempt, orphan, misplaced }: Effects): void {
    for (const node of attempt) this.#context.enqueue(node.uid);
    for (const node of orphan) this.#context.enqueue(orphanPrefix + node.uid);
    for (const { node, owner } of misplaced) this.#tellMisplaced(node, owner);
  }

  #tellMisplaced(node: Node, { apiVersion, kind, name, uid }: OwnerReference): void {
    const owner = `[${apiVersion}/${kind}, namespace: ${node.namespace}, name: ${name}, uid: ${uid}]`;
    this.#context.events.event(
      {
        kind: node.resource.kind,
        apiVersion: apiVersionOf(node.resource),
        ...(node.namespace ? { namespace: node.namespace } : {}),
        name: node.name,
        uid: node.uid,
      },
      'Warning',
      'OwnerRefInvalidNamespace',
      `ownerRef ${owner} does not exist in namespace ${JSON.stringify(node.namespace)}`,
    );
  }

  #resourceOf({ apiVersion, kind }: OwnerReference): ResourceRef<any> | undefined {
    const slash = apiVersion.indexOf('/');
    return this.#known.byKind.get(`${kind}.${slash < 0 ? '' : apiVersion.slice(0, slash)}`);
  }
}
