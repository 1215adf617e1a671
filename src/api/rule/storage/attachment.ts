// The rules of VolumeAttachments, CSINodes, CSIStorageCapacities and VolumeAttributesClasses.
import { type FieldErrors, path } from '../../field-error.ts';
import { IMMUTABLE, isDns1123Subdomain } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type {
  CSINode,
  CSINodeDriver,
  CSIStorageCapacity,
  VolumeAttachment,
  VolumeAttributesClass,
} from '../../type/storage-v1.ts';
import { validateNonNegative } from '../amount-or-percent.ts';
import { labelSelectorWarnings } from '../core/label-warning.ts';
import { validateCsiDriverName } from '../core/pod-volume.ts';
import { amount } from '../core/resource-name.ts';
import { validateInlineVolumeSpec } from '../core/volume-spec.ts';
import { validateLabelName, validateLabelSelector } from '../meta.ts';
import { semanticEqual } from '../record.ts';
import { recordBytes, validateParameters } from './parameter.ts';

const SPEC = path('spec');
const DRIVERS = path('spec.drivers');
const STATUS = path('status');
const MAX_NODE_ID_BYTES = 256;
const MAX_METADATA_BYTES = 256 * 1024;
const MAX_ERROR_BYTES = 1024;

function validateAttachmentStatus(status: VolumeAttachment['status'] | undefined, errors: FieldErrors): void {
  const { attachmentMetadata = {} } = status ?? {};
  const at = STATUS.child('attachmentMetadata');
  if (recordBytes(attachmentMetadata) > MAX_METADATA_BYTES) errors.tooLong(at, MAX_METADATA_BYTES);
  for (const field of ['attachError', 'detachError'] as const)
    if (Buffer.byteLength(status?.[field]?.message ?? '') > MAX_ERROR_BYTES)
      errors.tooLong(STATUS.child(field, 'message'), MAX_ERROR_BYTES);
}

export const volumeAttachmentStrategy: Strategy<VolumeAttachment> = {
  statusKeeps: 'metadata',
  nameRule: 'dnsSubdomain',
  allowUnconditionalUpdate: false,
  prepareForCreate(attachment) {
    attachment.status = { attached: false };
  },
  validate({ spec, status }, errors, context) {
    if (context.subresource === 'status') validateAttachmentStatus(status, errors);
    if (context.subresource !== '' || !spec) return;
    validateCsiDriverName(spec.attacher, SPEC.child('attacher'), errors);
    const source = SPEC.child('source');
    const { inlineVolumeSpec: inline, persistentVolumeName: name } = spec.source ?? {};
    if (!inline && name === undefined)
      errors.required(source, 'must specify exactly one of inlineVolumeSpec and persistentVolumeName');
    else if (inline && name !== undefined)
      errors.forbidden(source, 'must specify exactly one of inlineVolumeSpec and persistentVolumeName');
    else if (name === '')
      errors.required(source.child('persistentVolumeName'), 'must specify non empty persistentVolumeName');
    if (inline) validateInlineVolumeSpec(inline, source.child('inlineVolumeSpec'), errors);
    if (name) for (const m of isDns1123Subdomain(name)) errors.invalid(source.child('persistentVolumeName'), name, m);
    for (const m of isDns1123Subdomain(spec.nodeName)) errors.invalid(SPEC.child('nodeName'), spec.nodeName, m);
  },
  validateUpdate(now, old, errors, context) {
    if (context.subresource === '' && !semanticEqual(now.spec, old.spec)) errors.invalid(SPEC, now.spec, IMMUTABLE);
  },
};

function validateDriver(driver: CSINodeDriver, at: ReturnType<typeof path>, errors: FieldErrors): void {
  validateCsiDriverName(driver.name, at.child('name'), errors);
  const { nodeID, allocatable } = driver;
  // Always written, and null when empty.
  const topologyKeys = driver.topologyKeys ?? [];
  if (!nodeID) errors.required(at.child('nodeID'), nodeID);
  else if (nodeID.length > MAX_NODE_ID_BYTES)
    errors.invalid(at.child('nodeID'), nodeID, `must be ${MAX_NODE_ID_BYTES} characters or less`);
  validateNonNegative(allocatable?.count, at.child('allocatable', 'count'), errors);
  for (const [i, key] of topologyKeys.entries()) {
    if (!key) errors.required(at.child('topologyKeys'), key);
    else validateLabelName(key, at.child('topologyKeys'), errors);
    if (topologyKeys.indexOf(key) < i) errors.duplicate(at.child('topologyKeys'), key);
  }
}

export const csiNodeStrategy: Strategy<CSINode> = {
  nameRule: 'dnsSubdomain',
  allowUnconditionalUpdate: false,
  validate({ spec }, errors) {
    const seen = new Set<string>();
    for (const [i, driver] of (spec?.drivers ?? []).entries()) {
      const at = DRIVERS.index(i);
      validateDriver(driver, at, errors);
      if (seen.has(driver.name)) errors.duplicate(at.child('name'), driver.name);
      seen.add(driver.name);
    }
  },
  validateUpdate(now, old, errors, context) {
    const before = new Map((old.spec?.drivers ?? []).map(d => [d.name, d]));
    const mutable = context.featureEnabled('MutableCSINodeAllocatableCount');
    for (const driver of now.spec?.drivers ?? []) {
      const was = before.get(driver.name);
      if (!was) continue;
      // What a node can hold may turn out otherwise; the rest of a driver may only come and go.
      const { allocatable: _, ...rest } = driver;
      const { allocatable: __, ...wasRest } = was;
      if (!semanticEqual(mutable ? rest : driver, mutable ? wasRest : was))
        errors.invalid(path('CSINodeDriver'), driver, IMMUTABLE);
    }
  },
};

export const csiStorageCapacityStrategy: Strategy<CSIStorageCapacity> = {
  nameRule: 'dnsSubdomain',
  allowUnconditionalUpdate: false,
  validate({ storageClassName: name, nodeTopology, capacity, maximumVolumeSize }, errors) {
    validateLabelSelector(nodeTopology, path('nodeTopology'), errors);
    for (const m of isDns1123Subdomain(name ?? '')) errors.invalid(path('storageClassName'), name, m);
    for (const [field, value] of Object.entries({ capacity, maximumVolumeSize }))
      if (value !== undefined && amount(value).sign < 0)
        errors.invalid(path(field), value, 'must be greater than or equal to 0');
  },
  validateUpdate(now, old, errors) {
    for (const field of ['nodeTopology', 'storageClassName'] as const)
      if (!semanticEqual(now[field], old[field])) errors.invalid(path(field), now[field], IMMUTABLE);
  },
  warnings: ({ nodeTopology }) => labelSelectorWarnings(nodeTopology ?? {}, path('nodeTopology')),
};

export const volumeAttributesClassStrategy: Strategy<VolumeAttributesClass> = {
  nameRule: 'dnsSubdomain',
  validate(attributes, errors) {
    validateCsiDriverName(attributes.driverName, path('driverName'), errors);
    validateParameters(attributes.parameters, errors, true);
  },
  validateUpdate(now, old, errors) {
    if (now.driverName !== old.driverName) errors.forbidden(path('driverName'), 'updates to driverName are forbidden.');
    if (!semanticEqual(now.parameters, old.parameters))
      errors.forbidden(path('parameters'), 'updates to parameters are forbidden.');
  },
};
