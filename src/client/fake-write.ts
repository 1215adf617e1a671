// What each write of the fake client does to an object, as a server would.
import { isDeepStrictEqual } from 'node:util';
import { cloneDeep, type Draft, formatTime, type KubeObject } from '../api/meta.ts';
import { apiVersionOf, type ResourceRef } from '../api/ref.ts';
import { badRequest, conflict, invalid } from '../api/status.ts';
import { type Random, randomSuffix } from '../base/random.ts';
import type { DeleteOptions } from './client.ts';

/** An object of any kind, being changed. */
export type Loose = { metadata: Record<string, any>; spec?: any; status?: any; kind?: string; apiVersion?: string };

export function complete(resource: ResourceRef<any>, object: Draft<KubeObject>): Loose {
  const copy = cloneDeep(object) as unknown as Loose;
  const metadata = { ...copy.metadata };
  if (!resource.namespaced) delete metadata.namespace;
  return stripUndefined({ ...copy, kind: resource.kind, apiVersion: apiVersionOf(resource), metadata }) as Loose;
}

/** Throws for what may not be created. */
export function nameNew(resource: ResourceRef<any>, { metadata: m }: Loose, random: Random): void {
  if (resource.namespaced && !m.namespace) throw badRequest('an empty namespace may not be set during creation');
  if (m.resourceVersion) throw badRequest('resourceVersion should not be set on objects to be created');
  if (!m.name && m.generateName) m.name = m.generateName + randomSuffix(random);
  if (!m.name)
    throw invalid({ group: resource.group, resource: resource.kind }, '', [
      {
        reason: 'FieldValueRequired',
        field: 'metadata.name',
        message: 'Required value: name or generateName is required',
      },
    ]);
}

export function prepareForCreate(resource: ResourceRef<any>, next: Loose, hasStatus: boolean): void {
  const m = next.metadata;
  delete m.uid;
  delete m.deletionTimestamp;
  delete m.deletionGracePeriodSeconds;
  delete m.creationTimestamp;
  if (hasStatus) {
    delete next.status;
    if (resource.resource === 'pods') next.status = { phase: 'Pending' };
    if (resource.resource === 'namespaces') next.status = { phase: 'Active' };
  }
  if (resource.group === '' && resource.resource === 'namespaces')
    next.spec = { finalizers: ['kubernetes'], ...next.spec };
  if (next.spec !== undefined) m.generation = 1;
}

/** Keeps what this writer may not change, and counts generations. `sub`: status, or empty. */
export function changed(old: KubeObject, wanted: Loose, sub: string, hasStatus: boolean) {
  const previous = cloneDeep(old) as unknown as Loose;
  const next = sub === 'status' ? { ...previous, status: wanted.status } : wanted;
  // As on a server, these go along with a status.
  if (sub === 'status')
    for (const field of ['annotations', 'finalizers']) setOrDelete(next.metadata, field, wanted.metadata[field]);
  if (sub === 'status' && wanted.status === undefined) delete next.status;
  if (sub === '' && hasStatus) setOrDelete(next, 'status', previous.status);
  for (const field of fixedMetadata) setOrDelete(next.metadata, field, previous.metadata[field]);
  if (next.metadata.finalizers?.length === 0) delete next.metadata.finalizers;
  if (previous.metadata.generation && !isDeepStrictEqual(next.spec, previous.spec)) next.metadata.generation++;
  return { previous, next };
}

export function checkPreconditions(
  resource: ResourceRef<any>,
  object: KubeObject,
  { preconditions }: DeleteOptions,
): void {
  const { uid, resourceVersion, name } = object.metadata;
  const wrong = (what: string, want: string, have: string, how: string) => {
    const why = `the ${what} in the precondition (${want}) does not match the ${what} in record (${have})`;
    const kind = { group: resource.group, resource: resource.kind };
    return conflict(kind, name, `${why}. The object might have been ${how}`);
  };
  if (preconditions?.uid && preconditions.uid !== uid)
    throw wrong('UID', preconditions.uid, uid, 'deleted and then recreated');
  if (preconditions?.resourceVersion && preconditions.resourceVersion !== resourceVersion)
    throw wrong('ResourceVersion', preconditions.resourceVersion, resourceVersion, 'modified');
}

/** Adds and removes those that the propagation policy asks for; gives how many there are. */
export function finalizersFor(next: Loose, options: DeleteOptions): number {
  const finalizers = new Set<string>(next.metadata.finalizers ?? []);
  if (options.propagationPolicy) {
    finalizers.delete('orphan');
    finalizers.delete('foregroundDeletion');
    if (options.propagationPolicy === 'Orphan') finalizers.add('orphan');
    if (options.propagationPolicy === 'Foreground') finalizers.add('foregroundDeletion');
    setOrDelete(next.metadata, 'finalizers', finalizers.size > 0 ? [...finalizers] : undefined);
  }
  return finalizers.size;
}

export function markDeleted(resource: ResourceRef<any>, next: Loose, grace: number, nowMs: number): void {
  const m = next.metadata;
  const dueMs = nowMs + grace * 1000;
  if (!m.deletionTimestamp || grace < (m.deletionGracePeriodSeconds ?? 0)) {
    if (!m.deletionTimestamp && m.generation) m.generation++;
    m.deletionTimestamp = formatTime(dueMs);
    m.deletionGracePeriodSeconds = grace;
  }
  if (namespaceIsHeld(resource, next)) next.status = { ...next.status, phase: 'Terminating' };
}

/** Pods that were placed on a node end when their kubelet says so. */
export function graceSeconds(resource: ResourceRef<any>, object: Loose, options: DeleteOptions): number {
  if (resource.group !== '' || resource.resource !== 'pods') return 0;
  if (!object.spec?.nodeName || object.status?.phase === 'Succeeded' || object.status?.phase === 'Failed') return 0;
  return (
    options.gracePeriodSeconds ??
    object.metadata.deletionGracePeriodSeconds ??
    object.spec?.terminationGracePeriodSeconds ??
    30
  );
}

export function namespaceIsHeld(resource: ResourceRef<any>, object: Loose): boolean {
  return resource.group === '' && resource.resource === 'namespaces' && object.spec?.finalizers?.length > 0;
}

const fixedMetadata = [
  'name',
  'generateName',
  'namespace',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
];

function setOrDelete(target: Record<string, any>, field: string, value: unknown): void {
  if (value === undefined) delete target[field];
  else target[field] = value;
}

/** As a trip over the wire would. */
function stripUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(stripUndefined);
  if (typeof value !== 'object' || value === null) return value;
  const out: Record<string, unknown> = {};
  for (const [k, v] of Object.entries(value)) if (v !== undefined) out[k] = stripUndefined(v);
  return out;
}
