// The rules of StorageClasses.
import { type FieldErrors, path } from '../../field-error.ts';
import { IMMUTABLE, isQualifiedName } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { StorageClass } from '../../type/storage-v1.ts';
import { deprecatedLabel } from '../core/label-warning.ts';
import { validateOneOf } from '../core/pod-common.ts';
import { validateLabelName } from '../meta.ts';
import { semanticEqual } from '../record.ts';
import { validateParameters } from './parameter.ts';

const PROVISIONER = path('provisioner');
const BINDING = path('volumeBindingMode');
const TOPOLOGIES = path('allowedTopologies');

function validateTopologies({ allowedTopologies = [] }: StorageClass, errors: FieldErrors): void {
  const known = new Set<string>();
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
    const text = topologyText(matchLabelExpressions);
    if (known.has(text)) errors.duplicate(TOPOLOGIES.index(i).child('matchLabelExpressions'), '');
    known.add(text);
  }
}

type Requirements = readonly { readonly key: string; readonly values: readonly string[] }[];

/** The same in whatever order the labels and their values stand. */
const topologyText = (list: Requirements): string =>
  JSON.stringify(list.map(r => [r.key, [...(r.values ?? [])].sort()]).sort());

function warnings({ allowedTopologies = [] }: StorageClass): string[] {
  return allowedTopologies.flatMap(({ matchLabelExpressions = [] }, i) =>
    matchLabelExpressions.flatMap(({ key }, j) => {
      const text = deprecatedLabel(key);
      const at = TOPOLOGIES.index(i).child('matchLabelExpressions').index(j).child('key');
      return text ? [`${at}: ${text}`] : [];
    }),
  );
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
    validateParameters(storage.parameters, errors, false);
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
  warnings,
};
