// Takes out of a merged object what its applier no longer states, in whatever versions of the kind its managers wrote.
import { pruneFields } from './apply-merge.ts';
import { fieldsOf, type Shape, shapeOf } from './field-diff.ts';
import { difference, emptySet, type FieldSet, union } from './field-set.ts';
import { fieldSetOf, type OtherVersion } from './managed-fields.ts';
import type { KubeObject } from './meta.ts';
import { StatusError } from './status.ts';
import type { ManagedFieldsEntry } from './type/meta-v1.ts';

type Plain = Record<string, unknown>;

export interface Pruning {
  readonly shape: Shape;
  readonly apiVersion: string;
  readonly inVersion?: (apiVersion: string) => OtherVersion | undefined;
  /** What the applier owned. */
  readonly own: ManagedFieldsEntry;
  readonly others: readonly ManagedFieldsEntry[];
  /** What it states now. */
  readonly asked: FieldSet;
}

/** `merged` is of the version of the request, the answer too. */
export function pruneMerged(merged: Plain, pruning: Pruning): Plain {
  const { shape, apiVersion, own, others, asked } = pruning;
  const owned = new Map([[apiVersion, asked]]);
  for (const entry of others) {
    const version = entry.apiVersion ?? '';
    owned.set(version, union(owned.get(version) ?? emptySet, fieldSetOf(entry)));
  }
  const last = fieldSetOf(own);
  if (own.apiVersion === apiVersion && owned.size === 1)
    return pruneFields(shape, merged, last, owned.get(apiVersion)) as Plain;
  return pruneAcross(merged, last, owned, pruning);
}

/** Who wrote in another version of the kind owns what this one shows of its fields: each version keeps what is owned there. */
function pruneAcross(
  merged: Plain,
  last: FieldSet,
  owned: ReadonlyMap<string, FieldSet>,
  { apiVersion, inVersion, own }: Pruning,
): Plain {
  const lastVersion = own.apiVersion ?? '';
  const former = inVersion?.(lastVersion);
  if (!former) return merged;
  const here = converted(former, merged);
  const shape = shapeIn(former);
  let kept = pruneFields(shape, here, last, owned.get(lastVersion)) as Plain;
  for (const [version, set] of owned) {
    const other = version === lastVersion ? undefined : inVersion?.(version);
    if (!other) continue;
    const all = addingBack(version, 'merged', () => converted(other, here));
    const left =
      fieldsOf(
        shapeIn(other),
        addingBack(version, 'pruned', () => converted(other, kept)),
      ) ?? emptySet;
    const gone = difference(fieldsOf(shapeIn(other), all) ?? emptySet, left);
    kept = pruneFields(shapeIn(other), all, gone, union(set, left)) as Plain;
  }
  const left = fieldsOf(shape, converted(former, kept));
  const pruned = pruneFields(shape, here, last, left) as Plain;
  return lastVersion === apiVersion ? pruned : converted(inVersion!(apiVersion)!, pruned);
}

const shapeIn = ({ shape, typeName }: OtherVersion): Shape => shape ?? shapeOf(typeName!);
const converted = (version: OtherVersion, object: Plain) =>
  version.convert(object as unknown as KubeObject) as unknown as Plain;

function addingBack(version: string, what: string, convert: () => Plain): Plain {
  try {
    return convert();
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    const why = `failed to prune fields: failed add back owned items: failed to convert ${what} object at version ${version}`;
    throw new StatusError(error.code, '', `${why}: ${error.message}`);
  }
}
