// How objects lie in a store. Embedded stores hold what the client of the last write got, revision inside: canonical
// JSON, or protobuf where the answer was that and shows the object as it is kept. A store that
// other servers use (etcd) holds what kube-apiserver writes: protobuf for built-in kinds, JSON for all others and for the
// kinds of its two extension servers, and no resourceVersion, which is the key's own revision. A kind may lie there in
// another version than the one it is kept in here: what is new in a release stays readable for the release before.

import { storedVersion } from '../../api/convert.ts';
import { convertDefinition, earlyDefinition, isEarlyDefinition } from '../../api/convert-definition.ts';
import { parseJson } from '../../api/decode.ts';
import type { KubeObject, Mutable } from '../../api/meta.ts';
import { normalize } from '../../api/normalize.ts';
import { isPlain } from '../../api/patch/plain.ts';
import { decodeProtobuf, encodeProtobuf, isProtobuf, protobufTypeMeta } from '../../api/protobuf.ts';
import { builtinResources } from '../../api/resource.ts';
import { StatusError } from '../../api/status.ts';
import type { StatefulSetSpec } from '../../api/type/apps-v1.ts';
import { messageOf } from '../../base/assert.ts';
import { jsonText } from '../../base/json-text.ts';
import { parseExactJson } from '../../base/whole-number.ts';
import { convertObject } from './versions.ts';

const json = /^(apiextensions\.k8s\.io|apiregistration\.k8s\.io)\//;

/** Takes the resourceVersion out of `object`, which is canonical. */
export function encodeWithoutRevision(object: Mutable<KubeObject>): Uint8Array {
  delete (object.metadata as { resourceVersion?: string }).resourceVersion;
  const typeName = typeNameOf(object);
  const { apiVersion = '', kind = '' } = object;
  if (kind === 'CustomResourceDefinition' && apiVersion === 'apiextensions.k8s.io/v1')
    return jsonBytes(earlyDefinition(object as KubeObject));
  if (typeName === undefined || json.test(apiVersion)) return jsonBytes(object);
  const storedAs = builtinResources().byKind(apiVersion, kind)?.storedAs || apiVersion;
  if (storedAs === apiVersion) return encodeProtobuf(typeName, object as KubeObject);
  const written = convertObject(object as KubeObject, storedAs);
  return encodeProtobuf(typeNameOf(written)!, written as KubeObject);
}

const jsonBytes = (object: unknown): Uint8Array => Buffer.from(`${jsonText(object)}\n`);

/**
 * Reads either form, in any version that is known; the result is canonical and has its resourceVersion. `parse`: what reads
 * JSON; parts of what it gives may belong to others.
 */
export function decodeStored(
  bytes: Uint8Array,
  revision: number,
  parse: (text: string) => unknown = parseExactJson,
): Mutable<KubeObject> {
  if (isProtobuf(bytes)) return withRevision(asKept(decodeKnown(bytes)), revision, true);
  const read = parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()) as Mutable<KubeObject>;
  if (!read.kind) throw new TypeError('a stored object has no kind');
  if (read.metadata.resourceVersion) return read;
  const object = isEarlyDefinition(read) ? convertDefinition(read) : inLaterVersion(read);
  const typeName = typeNameOf(object);
  return typeName === undefined
    ? withRevision(object, revision, false)
    : withRevision(asKept(normalize(typeName, object)), revision, true);
}

/**
 * The refusal of a stored value that is no object, as kube-apiserver words it; what custom resources lie in has no form to
 * be recognized.
 */
export function undecodable(bytes: Uint8Array, custom: boolean, error: unknown): StatusError {
  const refusal = (why: string) => new StatusError(500, '', why);
  if (isProtobuf(bytes)) return refusal(messageOf(error));
  try {
    const { value } = parseJson(bytes);
    return refusal(
      isPlain(value) && !value.kind ? `Object 'Kind' is missing in '${Buffer.from(bytes)}'` : messageOf(error),
    );
  } catch (syntax) {
    const why = messageOf(syntax);
    return refusal(custom ? why.replace(/^couldn't get version\/kind; json parse error: /, '') : why);
  }
}

// Served no more, and still what an object lies in that nobody has written since: versions in the form of a later one.
const laterVersions: Readonly<Record<string, string>> = {
  'admissionregistration.k8s.io/v1beta1': 'admissionregistration.k8s.io/v1',
  'apiregistration.k8s.io/v1beta1': 'apiregistration.k8s.io/v1',
  'autoscaling/v2beta2': 'autoscaling/v2',
  'batch/v1beta1': 'batch/v1',
  'certificates.k8s.io/v1beta1': 'certificates.k8s.io/v1',
  'coordination.k8s.io/v1beta1': 'coordination.k8s.io/v1',
  'flowcontrol.apiserver.k8s.io/v1beta3': 'flowcontrol.apiserver.k8s.io/v1',
  'node.k8s.io/v1beta1': 'node.k8s.io/v1',
  'policy/v1beta1': 'policy/v1',
  'rbac.authorization.k8s.io/v1beta1': 'rbac.authorization.k8s.io/v1',
  'scheduling.k8s.io/v1beta1': 'scheduling.k8s.io/v1',
  'storage.k8s.io/v1beta1': 'storage.k8s.io/v1',
};

/** The later version of a kind that is no resource in this one. */
function laterVersionOf({ apiVersion = '', kind = '' }: { apiVersion?: string; kind?: string }): string | undefined {
  const later = laterVersions[apiVersion];
  if (later === undefined) return undefined;
  const { byKind } = builtinResources();
  return byKind(apiVersion, kind) === undefined && byKind(later, kind) !== undefined ? later : undefined;
}

function inLaterVersion(object: Mutable<KubeObject>): Mutable<KubeObject> {
  const apiVersion = laterVersionOf(object);
  return apiVersion ? { ...object, apiVersion } : object;
}

function decodeKnown(bytes: Uint8Array): Mutable<KubeObject> {
  try {
    return withClaimKinds(inLaterVersion(decodeProtobuf(bytes).object));
  } catch (error) {
    const { apiVersion, kind } = protobufTypeMeta(bytes);
    const later = laterVersionOf({ apiVersion, kind });
    if (later === undefined) throw error;
    const { object } = decodeProtobuf(bytes, builtinResources().typeNameOf(later, kind)!);
    return { ...object, apiVersion: later };
  }
}

/** Protobuf has no place for the kind of a StatefulSet's claims, which Kubernetes always writes. */
function withClaimKinds(object: Mutable<KubeObject>): Mutable<KubeObject> {
  if (object.kind !== 'StatefulSet') return object;
  const { spec } = object as { spec?: Mutable<StatefulSetSpec> };
  const typed = { kind: 'PersistentVolumeClaim', apiVersion: 'v1' };
  if (spec?.volumeClaimTemplates)
    spec.volumeClaimTemplates = spec.volumeClaimTemplates.map(claim => ({ ...typed, ...claim }));
  return object;
}

/** In the version its registry keeps it in. */
function asKept(object: Mutable<KubeObject>): Mutable<KubeObject> {
  const resource = builtinResources().byKind(object.apiVersion ?? '', object.kind ?? '');
  const version = resource && storedVersion(resource);
  return version ? convertObject(object as KubeObject, version) : object;
}

const typeNameOf = ({ apiVersion = '', kind = '' }: Mutable<KubeObject>): string | undefined =>
  builtinResources().typeNameOf(apiVersion, kind);

const before = new Set(['name', 'generateName', 'namespace', 'selfLink', 'uid']);

/** Built-in kinds have metadata in Kubernetes' order, custom ones sorted. */
function withRevision(object: Mutable<KubeObject>, revision: number, builtin: boolean): Mutable<KubeObject> {
  const from = object.metadata as unknown as Record<string, unknown>;
  const keys = Object.keys(from).filter(key => key !== 'resourceVersion');
  if (!builtin) keys.sort();
  const at = keys.findIndex(key => (builtin ? !before.has(key) : key > 'resourceVersion'));
  keys.splice(at < 0 ? keys.length : at, 0, 'resourceVersion');
  const metadata: Record<string, unknown> = {};
  for (const key of keys) metadata[key] = key === 'resourceVersion' ? String(revision) : from[key];
  object.metadata = metadata as unknown as Mutable<KubeObject>['metadata'];
  return object;
}
