import { type OtherVersion, updateManagedFields } from '../../api/managed-fields.ts';
import { formatTime, type KubeObject, type Mutable } from '../../api/meta.ts';
import { equalJson } from '../../api/patch/plain.ts';
import { apiVersionOf } from '../../api/ref.ts';
import { builtinResources, type Resource } from '../../api/resource.ts';
import { StatusError } from '../../api/status.ts';
import type { ManagedFieldsEntry } from '../../api/type/meta-v1.ts';
import { jsonText } from '../../base/json-text.ts';
import type { Registry, WriteContext } from './registry.ts';
import { convertObject } from './versions.ts';

type InVersion = (apiVersion: string) => OtherVersion | undefined;

/** Thrown where a webhook has to convert before one can go on. */
class Unconverted {
  readonly done: Promise<void>;

  constructor(done: Promise<void>) {
    this.done = done;
  }
}

/**
 * What `make` gives, which may ask for the other versions of a kind. Where a webhook converts it starts again once that is
 * done, so that who owns what is computed in one go.
 */
export function acrossVersions<T>({ custom, kind }: Resource, make: (inVersion: InVersion) => T): T | Promise<T> {
  if (!custom) return make(version => builtinVersion(version, kind));
  const known = new Map<string, KubeObject | StatusError>();
  const convert = (object: KubeObject, apiVersion: string): KubeObject => {
    if (object.apiVersion === apiVersion) return object;
    const version = custom.version(apiVersion)!;
    const now = version.convertNow(object);
    if (now) return now;
    const key = `${apiVersion} ${jsonText(object)}`;
    const found = known.get(key);
    if (found instanceof StatusError) throw found;
    if (found) return found;
    throw new Unconverted(
      version.convert(object).then(
        done => void known.set(key, done),
        error => {
          if (!(error instanceof StatusError)) throw error;
          known.set(key, error);
        },
      ),
    );
  };
  const inVersion = (apiVersion: string) => {
    const version = custom.version(apiVersion);
    if (!version) throw new StatusError(500, '', `request to convert CR to an invalid group/version: ${apiVersion}`);
    return { shape: version.shape, convert: (object: KubeObject) => convert(object, apiVersion) };
  };
  const attempt = (): T | Promise<T> => {
    try {
      return make(inVersion);
    } catch (error) {
      if (!(error instanceof Unconverted)) throw error;
      return error.done.then(attempt);
    }
  };
  return attempt();
}

function builtinVersion(apiVersion: string, kind: string): OtherVersion | undefined {
  const typeName = builtinResources().typeNameOf(apiVersion, kind);
  if (!typeName) return undefined;
  const convert = (object: KubeObject) =>
    object.apiVersion === apiVersion ? object : (convertObject(object, apiVersion) as KubeObject);
  return { typeName, convert };
}

/** Keeps metadata.managedFields true for a create, update, patch or status update by `context.fieldManager`. */
export function recordManager(
  registry: Registry,
  old: KubeObject | undefined,
  object: Mutable<KubeObject>,
  context: WriteContext,
): void | Promise<void> {
  const { resource } = registry;
  // Nobody manages what a binding writes.
  if (!(resource.typeName || resource.custom) || context.applied || context.subresource === 'binding') return;
  const updated = object as KubeObject;
  const apiVersion = apiVersionOf(context.requested ?? resource);
  const find = (inVersion: InVersion) =>
    updateManagedFields({
      ...writtenAs(registry, apiVersion, old, updated),
      inVersion,
      manager: context.fieldManager,
      operation: 'Update',
      apiVersion,
      subresource: context.subresource,
      time: formatTime(registry.options.clock.now()),
    });
  const record = (managedFields: readonly ManagedFieldsEntry[]) => {
    if (managedFields.length)
      object.metadata.managedFields = managedFields as Mutable<KubeObject>['metadata']['managedFields'];
    else delete object.metadata.managedFields;
  };
  // What can no longer be shown in the version of a manager is nobody's from then on.
  const forget = (error: unknown) => {
    if (!(error instanceof StatusError)) throw error;
    record([]);
  };
  try {
    const made = acrossVersions(resource, find);
    return made instanceof Promise ? made.then(record, forget) : record(made);
  } catch (error) {
    return forget(error);
  }
}

/** A write in the version the client writes in. */
function writtenAs({ resource }: Registry, apiVersion: string, old: KubeObject | undefined, updated: KubeObject) {
  if (resource.custom) return { shape: resource.custom.shape, old, updated };
  const { typeName, convert } = (apiVersion !== apiVersionOf(resource) &&
    builtinVersion(apiVersion, resource.kind)) || {
    typeName: resource.typeName,
    convert: (object: KubeObject) => object,
  };
  return { typeName: typeName!, old: old && convert(old), updated: convert(updated) };
}

/** Whether nothing but times of managers has changed: that is no change. */
export function differInTimes(object: Mutable<KubeObject>, old: KubeObject): boolean {
  const [mine, theirs] = [object.metadata.managedFields ?? [], old.metadata.managedFields ?? []];
  if (mine.length !== theirs.length) return false;
  for (const [i, entry] of mine.entries()) if (!equalJson({ ...entry, time: theirs[i]!.time }, theirs[i])) return false;
  const managedFields = theirs;
  return equalJson({ ...object, metadata: { ...object.metadata, managedFields } }, old);
}
