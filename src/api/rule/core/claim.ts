// The rules of PersistentVolumeClaims.
import { type FieldErrors, path } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import { IMMUTABLE } from '../../name-rule.ts';
import type { RuleContext, Strategy } from '../../strategy.ts';
import type { PersistentVolumeClaim, PersistentVolumeClaimSpec } from '../../type/core-v1.ts';
import { diffText } from '../diff.ts';
import { semanticEqual } from '../record.ts';
import { validateClaimSpec } from './claim-spec.ts';
import { amount, validateResourceAmount } from './resource-name.ts';
import { claimWarnings } from './volume-warning.ts';

const SPEC = path('spec');
const STATUS = path('status');
const RESIZES = [
  'ControllerResizeInfeasible',
  'ControllerResizeInProgress',
  'NodeResizeInfeasible',
  'NodeResizeInProgress',
  'NodeResizePending',
];
const CLASS_ANNOTATION = 'volume.beta.kubernetes.io/storage-class';

type Claim = PersistentVolumeClaim;

const isKnownSource = ({ apiGroup, kind }: NonNullable<PersistentVolumeClaimSpec['dataSource']>): boolean =>
  apiGroup ? apiGroup === 'snapshot.storage.k8s.io' && kind === 'VolumeSnapshot' : kind === 'PersistentVolumeClaim';

/** The old name of the source takes claims and snapshots only, and drops others; nothing is taken of other namespaces. */
function dropSources(
  spec: Mutable<PersistentVolumeClaimSpec>,
  old: PersistentVolumeClaimSpec | undefined,
  { featureEnabled }: RuleContext,
): void {
  if (spec.dataSource && !old?.dataSource && !old?.dataSourceRef && !isKnownSource(spec.dataSource))
    delete spec.dataSource;
  if (spec.dataSourceRef?.namespace && !old?.dataSourceRef && !featureEnabled('CrossNamespaceVolumeDataSource'))
    delete spec.dataSourceRef;
}

/** The old and the new name of the source say the same, where the old can. */
function sameSources(spec: Mutable<PersistentVolumeClaimSpec>): void {
  const { dataSource, dataSourceRef } = spec;
  if (dataSource && !dataSourceRef) spec.dataSourceRef = { ...dataSource };
  else if (dataSourceRef && !dataSource && !dataSourceRef.namespace) spec.dataSource = { ...dataSourceRef };
}

function validateUpdate(now: Claim, old: Claim, errors: FieldErrors): void {
  const spec: Record<string, unknown> = { ...now.spec };
  const before: Record<string, unknown> = { ...old.spec };
  // The controller binds it, once.
  if (!old.spec.volumeName) before.volumeName = now.spec.volumeName;
  // The class that became the default later may be filled in.
  const hadClass = old.metadata.annotations?.[CLASS_ANNOTATION];
  if (old.spec.storageClassName === undefined && (hadClass === undefined || hadClass === now.spec.storageClassName))
    before.storageClassName = now.spec.storageClassName;
  if (old.status?.phase === 'Bound') before.resources = resized(now, old);
  before.volumeAttributesClassName = now.spec.volumeAttributesClassName;
  if (!semanticEqual(spec, before))
    errors.forbidden(
      SPEC,
      `spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n${diffText(before, spec)}`,
    );
  validateSize(now, old, errors);
  const annotation = now.metadata.annotations?.[CLASS_ANNOTATION];
  if (annotation !== hadClass && !(annotation === undefined && hadClass === now.spec.storageClassName))
    errors.invalid(path('metadata.annotations').key(CLASS_ANNOTATION), annotation ?? '', IMMUTABLE);
  if (now.spec.volumeMode !== old.spec.volumeMode) errors.invalid(path('volumeMode'), now.spec.volumeMode, IMMUTABLE);
  // A first class that could not be had may be given up; one that is applied may only be exchanged.
  const name = now.spec.volumeAttributesClassName;
  if (
    old.status?.currentVolumeAttributesClassName !== undefined &&
    old.spec.volumeAttributesClassName !== name &&
    !name
  )
    errors.forbidden(
      SPEC.child('volumeAttributesClassName'),
      `update from non-nil value to ${name === undefined ? 'nil' : 'an empty string'} is forbidden`,
    );
}

function resized(now: Claim, old: Claim): Claim['spec']['resources'] {
  const storage = now.spec.resources?.requests?.storage;
  if (storage === undefined) return old.spec.resources;
  return { ...old.spec.resources, requests: { ...old.spec.resources?.requests, storage } };
}

/** Larger, or, to give up a growth that failed, smaller again but more than there is. */
function validateSize(now: Claim, old: Claim, errors: FieldErrors): void {
  const size = amount(now.spec.resources?.requests?.storage);
  if (size.compare(amount(old.spec.resources?.requests?.storage)) >= 0) return;
  if (size.compare(amount(old.status?.capacity?.storage)) <= 0)
    errors.forbidden(SPEC.child('resources', 'requests', 'storage'), 'field can not be less than status.capacity');
}

export const claimStrategy: Strategy<Claim> = {
  nameRule: 'dnsSubdomain',
  default(claim) {
    if (!claim.spec) return;
    claim.spec.volumeMode ??= 'Filesystem';
    claim.status = { ...claim.status, phase: claim.status?.phase || 'Pending' };
  },
  prepareForCreate(claim, context) {
    claim.status = { phase: 'Pending' };
    if (!claim.spec) return;
    dropSources(claim.spec, undefined, context);
    sameSources(claim.spec);
  },
  prepareForUpdate(claim, old, context) {
    if (context.subresource !== '' || !claim.spec) return;
    dropSources(claim.spec, old.spec, context);
    sameSources(claim.spec);
  },
  validate(claim, errors, context) {
    if (context.subresource === 'status') {
      for (const [name, value] of Object.entries(claim.status?.capacity ?? {}))
        validateResourceAmount(name, value, STATUS.child('capacity').key(name), errors);
      for (const [name, value] of Object.entries(claim.status?.allocatedResources ?? {}))
        validateResourceAmount(name, value, STATUS.child('allocatedResources').key(name), errors);
      for (const [name, value] of Object.entries(claim.status?.allocatedResourceStatuses ?? {}))
        if (!RESIZES.includes(value))
          errors.notSupported(STATUS.child('allocatedResourceStatus').key(name), value, RESIZES);
    } else validateClaimSpec(claim.spec, SPEC, errors);
  },
  validateUpdate(now, old, errors, context) {
    if (context.subresource === '') validateUpdate(now, old, errors);
  },
  warnings: (claim, _old, { subresource }) => (subresource === '' ? claimWarnings(claim) : []),
};
