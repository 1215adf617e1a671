// The spec of a PersistentVolumeClaim, wherever it stands: on its own, for an ephemeral volume.
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import { isDns1123Label, isDns1123Subdomain } from '../../name-rule.ts';
import type { PersistentVolumeClaimSpec } from '../../type/core-v1.ts';
import { validateLabelSelector } from '../meta.ts';
import { amount } from './resource-name.ts';

const ACCESS_MODES = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];
const VOLUME_MODES = ['Block', 'Filesystem'];

export function validateClaimSpec(spec: PersistentVolumeClaimSpec, at: FieldPath, errors: FieldErrors): void {
  const modes = spec.accessModes ?? [];
  if (modes.length === 0) errors.required(at.child('accessModes'), 'at least 1 access mode is required');
  validateLabelSelector(spec.selector, at.child('selector'), errors);
  for (const mode of modes)
    if (!ACCESS_MODES.includes(mode)) errors.notSupported(at.child('accessModes'), mode, ACCESS_MODES);
  if (modes.includes('ReadWriteOncePod') && modes.some(m => m !== 'ReadWriteOncePod'))
    errors.forbidden(at.child('accessModes'), 'may not use ReadWriteOncePod with other access modes');
  const size = spec.resources?.requests?.storage;
  const storage = at.child('resources').key('storage');
  if (size === undefined) errors.required(storage);
  else if (amount(size).sign <= 0) errors.invalid(storage, size, 'must be greater than zero');
  for (const key of ['storageClassName', 'volumeAttributesClassName'] as const) {
    const name = spec[key];
    if (name) for (const m of isDns1123Subdomain(name)) errors.invalid(at.child(key), name, m);
  }
  if (spec.volumeMode !== undefined && !VOLUME_MODES.includes(spec.volumeMode))
    errors.notSupported(at.child('volumeMode'), spec.volumeMode, VOLUME_MODES);
  validateDataSource(spec, at, errors);
}

function validateDataSource(spec: PersistentVolumeClaimSpec, at: FieldPath, errors: FieldErrors): void {
  for (const key of ['dataSource', 'dataSourceRef'] as const) {
    const source = spec[key];
    if (!source) continue;
    const here = at.child(key);
    if (!source.name) errors.required(here.child('name'));
    if (!source.kind) errors.required(here.child('kind'));
    if (!source.apiGroup && source.kind !== 'PersistentVolumeClaim')
      errors.invalid(here, source.kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
    if (source.apiGroup)
      for (const m of isDns1123Subdomain(source.apiGroup)) errors.invalid(here.child('apiGroup'), source.apiGroup, m);
  }
  const { dataSource, dataSourceRef } = spec;
  const namespace = dataSourceRef?.namespace;
  if (namespace)
    for (const m of isDns1123Label(namespace)) errors.invalid(at.child('dataSourceRef', 'namespace'), namespace, m);
  if (!dataSource || !dataSourceRef) return;
  // Kubernetes shows a path here, and of a path nothing can be seen.
  const wrong = (why: string) => errors.invalid(at, {}, why);
  if (namespace) wrong('may not be specified when dataSourceRef.namespace is specified');
  else if ((['apiGroup', 'kind', 'name'] as const).some(k => (dataSource[k] ?? '') !== (dataSourceRef[k] ?? '')))
    wrong('must match dataSourceRef');
}
