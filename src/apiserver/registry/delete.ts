// Deletion: at once, after a grace period, or when the last finalizer is gone.

import { cloneDeep, formatTime, type KubeObject, type Mutable, type ObjectKey, parseTime } from '../../api/meta.ts';
import { adoptParts } from '../../api/share.ts';
import { isNotFound, notFound } from '../../api/status.ts';
import { toInt64, type WholeNumber } from '../../base/whole-number.ts';
import { StoreConflictError } from '../../store/store.ts';
import { canonical, checkPreconditions, countsGeneration } from './metadata.ts';
import type { Registry, WriteContext } from './registry.ts';
import { Stored } from './stored.ts';

export interface DeleteRequest {
  readonly gracePeriodSeconds?: WholeNumber;
  readonly propagationPolicy?: 'Orphan' | 'Background' | 'Foreground';
  readonly orphanDependents?: boolean;
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
}

export interface DeleteResult {
  readonly stored: Stored;
  /** False while finalizers or a grace period keep the object. */
  readonly deleted: boolean;
}

type Meta = {
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: WholeNumber;
  finalizers?: string[];
  generation?: number;
};

export async function deleteObject(
  registry: Registry,
  key: ObjectKey,
  request: DeleteRequest,
  context: WriteContext,
): Promise<DeleteResult> {
  return registry.retry(key, async current => {
    if (!current) throw notFound(registry.resource, key.name);
    checkPreconditions(registry, current, request.preconditions);
    if (!context.admitted) {
      const attributes = registry.attributes('DELETE', context, key, undefined, current.object);
      await registry.options.admission.mutate(attributes);
      await registry.options.admission.validate(attributes);
    }
    context.checkDeadline?.();
    return deleteOnce(registry, current, request, context.dryRun);
  });
}

async function deleteOnce(
  registry: Registry,
  current: Stored,
  request: DeleteRequest,
  dryRun: boolean,
): Promise<DeleteResult> {
  const marked = markForDeletion(registry, current.object, request);
  if (marked === 'unchanged') return { stored: current, deleted: false };
  if (marked === 'remove') {
    if (dryRun) return { stored: current, deleted: true };
    // Watchers and clients of an object that was never marked see it without a deletionTimestamp, as in Kubernetes.
    return { stored: await registry.remove(current.key, current), deleted: true };
  }
  if (dryRun) return { stored: new Stored(current.key, marked as KubeObject, current.revision), deleted: false };
  const adopts = registry.storesAsShown;
  if (adopts) adoptParts(marked, current.object);
  const stored = await registry.put(current.key, marked, current.revision, {
    old: adopts ? current.object : undefined,
    protobuf: current.protobufType !== undefined,
  });
  return { stored, deleted: false };
}

const lastMs = Date.parse('9999-12-31T23:59:59Z');
const timeAfter = (ms: number, seconds: WholeNumber): string =>
  formatTime(Math.min(ms + Number(seconds) * 1000, lastMs));

/** The object to store, or what else to do with it. */
function markForDeletion(
  registry: Registry,
  old: KubeObject,
  request: DeleteRequest,
): Mutable<KubeObject> | 'remove' | 'unchanged' {
  const { strategy } = registry;
  const nowMs = registry.options.clock.now();
  // A built-in kind's mark is in its metadata, but where its rules say more.
  const object = (
    strategy.markDeleted || registry.resource.custom ? cloneDeep(old) : { ...old, metadata: { ...old.metadata } }
  ) as Mutable<KubeObject>;
  const m = object.metadata as Meta;
  const finalizers = deletionFinalizers(registry, old, request);
  const finalizersChanged = finalizers.join() !== (old.metadata.finalizers ?? []).join();
  if (finalizers.length) m.finalizers = finalizers;
  else delete m.finalizers;
  const grace = strategy.gracePeriodSeconds?.(old, request.gracePeriodSeconds);
  const mark = (seconds: WholeNumber) => {
    if (m.deletionTimestamp === undefined) {
      if (!strategy.holdsDeletion && countsGeneration(registry) && m.generation !== undefined) m.generation += 1;
      m.deletionTimestamp = timeAfter(nowMs, seconds);
    }
    // Namespaces and definitions mark themselves, and have no grace to tell of.
    if (!strategy.holdsDeletion) m.deletionGracePeriodSeconds = toInt64(seconds);
    strategy.markDeleted?.(object);
  };
  if (grace !== undefined && grace > 0) {
    if (old.metadata.deletionTimestamp === undefined) {
      mark(grace);
      return canonical(registry, object);
    }
    const granted = old.metadata.deletionGracePeriodSeconds ?? 0;
    const asked = request.gracePeriodSeconds;
    if (asked !== undefined && asked < granted) {
      const startMs = (parseTime(old.metadata.deletionTimestamp) ?? nowMs) - Number(granted) * 1000;
      m.deletionTimestamp = timeAfter(startMs, asked);
      m.deletionGracePeriodSeconds = toInt64(asked);
      return canonical(registry, object);
    }
    return finalizersChanged ? canonical(registry, object) : 'unchanged';
  }
  if (finalizers.length === 0 && !strategy.holdsDeletion?.(old)) return 'remove';
  if (
    old.metadata.deletionTimestamp !== undefined &&
    (old.metadata.deletionGracePeriodSeconds ?? 0) === 0 &&
    !finalizersChanged
  )
    return 'unchanged';
  mark(0);
  return canonical(registry, object);
}

const orphan = 'orphan';
const foreground = 'foregroundDeletion';

function deletionFinalizers(registry: Registry, old: KubeObject, request: DeleteRequest): string[] {
  const now = old.metadata.finalizers ?? [];
  const others = now.filter(f => f !== orphan && f !== foreground);
  const policy =
    request.propagationPolicy ??
    (request.orphanDependents === undefined ? undefined : request.orphanDependents ? 'Orphan' : 'Background');
  switch (policy) {
    case 'Orphan':
      return [...others, orphan];
    case 'Foreground':
      return [...others, foreground];
    case 'Background':
      return others;
    case undefined:
      if (others.length !== now.length) return [...now];
      return registry.strategy.defaultPropagation === 'orphan' ? [...others, orphan] : others;
  }
}

/** After an update: removes an object that waited for nothing but this update. */
export async function finishDeletion(registry: Registry, stored: Stored): Promise<Stored | undefined> {
  const { metadata } = stored.object;
  if (
    metadata.deletionTimestamp === undefined ||
    metadata.finalizers?.length ||
    (metadata.deletionGracePeriodSeconds ?? 0) > 0
  )
    return undefined;
  if (registry.strategy.holdsDeletion?.(stored.object)) return undefined;
  try {
    await registry.remove(stored.key, stored);
  } catch (error) {
    // Someone wrote in between, or removed it: the object's next update decides again.
    if (!(error instanceof StoreConflictError) && !isNotFound(error)) throw error;
  }
  return stored;
}
