// Server-side apply: the applier's configuration over the live object, and who owns which field afterwards.
import { checkConfiguration, pathText } from './apply-check.ts';
import { type FormerApply, formerlyApplied, noteApplied } from './apply-former.ts';
import { mergeFields } from './apply-merge.ts';
import { pruneMerged } from './apply-prune.ts';
import type { CreatedFields } from './created-fields.ts';
import { difference, emptySet, type FieldSet, intersection, isEmptySet, membersOf, union } from './field-set.ts';
import {
  changesIn,
  diffObjects,
  fieldSetOf,
  type OtherVersion,
  ownableFields,
  sortEntries,
  timeOf,
} from './managed-fields.ts';
import type { KubeObject, Mutable } from './meta.ts';
import { equalJson } from './patch/plain.ts';
import { badRequest, StatusError } from './status.ts';
import type { ManagedFieldsEntry } from './type/meta-v1.ts';

type Entry = ManagedFieldsEntry;
type Plain = Record<string, unknown>;

export interface ApplyRequest extends FormerApply {
  readonly force: boolean;
  /** RFC 3339, of now. */
  readonly time: string;
  readonly inVersion?: (apiVersion: string) => OtherVersion | undefined;
  /** Decodes and defaults the merged object, a private copy. */
  complete(merged: Plain): Mutable<KubeObject>;
}

const stated: FieldSet = { 'f:metadata': { 'f:name': {} } };
const beforeFirstApply = 'before-first-apply';

/**
 * The object to store, its managedFields settled. Throws StatusError: 409 with a cause for every field that another
 * manager owns and `force` does not take, 400 and 500 for a configuration that does not fit the schema.
 */
export function applyConfiguration(request: ApplyRequest): Mutable<KubeObject> {
  const { shape, live, config } = request;
  checkConfiguration(request);
  const given = (config.metadata as Plain | undefined)?.managedFields;
  if (given !== undefined && given !== null) throw badRequest('metadata.managedFields must be nil');
  const entries = entriesOf(request);
  const own = entries.find(e => isOwn(e, request));
  const others = entries.filter(e => !isOwn(e, request));
  const asked = ownableFields(request, config);
  // What cannot be shown in the version of an entry is told before anything is made of it.
  if (live)
    for (const { apiVersion = '' } of entries)
      if (apiVersion !== request.apiVersion) request.inVersion?.(apiVersion)?.convert(live);
  // Nobody is recorded as owner of the name, but every configuration states it.
  let merged = mergeFields(shape, live as Plain | undefined, config) as Plain;
  if (own) merged = pruneMerged(merged, { ...request, own, others, asked: union(asked, stated) });
  // As they are stated: a zero value that the kind leaves out is a change, one written otherwise as well.
  const write = { ...request, old: live, updated: merged as unknown as KubeObject };
  const { changed, removed } = diffObjects(write);
  const object = request.complete(merged);
  const versions = new Map<string, CreatedFields>();
  // Built-in kinds are converted as their types hold them.
  const written = request.typeName === undefined ? write : { ...write, updated: object as KubeObject };
  const changesFor = ({ apiVersion }: Entry) =>
    apiVersion === request.apiVersion ? { changed, removed } : changesIn(written, apiVersion, versions);
  const contested = others
    .map(entry => ({ entry, fields: intersection(fieldSetOf(entry), changesFor(entry)?.changed ?? emptySet) }))
    .filter(({ fields }) => !isEmptySet(fields));
  if (contested.length && !request.force) {
    const former = formerlyApplied(request);
    const conflicts = contested
      .map(({ entry, fields }) => ({ entry, fields: difference(fields, former) }))
      .filter(({ fields }) => !isEmptySet(fields));
    if (conflicts.length) throw applyConflict(conflicts, request.subresource);
  }
  const rest = others.flatMap(entry => {
    const set = fieldSetOf(entry);
    const theirs = changesFor(entry);
    if (!theirs) return [];
    const kept = difference(live ? difference(set, theirs.changed) : set, theirs.removed);
    if (kept === set) return [entry];
    return isEmptySet(kept) ? [] : [{ ...entry, fieldsV1: kept as Entry['fieldsV1'] }];
  });
  // Who changes nothing of the object has no time of a change; what the server takes back of it is one.
  const isSame = live !== undefined && equalJson(live, merged);
  const mine = ownEntry(request, own, asked, isSame ? own?.time : request.time);
  const managedFields = sortEntries(mine ? [...rest, mine] : rest);
  (object.metadata as { managedFields?: unknown }).managedFields = managedFields;
  noteApplied(object, request);
  return object;
}

const isOwn = (e: Entry, r: ApplyRequest) =>
  e.operation === 'Apply' && e.manager === r.manager && (e.subresource ?? '') === r.subresource;

/** An object nobody tracked is taken to be made as it is by a manager of its own. */
function entriesOf(request: ApplyRequest): readonly Entry[] {
  const { live, apiVersion, time, subresource } = request;
  const entries = live?.metadata.managedFields ?? [];
  if (!live || entries.length) return entries;
  const set = diffObjects({ ...request, old: undefined, updated: live }).changed;
  if (isEmptySet(set)) return [];
  const fieldsV1 = set as Entry['fieldsV1'];
  const where = subresource ? { subresource } : {};
  const made = { manager: beforeFirstApply, operation: 'Update', apiVersion, time, fieldsType: 'FieldsV1', fieldsV1 };
  return [{ ...made, ...where } as Entry];
}

function ownEntry(
  request: ApplyRequest,
  own: Entry | undefined,
  set: FieldSet,
  time: string | undefined,
): Entry | undefined {
  if (isEmptySet(set)) return undefined;
  const { manager, apiVersion, subresource } = request;
  const same = own?.apiVersion === apiVersion && JSON.stringify(own.fieldsV1) === JSON.stringify(set);
  if (own && same && own.time === time) return own;
  return {
    manager,
    operation: 'Apply',
    apiVersion,
    ...(time === undefined ? {} : timeOf({ subresource, time })),
    fieldsType: 'FieldsV1',
    fieldsV1: set as Entry['fieldsV1'],
    ...(subresource ? { subresource } : {}),
  } as Entry;
}

interface Contested {
  readonly entry: Entry;
  readonly fields: FieldSet;
}

function applyConflict(contested: readonly Contested[], subresource: string): StatusError {
  const sorted = contested.toSorted((a, b) => (identity(a.entry) < identity(b.entry) ? -1 : 1));
  const found = sorted.map(({ entry, fields }) => ({
    // Those of a Scale are shown in its version.
    manager: managerText(subresource === 'scale' ? { ...entry, apiVersion: 'autoscaling/v1' } : entry),
    paths: [...membersOf(fields)].map(pathText),
  }));
  const causes = found.flatMap(({ manager, paths }) =>
    paths.map(field => ({ reason: 'FieldManagerConflict', message: `conflict with ${manager}`, field })),
  );
  const text =
    causes.length === 1
      ? `1 conflict: conflict with ${found[0]!.manager}: ${found[0]!.paths[0]}`
      : `${causes.length} conflicts: ${found
          .map(({ manager, paths }) => [`conflicts with ${manager}:`, ...paths.map(p => `- ${p}`)].join('\n'))
          .join('\n')}`;
  return new StatusError(409, 'Conflict', `Apply failed with ${text}`, { causes });
}

/** The text that Kubernetes tells managers apart by. */
const identity = ({ manager, operation, apiVersion, subresource }: Entry): string =>
  JSON.stringify({
    manager,
    operation,
    ...(operation === 'Apply' ? {} : { apiVersion }),
    ...(subresource ? { subresource } : {}),
  });

function managerText(entry: Entry): string {
  const name = JSON.stringify(entry.manager ?? '');
  const where = entry.subresource ? ` with subresource ${JSON.stringify(entry.subresource)}` : '';
  return entry.operation === 'Apply' ? `${name}${where}` : `${name}${where} using ${entry.apiVersion}`;
}
