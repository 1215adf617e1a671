import { cloneDeep, type KubeObject, type Mutable, type ObjectKey } from '../../api/meta.ts';
import { deepEqual } from '../../api/rule/record.ts';
import { adoptParts } from '../../api/share.ts';
import { badRequest, modified, notFound, StatusError } from '../../api/status.ts';
import { jsonText } from '../../base/json-text.ts';
import { StoreConflictError } from '../../store/store.ts';
import { createObject } from './create.ts';
import { finishDeletion } from './delete.ts';
import { differInTimes, recordManager } from './managers.ts';
import { canonical, carryOver, countsGeneration, identityFault, noneWithUid } from './metadata.ts';
import { dedupeOwners } from './owners.ts';
import { isLarge, pause } from './pace.ts';
import type { Registry, WriteContext } from './registry.ts';
import { Stored } from './stored.ts';
import { validateObject } from './validation.ts';

export interface UpdateResult {
  readonly stored: Stored;
  readonly created: boolean;
}

/**
 * Makes the new object from the current one: a private copy, decoded and defaulted. Called again when another write
 * came between. `current` is undefined when there is none and the kind may be created by an update.
 */
export type Transform = (current: KubeObject | undefined) => Mutable<KubeObject> | Promise<Mutable<KubeObject>>;

export interface UpdateOptions {
  readonly createIfAbsent?: boolean;
  /** What a patch says of the uid changes it; what a whole object says of it tells which object is meant. */
  readonly patch?: boolean;
}

/** Throws StatusError: 404, 409 Conflict, 422, 403. An update that changes nothing of what is stored as it is today writes nothing. */
export async function updateObject(
  registry: Registry,
  key: ObjectKey,
  transform: Transform,
  context: WriteContext,
  options: UpdateOptions = {},
): Promise<UpdateResult> {
  return registry.retry(key, async current => {
    if (!current) {
      if (!options.createIfAbsent) throw notFound(registry.resource, key.name);
      const draft = await transform(undefined);
      if (draft.metadata.uid) throw noneWithUid(registry, key, draft.metadata.uid, options.patch === true);
      delete (draft.metadata as { resourceVersion?: string }).resourceVersion;
      return { stored: await createObject(registry, key.namespace ?? '', draft, context, key.name), created: true };
    }
    return {
      stored: await updateOnce(
        registry,
        key,
        current,
        await transform(current.object),
        context,
        options.patch === true,
      ),
      created: false,
    };
  });
}

/** The version an update is of; '' when it names none. Throws 500 for what is none. */
function versionOf({ metadata }: Mutable<KubeObject>): string {
  // Zero is no version.
  const asked = /^0+$/.test(metadata.resourceVersion) ? '' : metadata.resourceVersion;
  if (asked && !/^\d+$/.test(asked))
    throw new StatusError(500, '', `strconv.ParseUint: parsing ${JSON.stringify(asked)}: invalid syntax`);
  return asked;
}

function checkVersion({ resource, strategy }: Registry, { name }: ObjectKey, asked: string, old: KubeObject): void {
  if (asked && asked !== old.metadata.resourceVersion) throw modified(resource, name);
  if (asked || strategy.allowUnconditionalUpdate !== false) return;
  const { group, resource: kind } = resource;
  const message = 'Invalid value: 0: must be specified for an update';
  throw new StatusError(
    422,
    'Invalid',
    `${kind}${group ? `.${group}` : ''} "${name}" is invalid: metadata.resourceVersion: ${message}`,
    { name, group, kind, causes: [{ reason: 'FieldValueInvalid', message, field: 'metadata.resourceVersion' }] },
  );
}

async function updateOnce(
  registry: Registry,
  key: ObjectKey,
  current: Stored,
  object: Mutable<KubeObject>,
  context: WriteContext,
  patch: boolean,
): Promise<Stored> {
  const { admission, hooks, isStale } = registry.options;
  const { resource, strategy } = registry;
  const old = current.object;
  checkIdentity(registry, key, object);
  const fault = identityFault(registry, object, current, patch);
  if (fault && !patch) throw fault;
  const asked = versionOf(object);
  carryOver(object, current);
  // An update that names no version is one of the newest.
  object.metadata.resourceVersion = old.metadata.resourceVersion;
  if (!resource.custom) keepOtherHalf(registry, object, old, context.subresource);
  if (!patch) dedupeOwners(object, context.warn, 'sent');
  const attributes = registry.attributes('UPDATE', context, key, object, old);
  const large = isLarge(Math.max(context.bytes ?? 0, current.isMeasured ? current.size : 0));
  if (large) await pause();
  const recording = recordManager(registry, old, object, context);
  if (recording) await recording;
  // Who writes the status of a custom kind owns what it says beside, though it goes: Kubernetes takes back spec and metadata alone.
  if (resource.custom) keepOtherHalf(registry, object, old, context.subresource);
  if (large) await pause();
  const waiting = context.admitted ? undefined : admission.mutate(attributes);
  if (waiting) await waiting;
  // Behind those who mutate, as they are asked before anybody looks.
  checkVersion(registry, key, asked, old);
  // What a patch makes of it is looked at as a whole: a conflict comes before.
  if (fault) throw fault;
  dedupeOwners(object, context.warn, 'admitted');
  strategy.prepareForUpdate?.(object, old, registry.ruleContext(context.subresource));
  if (countsGeneration(registry) && counted(context.subresource) && specChanged(object, old)) {
    (object.metadata as { generation?: number }).generation = Number(old.metadata.generation ?? 0) + 1;
  }
  validateObject(registry, object as KubeObject, old, context);
  if (large) await pause();
  const checking = context.admitted ? undefined : admission.validate(attributes);
  if (checking) await checking;
  object.metadata.resourceVersion = old.metadata.resourceVersion;
  // Hooks may change the object: it must be all its own then.
  const adopts = registry.storesAsShown && !hooks?.beforeUpdate;
  let ordered = canonical(registry, object, adopts ? old : undefined);
  // Of a custom kind as it was sent: an empty list that is not kept is a change.
  const unlike = registry.resource.custom ? object : ordered;
  const same = (adopts ? adoptParts(ordered, old) : jsonText(ordered) === current.text) || differInTimes(unlike, old);
  const isCurrent = same && !registry.isOutdated(current.key);
  if (isCurrent && !(isStale && (await isStale(registry.storeKey(current.key))))) return unchanged(registry, current);
  if (large) await pause();
  let undo: (() => void) | undefined;
  if (hooks?.beforeUpdate) {
    undo = await hooks.beforeUpdate(ordered, old, context);
    ordered = canonical(registry, ordered);
  }
  if (context.dryRun) {
    undo?.();
    return new Stored(current.key, ordered as KubeObject, current.revision);
  }
  try {
    context.checkDeadline?.();
    const stored = await registry.put(current.key, ordered, current.revision, {
      old: adopts ? old : undefined,
      protobuf: context.protobuf ?? current.protobufType !== undefined,
    });
    const after = hooks?.afterUpdate?.(stored.object, old);
    if (after) await after;
    return (await finishDeletion(registry, stored)) ?? stored;
  } catch (error) {
    undo?.();
    throw error;
  }
}

async function unchanged(registry: Registry, current: Stored): Promise<Stored> {
  await registry.freshen();
  const newest = registry.cache.latest(current.key)?.revision ?? 0;
  // It is no longer what there is.
  if (registry.shared && newest !== current.revision) throw new StoreConflictError(current.key, newest);
  return current;
}

/** The refusal of an update that does not say of what; `name`: in the path. */
export const nameless = (name: string) =>
  badRequest(`the name of the object (${name} based on URL) was undeterminable: name must be provided`);

/** Throws 400 when the object says it is another than the one in the path. */
export function checkName({ metadata }: KubeObject, name: string): void {
  if (metadata.name !== name)
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
}

/** Throws 400 for an object that is not the one of the key; one without a namespace gets the key's. */
export function checkIdentity(registry: Registry, key: ObjectKey, object: Mutable<KubeObject>): void {
  const m = object.metadata;
  if (!m.name) throw nameless(key.name);
  checkName(object as KubeObject, key.name);
  if (!registry.resource.namespaced) {
    delete m.namespace;
    return;
  }
  if (!m.namespace) m.namespace = key.namespace ?? '';
  if (m.namespace !== key.namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
}

const onlyLabels = ['labels'] as const;
const kindOfMetadata = ['labels', 'annotations', 'finalizers', 'ownerReferences'] as const;

function keepMember(
  metadata: Mutable<KubeObject['metadata']>,
  old: KubeObject['metadata'],
  field: (typeof kindOfMetadata)[number],
): void {
  if (old[field] === undefined) delete metadata[field];
  else metadata[field] = cloneDeep(old[field]) as never;
}

// A status update changes nothing but the status (and metadata); any other update leaves the status alone.
function keepOtherHalf(registry: Registry, object: Mutable<KubeObject>, old: KubeObject, subresource: string): void {
  if (!registry.resource.hasStatus) return;
  const fields = object as unknown as Record<string, unknown>;
  const before = old as unknown as Record<string, unknown>;
  if (subresource === 'status') {
    for (const k of Object.keys(fields)) if (k !== 'metadata' && k !== 'status' && !(k in before)) delete fields[k];
    for (const k in before) if (k !== 'metadata' && k !== 'status') fields[k] = before[k];
    const keeps = registry.resource.custom ? 'metadata' : registry.strategy.statusKeeps;
    const kept = keeps === 'metadata' ? kindOfMetadata : keeps === 'labels' ? onlyLabels : [];
    for (const field of kept) keepMember(object.metadata, old.metadata, field);
  } else if (subresource === '') {
    if (before.status === undefined) delete fields.status;
    else fields.status = before.status;
  }
}

// To bind a pod changes nothing its node would have to act on.
const counted = (subresource: string) => subresource !== 'status' && subresource !== 'binding';

function specChanged(object: Mutable<KubeObject>, old: KubeObject): boolean {
  const a = object as unknown as Record<string, unknown>;
  const b = old as unknown as Record<string, unknown>;
  for (const k of new Set([...Object.keys(a), ...Object.keys(b)])) {
    // What defaults filled in is not in order yet.
    if (k !== 'metadata' && k !== 'status' && !deepEqual(a[k], b[k])) return true;
  }
  return false;
}
