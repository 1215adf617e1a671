// Reading and writing the slices of a service without acting on an older view of them. For both controllers of slices.
import { cloneDeep, type Draft } from '../api/meta.ts';
import { discoveryV1 } from '../api/refs.ts';
import { isNotFound } from '../api/status.ts';
import type { EndpointSlice } from '../api/type/discovery-v1.ts';
import { messageOf } from '../base/assert.ts';
import type { ControllerContext } from '../engine/controller.ts';
import type { SliceDraft, SlicePlan } from './kernel/slice-packing.ts';
import { SliceTracker } from './kernel/slice-tracker.ts';
import { lastChangeAnnotation } from './kernel/trigger-time.ts';
import { isNamespaceTerminating } from './pod-control.ts';

export interface SliceWriteOptions {
  readonly mayCreate: boolean;
  /** RFC 3339; without it the annotation goes from what is written. */
  readonly triggerTime: string | undefined;
  /** `Service a/b`, for error messages. */
  readonly owner: string;
  /** Told of each write. */
  readonly wrote?: (operation: 'create' | 'update' | 'delete') => void;
}

/** Also puts keys into the queue whose slices others changed. */
export class SliceSync {
  readonly #context: ControllerContext;
  readonly #index: string;
  readonly #keyOf: (slice: EndpointSlice) => string | undefined;
  readonly #tracker = new SliceTracker();
  /** Keys that wait for the informer to show what was written. */
  readonly #waiting = new Set<string>();

  /** `index` is over the slices of this controller, by the keys that `keyOf` gives. */
  constructor(context: ControllerContext, index: string, keyOf: (slice: EndpointSlice) => string | undefined) {
    this.#context = context;
    this.#index = index;
    this.#keyOf = keyOf;
    context.observe(discoveryV1.endpointslices, {
      onAdd: slice => this.#changed(slice),
      onUpdate: (slice, old) => {
        this.#changed(slice);
        const before = this.#keyOf(old);
        if (before && before !== this.#keyOf(slice)) {
          this.#tracker.sawDeletion(before, old);
          context.enqueue(before);
        }
      },
      onDelete: slice => this.#deleted(slice),
    });
  }

  /** The key's slices that are not being deleted; undefined while they are out of date: the key comes back later. */
  current(key: string): readonly EndpointSlice[] | undefined {
    const all = this.#context.lister(discoveryV1.endpointslices).byIndex(this.#index, key);
    if (this.#tracker.isStale(key, all)) {
      this.#waiting.add(key);
      // Should a change never be shown: the informer starts over now and then.
      this.#context.enqueue(key, staleRetryMs);
      return undefined;
    }
    this.#waiting.delete(key);
    return all.filter(s => !s.metadata.deletionTimestamp);
  }

  forget(key: string): void {
    this.#tracker.forget(key);
    this.#waiting.delete(key);
  }

  /** Rejects with the first failure, naming what failed. */
  async write(key: string, plan: SlicePlan, options: SliceWriteOptions): Promise<void> {
    const { client } = this.#context;
    const attempt = async (what: string, write: () => Promise<void>) => {
      try {
        await write();
      } catch (error) {
        if (isNamespaceTerminating(error)) return;
        throw new Error(`failed to ${what} EndpointSlice for ${options.owner}: ${messageOf(error)}`, { cause: error });
      }
    };
    for (const draft of options.mayCreate ? plan.create : [])
      await attempt('create', async () => {
        this.#tracker.wrote(key, await client.create(discoveryV1.endpointslices, toObject(draft, options.triggerTime)));
        options.wrote?.('create');
      });
    for (const draft of plan.update)
      await attempt(`update ${draft.metadata.name}`, async () => {
        this.#tracker.wrote(key, await client.update(discoveryV1.endpointslices, toObject(draft, options.triggerTime)));
        options.wrote?.('update');
      });
    for (const slice of plan.delete)
      await attempt(`delete ${slice.metadata.name}`, async () => {
        await this.#delete(key, slice);
        options.wrote?.('delete');
      });
  }

  async #delete(key: string, slice: EndpointSlice): Promise<void> {
    const { name, namespace, uid } = slice.metadata;
    // Before the call: the informer may show it sooner than the answer comes.
    this.#tracker.expectDeletion(key, slice);
    try {
      await this.#context.client.delete(
        discoveryV1.endpointslices,
        { namespace: namespace!, name },
        { preconditions: { uid } },
      );
    } catch (error) {
      if (isNotFound(error)) return;
      this.#tracker.sawDeletion(key, slice);
      throw error;
    }
  }

  #changed(slice: EndpointSlice): void {
    const key = this.#keyOf(slice);
    if (key && (this.#waiting.delete(key) || this.#tracker.isForeign(key, slice))) this.#context.enqueue(key);
  }

  #deleted(slice: EndpointSlice): void {
    const key = this.#keyOf(slice);
    if (key && (this.#tracker.sawDeletion(key, slice) || this.#waiting.delete(key))) this.#context.enqueue(key);
  }
}

const staleRetryMs = 5000;

function toObject(draft: SliceDraft, triggerTime: string | undefined): Draft<EndpointSlice> {
  const { metadata, addressType, endpoints, ports } = draft;
  const annotations: Record<string, string> = { ...metadata.annotations };
  delete annotations[lastChangeAnnotation];
  if (triggerTime) annotations[lastChangeAnnotation] = triggerTime;
  const { annotations: _, managedFields: __, ...rest } = metadata;
  const some = Object.keys(annotations).length > 0;
  return {
    metadata: { ...(cloneDeep(rest) as object), ...(some ? { annotations } : {}) },
    addressType,
    endpoints: cloneDeep(endpoints) as Draft<EndpointSlice>['endpoints'] & object,
    ports: cloneDeep(ports ?? []) as Draft<EndpointSlice>['ports'] & object,
  };
}
