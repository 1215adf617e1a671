// The rules of StorageVersionMigrations.
import { type FieldErrors, path } from '../../field-error.ts';
import { IMMUTABLE, isDns1035Label, isDns1123Subdomain } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { StorageVersionMigration } from '../../type/storagemigration-v1beta1.ts';
import { validateConditions } from '../condition.ts';
import { semanticEqual } from '../record.ts';

const SPEC = path('spec');
const RESOURCE = SPEC.child('resource');
const VERSION = path('status.resourceVersion');
const CONDITIONS = path('status.conditions');
// The words of each end.
const ENDS = [
  ['Succeeded', 'success', 'Success'],
  ['Failed', 'failed', 'Failed'],
] as const;

const has = ({ status }: StorageVersionMigration, type: string): boolean =>
  status?.conditions?.some(c => c.type === type && c.status === 'True') ?? false;

function validateSpec({ spec }: StorageVersionMigration, errors: FieldErrors): void {
  const { group = '', resource = '' } = spec?.resource ?? {};
  const complaints = isDns1035Label(resource);
  if (!resource) errors.required(RESOURCE.child('resource'), 'resource is required to be set');
  else if (complaints.length > 0) errors.invalid(RESOURCE.child('resource'), resource, complaints.join(','));
  const ofGroup = group ? isDns1123Subdomain(group) : [];
  if (ofGroup.length > 0) errors.invalid(RESOURCE.child('group'), group, ofGroup.join(','));
}

/** What has ended stays so, in one way; where it began is kept. */
function validateStatus(now: StorageVersionMigration, old: StorageVersionMigration, errors: FieldErrors): void {
  const { resourceVersion = '', conditions } = now.status ?? {};
  const before = old.status?.resourceVersion ?? '';
  if (resourceVersion && !/^[1-9]\d*$/.test(resourceVersion))
    errors.invalid(VERSION, resourceVersion, `resource version is not well formed: ${resourceVersion}`);
  validateConditions(conditions, CONDITIONS, errors);
  if (before && before !== resourceVersion) errors.invalid(VERSION, resourceVersion, IMMUTABLE);
  const refuse = (why: string) => errors.invalid(CONDITIONS, conditions ?? null, why);
  if (ENDS.every(([type]) => has(now, type)))
    refuse('Both success and failed conditions cannot be true at the same time');
  for (const [type, word] of ENDS)
    if (has(now, type) && has(now, 'Running'))
      refuse(`Running condition cannot be true when ${word} condition is true`);
  for (const [type, , word] of ENDS)
    if (has(old, type) && !has(now, type)) refuse(`${word} condition cannot be set to false once it is true`);
}

export const migrationStrategy: Strategy<StorageVersionMigration> = {
  nameRule: 'dnsSubdomain',
  allowUnconditionalUpdate: false,
  prepareForCreate(migration) {
    migration.status = {};
  },
  validate(migration, errors, { subresource }) {
    if (subresource === '') validateSpec(migration, errors);
  },
  validateUpdate(now, old, errors, { subresource }) {
    if (subresource === 'status') validateStatus(now, old, errors);
    else if (!semanticEqual(now.spec, old.spec)) errors.invalid(SPEC, now.spec, IMMUTABLE);
  },
};
