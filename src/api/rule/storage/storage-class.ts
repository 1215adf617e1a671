// The rules of StorageClasses.
import { type FieldErrors, path } from '../../field-error.ts';
import { IMMUTABLE, isQualifiedName } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { StorageClass } from '../../type/storage-v1.ts';
import { textBytes } from '../core/immutable-data.ts';
import { validateOneOf } from '../core/pod-common.ts';
import { validateLabelName } from '../meta.ts';
import { semanticEqual } from '../record.ts';

const PROVISIONER = path('provisioner');
const PARAMETERS = path('parameters');
const BINDING = path('volumeBindingMode');
const TOPOLOGIES = path('allowedTopologies');
const MAX_PARAMETERS = 512;
const MAX_PARAMETER_BYTES = 256 * 1024;

function validateParameters({ parameters = {} }: StorageClass, errors: FieldErrors): void {
  const keys = Object.keys(parameters);
  if (keys.length > MAX_PARAMETERS) {
    errors.tooLong(PARAMETERS, MAX_PARAMETERS);
    return;
  }
  for (const key of keys) if (key === '') errors.invalid(PARAMETERS, key, 'field can not be empty.');
  const bytes = textBytes(parameters) + textBytes(Object.fromEntries(keys.map((k, i) => [String(i), k])));
  if (bytes > MAX_PARAMETER_BYTES) errors.tooLong(PARAMETERS, MAX_PARAMETER_BYTES);
}

function validateTopologies({ allowedTopologies = [] }: StorageClass, errors: FieldErrors): void {
  for (const [i, { matchLabelExpressions = [] }] of allowedTopologies.entries()) {
    const seen = new Set<string>();
    for (const [j, { key, values }] of matchLabelExpressions.entries()) {
      const at = TOPOLOGIES.index(i).child('matchLabelExpressions').index(j);
      validateLabelName(key, at.child('key'), errors);
      if (seen.has(key)) errors.duplicate(at.child('key'), key);
      seen.add(key);
      if (!values?.length) errors.required(at.child('values'));
      for (const [k, value] of (values ?? []).entries())
        if (values!.indexOf(value) < k) errors.duplicate(at.child('values').index(k), value);
    }
  }
}

export const storageClassStrategy: Strategy<StorageClass> = {
  nameRule: 'dnsSubdomain',
  default(storage) {
    storage.reclaimPolicy ??= 'Delete';
    storage.volumeBindingMode ??= 'Immediate';
  },
  validate(storage, errors) {
    const { provisioner, reclaimPolicy, volumeBindingMode } = storage;
    if (!provisioner) errors.required(PROVISIONER);
    else for (const m of isQualifiedName(provisioner.toLowerCase())) errors.invalid(PROVISIONER, provisioner, m);
    validateParameters(storage, errors);
    validateOneOf(reclaimPolicy, ['Delete', 'Retain'], path('reclaimPolicy'), errors);
    if (volumeBindingMode === undefined) errors.required(BINDING);
    validateOneOf(volumeBindingMode, ['Immediate', 'WaitForFirstConsumer'], BINDING, errors);
    validateTopologies(storage, errors);
  },
  validateUpdate(now, old, errors) {
    for (const field of ['parameters', 'provisioner', 'reclaimPolicy'] as const)
      if (!semanticEqual(now[field], old[field])) errors.forbidden(path(field), `updates to ${field} are forbidden.`);
    if (now.volumeBindingMode !== old.volumeBindingMode) errors.invalid(BINDING, now.volumeBindingMode, IMMUTABLE);
  },
};
