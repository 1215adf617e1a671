// What the server itself decides about metadata.
import { formatTime, type KubeObject, type Mutable, type ObjectKey } from '../../api/meta.ts';
import { normalize } from '../../api/normalize.ts';
import { badRequest, conflict, invalid, type StatusError } from '../../api/status.ts';
import type { ObjectMeta } from '../../api/type/meta-v1.ts';
import { type Random, randomSuffix, randomUuid } from '../../base/random.ts';
import type { Registry } from './registry.ts';
import type { Stored } from './stored.ts';

type Meta = Mutable<ObjectMeta>;

// Kinds whose generation the server counts.
const counted = new Set([
  '/pods',
  '/podtemplates',
  '/replicationcontrollers',
  'apps/deployments',
  'apps/replicasets',
  'apps/statefulsets',
  'apps/daemonsets',
  'batch/jobs',
  'batch/cronjobs',
  'policy/poddisruptionbudgets',
  'networking.k8s.io/ingresses',
  'networking.k8s.io/networkpolicies',
  'networking.k8s.io/ingressclasses',
  'discovery.k8s.io/endpointslices',
  'apiextensions.k8s.io/customresourcedefinitions',
  'admissionregistration.k8s.io/validatingwebhookconfigurations',
  'admissionregistration.k8s.io/mutatingwebhookconfigurations',
  'admissionregistration.k8s.io/validatingadmissionpolicies',
  'admissionregistration.k8s.io/validatingadmissionpolicybindings',
  'admissionregistration.k8s.io/mutatingadmissionpolicies',
  'admissionregistration.k8s.io/mutatingadmissionpolicybindings',
  'flowcontrol.apiserver.k8s.io/flowschemas',
  'flowcontrol.apiserver.k8s.io/prioritylevelconfigurations',
  'resource.k8s.io/deviceclasses',
  'resource.k8s.io/resourceslices',
  'scheduling.k8s.io/priorityclasses',
]);

export function countsGeneration(registry: Registry): boolean {
  return registry.strategy.hasGeneration ?? counted.has(`${registry.resource.group}/${registry.resource.resource}`);
}

const longestGeneratedBase = 58;

export function generateName(base: string, random: Random): string {
  return base.slice(0, longestGeneratedBase) + randomSuffix(random);
}

/** Sets what only the server sets on a new object. */
export function stampNew(object: Mutable<KubeObject>, nowMs: number, random: Random): void {
  const m = object.metadata as Meta;
  delete m.deletionTimestamp;
  delete m.deletionGracePeriodSeconds;
  delete m.selfLink;
  delete m.generation;
  m.uid = randomUuid(random);
  m.creationTimestamp = formatTime(nowMs);
}

/**
 * The refusal of another object's uid: 409 in a whole object, which means that other one, and 422 in a patch. And 422 for
 * a time of deletion: only a delete gives one.
 */
export function identityFault(
  registry: Registry,
  object: Mutable<KubeObject>,
  current: Stored,
  patch: boolean,
): StatusError | undefined {
  const { uid, deletionTimestamp, deletionGracePeriodSeconds } = object.metadata as Meta;
  const old = current.object.metadata;
  const causes: { reason: string; message: string; field: string }[] = [];
  const immutable = (field: string, value: unknown) => {
    const message = `Invalid value: ${JSON.stringify(value)}: field is immutable`;
    causes.push({ reason: 'FieldValueInvalid', message, field: `metadata.${field}` });
  };
  if (uid && uid !== old.uid) {
    if (!patch) return otherUid(registry, current.key, old.name, uid, old.uid);
    immutable('uid', uid);
  }
  if (deletionTimestamp && !old.deletionTimestamp) immutable('deletionTimestamp', deletionTimestamp);
  if (deletionGracePeriodSeconds !== undefined && old.deletionGracePeriodSeconds === undefined)
    immutable('deletionGracePeriodSeconds', deletionGracePeriodSeconds);
  const { group, kind } = registry.resource;
  return causes.length ? invalid({ group, resource: kind }, old.name, causes) : undefined;
}

/** The refusal of a write that names a uid where there is no object. */
export function noneWithUid(registry: Registry, key: ObjectKey, uid: string, patch: boolean): StatusError {
  if (!patch) return otherUid(registry, registry.keyOf(key), key.name, uid, '');
  const why = `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`;
  return conflict(registry.resource, key.name, why);
}

/** The refusal of a write that means another object of the name. */
export const otherUid = (registry: Registry, key: string, name: string, asked: string, is: string): StatusError =>
  conflict(
    registry.resource,
    name,
    `StorageError: invalid object, Code: 4, Key: ${registry.storeKey(key)}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: ${asked}, UID in object meta: ${is}`,
  );

/** Puts back what an update may not change. */
export function carryOver(object: Mutable<KubeObject>, current: Stored): void {
  const m = object.metadata as Meta;
  const old = current.object.metadata;
  m.uid = old.uid;
  m.creationTimestamp = old.creationTimestamp;
  copy(m, old, 'generateName');
  copy(m, old, 'generation');
  copy(m, old, 'selfLink');
  copy(m, old, 'deletionTimestamp');
  copy(m, old, 'deletionGracePeriodSeconds');
}

function copy<K extends keyof Meta>(to: Meta, from: ObjectMeta, field: K): void {
  if (from[field] === undefined) delete to[field];
  else (to as Record<string, unknown>)[field] = from[field];
}

const order = [
  'name',
  'generateName',
  'namespace',
  'selfLink',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'labels',
  'annotations',
  'ownerReferences',
  'finalizers',
  'managedFields',
] as const;

/**
 * The object as it is to be stored: in Kubernetes' field order whatever admission and rules added, with room for the
 * resourceVersion. Only such objects can be compared by their JSON. A spec or status that is `old`'s stays what it is.
 */
export function canonical({ resource }: Registry, object: Mutable<KubeObject>, old?: KubeObject): Mutable<KubeObject> {
  if (resource.custom) return resource.custom.canonical(object);
  if (!resource.typeName) return inOrder(object);
  if (!object.metadata.resourceVersion) object.metadata.resourceVersion = '0';
  return normalize(resource.typeName, object, undefined, halfOf(object as Halves, old as Halves | undefined));
}

interface Halves {
  readonly spec?: object | undefined;
  readonly status?: object | undefined;
}

function halfOf(object: Halves, old: Halves | undefined): object | undefined {
  if (object.spec && object.spec === old?.spec) return object.spec;
  return object.status === old?.status ? object.status : undefined;
}

function inOrder(object: Mutable<KubeObject>): Mutable<KubeObject> {
  const from = object.metadata as unknown as Record<string, unknown>;
  const metadata: Record<string, unknown> = {};
  for (const field of order) {
    const value = field === 'resourceVersion' ? (from[field] ?? '') : from[field];
    if (value === undefined || (Array.isArray(value) && value.length === 0)) continue;
    metadata[field] = value;
  }
  const out: Record<string, unknown> = {};
  const { kind, apiVersion } = object;
  out.kind = kind;
  out.apiVersion = apiVersion;
  out.metadata = metadata;
  for (const k in object)
    if (k !== 'kind' && k !== 'apiVersion' && k !== 'metadata')
      out[k] = (object as unknown as Record<string, unknown>)[k];
  return out as unknown as Mutable<KubeObject>;
}

/** Throws 409 unless the preconditions hold. */
export function checkPreconditions(
  registry: Registry,
  current: Pick<Stored, 'object'>,
  preconditions: { uid?: string; resourceVersion?: string } | undefined,
): void {
  if (!preconditions) return;
  const m = current.object.metadata;
  const fail = (what: string, asked: string, is: string): StatusError =>
    conflict(
      { group: registry.resource.group, resource: registry.resource.kind },
      m.name,
      `the ${what} in the precondition (${asked}) does not match the ${what} in record (${is}). The object might have been ${what === 'UID' ? 'deleted and then recreated' : 'modified'}`,
    );
  if (typeof preconditions.uid === 'string' && preconditions.uid !== m.uid) throw fail('UID', preconditions.uid, m.uid);
  if (typeof preconditions.resourceVersion === 'string' && preconditions.resourceVersion !== m.resourceVersion) {
    throw fail('ResourceVersion', preconditions.resourceVersion, m.resourceVersion);
  }
}

/** That what is sent to a subresource is of the namespace it is sent to. */
export function checkNamespace(
  { key }: { readonly key: ObjectKey },
  { metadata }: { readonly metadata?: { readonly namespace?: string } },
): void {
  if (key.namespace && metadata?.namespace && metadata.namespace !== key.namespace)
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
}
