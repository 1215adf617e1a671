// metadata.managedFields: who set which field, kept on every create, update, patch and status update.
import { isCanonicalPart, markCanonical } from './canonical-part.ts';
import { type CreatedFields, CreatedFieldsMemo } from './created-fields.ts';
import { diffFields, type FieldDiff, fieldsOf, type Shape, shapeOf } from './field-diff.ts';
import {
  difference,
  emptySet,
  equalSets,
  type FieldSet,
  intersects,
  isEmptySet,
  leaf,
  parseFieldSet,
  union,
  unionOf,
} from './field-set.ts';
import type { KubeObject } from './meta.ts';
import { normalize } from './normalize.ts';
import { Recent } from './recent.ts';
import { hasPlainStatus } from './shape.ts';
import type { ManagedFieldsEntry } from './type/meta-v1.ts';

/** Another version of a kind: who wrote in it owns its fields. */
export interface OtherVersion {
  /** Of a built-in type; `shape` of a custom one. */
  readonly typeName?: string;
  readonly shape?: Shape;
  /** An object as this version shows it. */
  convert(object: KubeObject): KubeObject;
}

export interface ManagedFieldsUpdate {
  /** OpenAPI name of a built-in type. Without one, `shape` says what there is to own. */
  readonly typeName?: string;
  readonly shape?: Shape;
  /** The object as it is stored; undefined on create. */
  readonly old: KubeObject | undefined;
  /** The object as the client asks for it, defaults filled in: before admission and before the strategy prepares it. */
  readonly updated: KubeObject;
  readonly inVersion?: (apiVersion: string) => OtherVersion | undefined;
  readonly manager: string;
  readonly operation: 'Update';
  readonly apiVersion: string;
  readonly subresource: string;
  /** RFC 3339, of now. */
  readonly time: string;
}

type Entry = ManagedFieldsEntry;

/** Update entries beyond this many melt into one, the oldest first. */
export const maxUpdateManagers = 10;
const ancientManager = 'ancient-changes';

// Nobody owns these: the server sets them, or they say which object this is.
const unownedMetadata: ReadonlySet<string> = new Set([
  'name',
  'namespace',
  'uid',
  'resourceVersion',
  'creationTimestamp',
  'generation',
  'managedFields',
  'selfLink',
]);
const unownedRoot: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata']);
// A write to the object cannot set status, a write to status cannot set spec.
const unownedOnMain: ReadonlySet<string> = new Set([...unownedRoot, 'status']);
const unownedOnStatus: ReadonlySet<string> = new Set([...unownedRoot, 'spec']);
const metadataShape = shapeOf('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta');

/**
 * The managedFields that `updated` is to be stored with. Fields the writer added or changed become its own and nobody
 * else's; fields that are gone leave every entry; empty entries go. The time of the writer's entry is set when it
 * adds or changes a field.
 */
export function updateManagedFields(update: ManagedFieldsUpdate): readonly Entry[] {
  const { old } = update;
  const entries = currentEntries(update);
  // An object that is not tracked stays untracked: this is how tracking is switched off for it.
  if (old && !entries.length) return entries;
  const mine = scaledToNone(update, diffObjects(update));
  const { changed, removed } = mine;
  const versions = new Map<string, CreatedFields>();
  // What this version's writers cannot set, others may own in theirs.
  const isSame = isEmptySet(changed) && isEmptySet(removed);
  if (isSame && entries === old?.metadata.managedFields && entries.every(e => e.apiVersion === update.apiVersion))
    return entries;
  // A Scale shows whose the replicas are; where they are nobody's it looks like an object that is not tracked.
  const scaled = union(changed, removed);
  if (update.subresource === 'scale' && !entries.some(e => intersects(scaled, fieldSetOf(e)))) return entries;
  const next: Entry[] = [];
  let own: Entry | undefined;
  for (const entry of entries) {
    if (!own && isOwn(entry, update)) {
      own = entry;
      continue;
    }
    const set = fieldSetOf(entry);
    const theirs = entry.apiVersion === update.apiVersion ? mine : changesIn(update, entry.apiVersion, versions);
    if (!theirs) continue;
    const left = difference(
      difference(difference(set, theirs.changed), theirs.removed),
      old ? removedAlways : addedAlways,
    );
    if (left === set) next.push(entry);
    else if (!isEmptySet(left)) next.push(withSet(entry, left));
  }
  const entry = ownEntry(own, update, changed, removed);
  if (entry) next.push(entry);
  return sortEntries(capEntries(next));
}

// Nobody keeps these in an entry that a client wrote.
const removedAlways: FieldSet = { 'f:metadata': { 'f:managedFields': leaf } };
const addedAlways: FieldSet = { 'f:metadata': { '.': leaf, 'f:name': leaf, 'f:namespace': leaf } };

/** A Scale of no replicas does not state them: who scales to none takes them from their owners and owns nothing. */
function scaledToNone({ subresource, updated }: ManagedFieldsUpdate, diff: CreatedFields): CreatedFields {
  if (subresource !== 'scale') return diff;
  let value: unknown = updated;
  for (let at = diff.changed; !isEmptySet(at); ) {
    const element = Object.keys(at).find(key => key.startsWith('f:'))!;
    value = (value as Record<string, unknown>)[element.slice(2)];
    at = at[element]!;
  }
  return value === 0 ? { changed: emptySet, removed: diff.changed } : diff;
}

/** What a write changes and takes away, in the terms of an entry's version, each looked at once; undefined for one that is gone. */
export function changesIn(
  write: Pick<ManagedFieldsUpdate, 'typeName' | 'shape' | 'old' | 'updated' | 'subresource' | 'inVersion'>,
  apiVersion = '',
  versions: Map<string, CreatedFields>,
): CreatedFields | undefined {
  let found = versions.get(apiVersion);
  if (!found) {
    const version = write.inVersion?.(apiVersion);
    if (write.inVersion && !version) return undefined;
    found = diffObjects(version ? writtenIn(version, write) : write);
    versions.set(apiVersion, found);
  }
  return found;
}

/** Of a custom kind what a write cannot set is known of the version that is written alone. */
function writtenIn(
  version: OtherVersion,
  { old, updated, subresource }: Pick<ManagedFieldsUpdate, 'old' | 'updated' | 'subresource'>,
) {
  const { typeName, shape, convert } = version;
  return {
    ...(typeName === undefined ? { shape, whole: subresource === '' } : { typeName }),
    old: old && convert(old),
    updated: convert(updated),
    subresource,
  };
}

function ownEntry(own: Entry | undefined, update: ManagedFieldsUpdate, changed: FieldSet, removed: FieldSet) {
  const before = own ? fieldSetOf(own) : emptySet;
  const set = union(difference(before, removed), changed);
  if (isEmptySet(set)) return undefined;
  // To take fields away is no change of an owner's time.
  if (own && isEmptySet(changed)) return set === before ? own : withSet(own, set);
  return {
    manager: update.manager,
    operation: update.operation,
    apiVersion: update.apiVersion,
    ...timeOf(update),
    fieldsType: 'FieldsV1',
    fieldsV1: kept(set),
    ...(update.subresource ? { subresource: update.subresource } : {}),
  } as Entry;
}

/** Kubernetes loses the time of what the scale subresource writes, on its way from the Scale to the object. */
export const timeOf = ({ subresource, time }: { readonly subresource: string; readonly time: string }) =>
  subresource === 'scale' ? {} : { time };

const isOwn = (e: Entry, u: ManagedFieldsUpdate) =>
  e.manager === u.manager &&
  e.operation === u.operation &&
  e.apiVersion === u.apiVersion &&
  (e.subresource ?? '') === u.subresource;

const withSet = (entry: Entry, set: FieldSet): Entry => ({ ...entry, fieldsV1: kept(set) });

// Longer ones belong to one object.
const longestShared = 16 << 10;
const mostShared = 1024;
// Whose text is longer for certain: it would take longer to write than to look at.
const mostElements = longestShared / 8;
const shared = new Recent<FieldSet>(mostShared);

function hasMore(set: FieldSet, count: { left: number }): boolean {
  for (const element in set) {
    count.left--;
    if (count.left < 0 || hasMore(set[element]!, count)) return true;
  }
  return false;
}

/** Equal sets are one object, in canonical form: it is copied, compared, read and written once, whatever writes follow. */
function kept(set: FieldSet): Entry['fieldsV1'] {
  if (isCanonicalPart(set)) return set as Entry['fieldsV1'];
  if (hasMore(set, { left: mostElements })) {
    known.set(set, set);
    return set as Entry['fieldsV1'];
  }
  const key = JSON.stringify(set);
  const held = key.length > longestShared ? set : shared.of(key, () => markCanonical(set));
  known.set(held, held);
  return held as Entry['fieldsV1'];
}

/** The entries to start from: a client may edit them, except through a subresource, but not lose them by leaving them out. */
function currentEntries({ old, updated, subresource }: ManagedFieldsUpdate): readonly Entry[] {
  const live = old?.metadata.managedFields ?? [];
  const given = updated.metadata.managedFields;
  if (subresource !== '' || !given?.length || given === live) return live;
  if (given.length === 1 && Object.keys(given[0]!).length === 0) return [];
  try {
    return adopt(given, live);
  } catch (error) {
    if (error instanceof SyntaxError) return live;
    throw error;
  }
}

// Entries a client sends back unchanged are the live ones, whose sets are known already. One that is none spoils all.
function adopt(given: readonly Entry[], live: readonly Entry[]): readonly Entry[] {
  let same = given.length === live.length;
  const out = new Map<string, Entry>();
  for (const [i, entry] of given.entries()) {
    const known = live[i];
    if (known && sameEntry(entry, known)) {
      out.set(ownerOf(known), known);
      continue;
    }
    same = false;
    if (!isEntry(entry)) return live;
    out.set(ownerOf(entry), withSet(entry, parseFieldSet(entry.fieldsV1 ?? {})));
  }
  return same ? live : sortEntries([...out.values()].filter(entry => !isEmptySet(fieldSetOf(entry))));
}

const isEntry = ({ operation, apiVersion, fieldsType }: Entry) =>
  (operation === 'Apply' || operation === 'Update') && Boolean(apiVersion) && fieldsType === 'FieldsV1';

/** Of several entries of one owner the last counts. An applier is one in whatever version. */
const ownerOf = ({ manager, operation, apiVersion, subresource }: Entry) =>
  JSON.stringify([manager, operation, operation === 'Apply' ? '' : apiVersion, subresource ?? '']);

const sameEntry = (a: Entry, b: Entry) =>
  a.manager === b.manager &&
  a.operation === b.operation &&
  a.apiVersion === b.apiVersion &&
  a.time === b.time &&
  a.subresource === b.subresource &&
  equalSets((a.fieldsV1 ?? {}) as FieldSet, (b.fieldsV1 ?? {}) as FieldSet);

const known = new WeakMap<object, FieldSet>();

/** The set of an entry, checked once for each FieldsV1. Empty when it does not parse. */
export function fieldSetOf(entry: Entry): FieldSet {
  const raw = entry.fieldsV1 as object | undefined;
  if (!raw) return emptySet;
  let set = known.get(raw);
  if (!set) {
    try {
      set = parseFieldSet(raw);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      set = emptySet;
    }
    known.set(raw, set);
    if (set !== raw) known.set(set, set);
  }
  return set;
}

const zeros = new Map<string, KubeObject>();

/** What a create is compared with: the type's zero value. */
function zeroOf(typeName: string): KubeObject {
  let zero = zeros.get(typeName);
  if (!zero) {
    zero = normalize(typeName, {}) as KubeObject;
    zeros.set(typeName, zero);
  }
  return zero;
}

const created = new Map<string, CreatedFieldsMemo>();

function createdBy(typeName: string): CreatedFieldsMemo {
  let memo = created.get(typeName);
  if (!memo) {
    memo = new CreatedFieldsMemo();
    created.set(typeName, memo);
  }
  return memo;
}

/** What a write changes and takes away, of what can be owned. */
export function diffObjects(
  update: Pick<ManagedFieldsUpdate, 'typeName' | 'shape' | 'old' | 'updated' | 'subresource'> & {
    /** Whatever may be set through the subresource. */
    readonly whole?: boolean;
  },
): CreatedFields {
  const { typeName, updated, subresource } = update;
  const before = update.old ?? (typeName ? zeroOf(typeName) : { metadata: {} });
  const shape = update.shape ?? shapeOf(typeName!);
  const skip = update.whole ? unownedRoot : unownedFor(subresource, shape);
  const find = () => {
    const body = diffFields(shape, before, updated, skip);
    const metadata =
      update.whole || setsMetadata(update)
        ? diffFields(metadataShape, before.metadata, updated.metadata, unownedMetadata)
        : undefined;
    return {
      changed: union(under('f:metadata', metadata?.changed), body?.changed ?? emptySet),
      removed: union(under('f:metadata', metadata?.removed), body?.removed ?? emptySet),
    };
  };
  if (update.old || !typeName || subresource !== '') return find();
  const metadata = { shape: metadataShape, skip: unownedMetadata, before: before.metadata, after: updated.metadata };
  return createdBy(typeName).of([metadata, { shape, skip, before, after: updated }], find);
}

function unownedFor(subresource: string, shape: Shape): ReadonlySet<string> {
  if (subresource === '') return hasPlainStatus(shape) ? unownedRoot : unownedOnMain;
  return subresource === 'status' ? unownedOnStatus : unownedRoot;
}

interface Written {
  readonly typeName?: string;
  readonly subresource: string;
}

/** The status of a custom kind is written alone. */
const setsMetadata = ({ typeName, subresource }: Written) => typeName !== undefined || subresource !== 'status';

/** The fields an object or configuration states, of what can be owned through a subresource ('' for the object itself). */
export function ownableFields(write: Written & { readonly shape: Shape }, value: Record<string, unknown>): FieldSet {
  const { shape, subresource } = write;
  const body = fieldsOf(shape, value, unownedFor(subresource, shape)) ?? emptySet;
  const metadata =
    value.metadata !== undefined && setsMetadata(write)
      ? fieldsOf(metadataShape, value.metadata, unownedMetadata)
      : undefined;
  return union(metadata && !isEmptySet(metadata) ? under('f:metadata', metadata) : emptySet, body);
}

const under = (element: string, node: FieldDiff['changed']): FieldSet => (node ? { [element]: node } : emptySet);

/** Melts the oldest Update entries of a version into one until few enough are left. */
function capEntries(entries: Entry[]): Entry[] {
  const updates = entries.filter(e => e.operation === 'Update');
  let count = updates.length;
  if (count <= maxUpdateManagers) return entries;
  const oldestFirst = updates.sort((a, b) => compareText(a.time, b.time) || compareText(a.manager, b.manager));
  const buckets = new Map<string, Entry[]>();
  const melted = new Set<Entry>();
  for (const entry of oldestFirst) {
    if (count <= maxUpdateManagers) break;
    const version = entry.apiVersion ?? '';
    const bucket = buckets.get(version);
    melted.add(entry);
    if (bucket) {
      count--;
      bucket.push(entry);
    } else buckets.set(version, [entry]);
  }
  return [...entries.filter(e => !melted.has(e)), ...[...buckets.values()].map(meltedEntry)];
}

const meltedEntry = (bucket: readonly Entry[]): Entry =>
  bucket.length === 1 ? bucket[0]! : ancientEntry(bucket.at(-1)!, unionOf(bucket.map(fieldSetOf)));

// The newest of its times, and no subresource.
const ancientEntry = (newest: Entry, set: FieldSet): Entry =>
  ({
    manager: ancientManager,
    operation: 'Update',
    apiVersion: newest.apiVersion,
    time: newest.time,
    fieldsType: 'FieldsV1',
    fieldsV1: set,
  }) as Entry;

const compareText = (a = '', b = '') => (a === b ? 0 : a < b ? -1 : 1);

/** Appliers first, then by time, manager, version and subresource. */
export function sortEntries(entries: readonly Entry[]): Entry[] {
  return entries.toSorted(
    (a, b) =>
      compareText(a.operation, b.operation) ||
      compareText(a.time, b.time) ||
      compareText(a.manager, b.manager) ||
      compareText(a.apiVersion, b.apiVersion) ||
      compareText(a.subresource, b.subresource),
  );
}
