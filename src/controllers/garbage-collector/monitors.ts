// Follows every resource there is: built-in ones by the informers others use too, custom ones by informers of its own,
// which end with their definition.
import type { KubeObject } from '../../api/meta.ts';
import type { ResourceRef } from '../../api/ref.ts';
import { builtinResources, resourceId } from '../../api/resource.ts';
import type { Informer } from '../../client/informer.ts';
import { createInformerFactory } from '../../client/informer-factory.ts';
import type { ControllerContext } from '../../engine/controller.ts';

interface Monitor {
  readonly resource: ResourceRef<any>;
  readonly informer: Informer<KubeObject>;
  stop(): void;
}

export interface MonitorSink {
  put(object: KubeObject, resource: ResourceRef<any>): void;
  delete(object: KubeObject): void;
}

export class Monitors {
  readonly #context: ControllerContext;
  readonly #sink: MonitorSink;
  readonly #monitors = new Map<string, Monitor>();

  constructor(context: ControllerContext, sink: MonitorSink) {
    this.#context = context;
    this.#sink = sink;
  }

  get size(): number {
    return this.#monitors.size;
  }

  /** Begins and ends monitors. Those of groups in `unknown` stay: not to be told of is not to be gone. */
  sync(watched: ReadonlyMap<string, ResourceRef<any>>, unknown: ReadonlySet<string>): void {
    for (const [id, monitor] of this.#monitors) {
      const now = watched.get(id);
      if (now ? resourceId(now) === resourceId(monitor.resource) : unknown.has(monitor.resource.group)) continue;
      monitor.stop();
      this.#monitors.delete(id);
    }
    for (const [id, resource] of watched) if (!this.#monitors.has(id)) this.#monitors.set(id, this.#start(resource));
  }

  async whenSynced(signal: AbortSignal): Promise<void> {
    await Promise.all([...this.#monitors.values()].map(m => m.informer.whenSynced(signal)));
  }

  /** Resources that have not been listed yet. */
  unsynced(): string[] {
    return [...this.#monitors].filter(([, m]) => !m.informer.synced).map(([id]) => id);
  }

  stop(): void {
    for (const monitor of this.#monitors.values()) monitor.stop();
    this.#monitors.clear();
  }

  #start(resource: ResourceRef<any>): Monitor {
    const abort = new AbortController();
    const shared: ResourceRef<any> | undefined = builtinResources().byId(resourceId(resource));
    const informer = shared ? this.#context.informers.informer(shared) : this.#ownInformer(resource, abort.signal);
    const remove = informer.addHandler({
      onAdd: object => this.#sink.put(object, resource),
      onUpdate: (object, old) => {
        if (ownershipChanged(object, old)) this.#sink.put(object, resource);
      },
      onDelete: object => this.#sink.delete(object),
    });
    const stop = () => {
      remove();
      abort.abort();
    };
    return { resource, informer, stop };
  }

  #ownInformer(resource: ResourceRef<any>, signal: AbortSignal): Informer<KubeObject> {
    const { client, clock, random, log } = this.#context;
    const factory = createInformerFactory(client, { clock, random, log });
    const informer = factory.informer<KubeObject>(resource);
    void factory.run(signal);
    return informer;
  }
}

/** Most changes are of a status, and concern nobody here. */
function ownershipChanged({ metadata: a }: KubeObject, { metadata: b }: KubeObject): boolean {
  if (a.deletionTimestamp !== b.deletionTimestamp) return true;
  if (a.deletionTimestamp && a.finalizers?.join() !== b.finalizers?.join()) return true;
  const now = a.ownerReferences ?? [];
  const before = b.ownerReferences ?? [];
  if (now === before) return false;
  return (
    now.length !== before.length ||
    now.some((o, i) => {
      const p = before[i]!;
      return (
        o.uid !== p.uid ||
        o.name !== p.name ||
        o.kind !== p.kind ||
        o.apiVersion !== p.apiVersion ||
        o.blockOwnerDeletion !== p.blockOwnerDeletion
      );
    })
  );
}
