// Environment of a container.
import { isCanonicalPart } from '../../canonical-part.ts';
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import { isConfigMapKey, isDns1123Label, isDns1123Subdomain, isEnvVarName } from '../../name-rule.ts';
import type { EnvFromSource, EnvVar, EnvVarSource, FileKeySelector } from '../../type/core-v1.ts';
import { ENV_FIELDS, validateFieldSelector, validateResourceFieldSelector } from './pod-field-ref.ts';
import { validateNonReservedPath } from './pod-path.ts';
import type { Volumes } from './pod-volume.ts';

export function validateEnv(
  list: readonly EnvVar[] | undefined,
  volumes: Volumes,
  at: FieldPath,
  errors: FieldErrors,
): void {
  if (!list || sound.has(list)) return;
  const before = errors.list.length;
  let plain = true;
  for (let i = 0; i < list.length; i++) {
    const env = list[i]!;
    if (!env.name) errors.required(at.index(i).child('name'));
    else for (const m of isEnvVarName(env.name)) errors.invalid(at.index(i).child('name'), env.name, m);
    if (!env.valueFrom) continue;
    plain = false;
    validateSource(env, env.valueFrom, volumes, at.index(i).child('valueFrom'), errors);
  }
  if (plain && errors.list.length === before && isCanonicalPart(list)) sound.add(list);
}

// Canonical lists of plain values found to be valid.
const sound = new WeakSet<object>();

function validateSource(env: EnvVar, from: EnvVarSource, volumes: Volumes, at: FieldPath, errors: FieldErrors): void {
  let sources = 0;
  if (from.fieldRef) {
    sources++;
    validateFieldSelector(from.fieldRef, ENV_FIELDS, at.child('fieldRef'), errors);
  }
  if (from.resourceFieldRef) {
    sources++;
    validateResourceFieldSelector(from.resourceFieldRef, false, at.child('resourceFieldRef'), errors);
  }
  for (const kind of ['configMapKeyRef', 'secretKeyRef'] as const) {
    const ref = from[kind];
    if (!ref) continue;
    sources++;
    const here = at.child(kind);
    for (const m of isDns1123Subdomain(ref.name ?? '')) errors.invalid(here.child('name'), ref.name ?? '', m);
    if (!ref.key) errors.required(here.child('key'));
    else for (const m of isConfigMapKey(ref.key)) errors.invalid(here.child('key'), ref.key, m);
  }
  if (from.fileKeyRef) {
    sources++;
    validateFileKey(from.fileKeyRef, volumes, at.child('fileKeyRef'), errors);
  }
  if (sources === 0)
    errors.invalid(
      at,
      '',
      'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
    );
  if (env.value) {
    if (sources > 0) errors.invalid(at, '', 'may not be specified when `value` is not empty');
  } else if (sources > 1) errors.invalid(at, '', 'may not have more than one field specified at a time');
}

function validateFileKey(ref: FileKeySelector, volumes: Volumes, at: FieldPath, errors: FieldErrors): void {
  if (!ref.volumeName) errors.required(at.child('volumeName'));
  else {
    for (const m of isDns1123Label(ref.volumeName)) errors.invalid(at.child('volumeName'), ref.volumeName, m);
    const volume = volumes.get(ref.volumeName);
    if (!volume) errors.notFound(at.child('volumeName'), ref.volumeName);
    else if (!volume.emptyDir)
      errors.invalid(at.child('volumeName'), ref.volumeName, 'referenced volume must be of type emptyDir');
  }
  if (!ref.key) errors.required(at.child('key'));
  else for (const m of isEnvVarName(ref.key)) errors.invalid(at.child('key'), ref.key, m);
  if (!ref.path) errors.required(at.child('path'));
  else validateNonReservedPath(ref.path, at.child('path'), errors);
}

export function validateEnvFrom(list: readonly EnvFromSource[] | undefined, at: FieldPath, errors: FieldErrors): void {
  for (const [i, source] of (list ?? []).entries()) {
    const here = at.index(i);
    if (source.prefix)
      for (const m of isEnvVarName(source.prefix)) errors.invalid(here.child('prefix'), source.prefix, m);
    let sources = 0;
    for (const kind of ['configMapRef', 'secretRef'] as const) {
      const ref = source[kind];
      if (!ref) continue;
      sources++;
      const name = here.child(kind, 'name');
      if (!ref.name) errors.required(name);
      else for (const m of isDns1123Subdomain(ref.name)) errors.invalid(name, ref.name, m);
    }
    if (sources === 0) errors.invalid(at, '', 'must specify one of: `configMapRef` or `secretRef`');
    else if (sources > 1) errors.invalid(at, '', 'may not have more than one field specified at a time');
  }
}
