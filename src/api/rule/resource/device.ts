// The rules of DeviceClasses and ResourceSlices.
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import { IMMUTABLE, isDns1123Subdomain } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { Device, DeviceAttribute, DeviceClass, ResourceSlice } from '../../type/resource-v1.ts';
import { validateNodeSelector } from '../core/node-selector.ts';
import { isExtendedResource } from '../core/resource-name.ts';
import {
  validateBindingConditions,
  validateCapacity,
  validateConsumption,
  validateCounterSets,
} from './device-part.ts';
import {
  checkDriver,
  checkKey,
  checkName,
  checkPool,
  checkSet,
  SPEC,
  validateOpaque,
  validateSelectors,
} from './device-request.ts';
import { stampTaints, validateTaint } from './device-taint.ts';
import { dropFromClass, dropFromSlice } from './disabled.ts';

const MAX_CONFIGS = 32;
const MAX_DEVICES = 128;
// With taints or shared counters a device takes more work.
const MAX_DEVICES_TAINTED = 64;
const MAX_ATTRIBUTES = 32;
const MAX_TAINTS = 16;
const MAX_ATTRIBUTE_BYTES = 64;

export const deviceClassStrategy: Strategy<DeviceClass> = {
  nameRule: 'dnsSubdomain',
  allowUnconditionalUpdate: true,
  prepareForCreate: (now, context) => dropFromClass(now, undefined, context),
  prepareForUpdate: dropFromClass,
  validate({ spec }, errors) {
    validateSelectors(spec?.selectors, SPEC.child('selectors'), errors);
    checkSet(
      spec?.config,
      MAX_CONFIGS,
      SPEC.child('config'),
      errors,
      () => undefined,
      (c, p) => validateOpaque(c.opaque, p, errors),
    );
    const { extendedResourceName: name } = spec ?? {};
    if (name !== undefined && !isExtendedResource(name))
      errors.invalid(SPEC.child('extendedResourceName'), name, 'must be a valid extended resource name');
  },
};

export const resourceSliceStrategy: Strategy<ResourceSlice> = {
  nameRule: 'dnsSubdomain',
  allowUnconditionalUpdate: true,
  prepareForCreate(now, context) {
    dropFromSlice(now, undefined, context);
    for (const device of now.spec?.devices ?? []) stampTaints(device.taints, context.nowMs);
  },
  prepareForUpdate(now, old, context) {
    dropFromSlice(now, old, context);
    for (const device of now.spec?.devices ?? []) stampTaints(device.taints, context.nowMs);
  },
  validate({ spec }, errors) {
    if (!spec) return;
    checkDriver(spec.driver, SPEC.child('driver'), errors);
    validatePool(spec, errors);
    validatePlace(spec, SPEC, ['nodeName', 'nodeSelector', 'allNodes', 'perDeviceNodeSelection'], true, errors);
    if (spec.devices?.length && spec.sharedCounters?.length)
      errors.invalid(
        SPEC,
        '{`devices`, `sharedCounters`}',
        'only one of `devices` or `sharedCounters` is allowed, but multiple fields are set',
      );
    validateCounterSets(spec.sharedCounters, SPEC.child('sharedCounters'), errors);
    const heavy = spec.devices?.some(d => d.taints?.length || d.consumesCounters?.length);
    checkSet(
      spec.devices,
      heavy ? MAX_DEVICES_TAINTED : MAX_DEVICES,
      SPEC.child('devices'),
      errors,
      d => d.name,
      (d, p) => validateDevice(d, spec.perDeviceNodeSelection === true, p, errors),
    );
  },
  validateUpdate(now, old, errors) {
    const same = (field: 'driver' | 'nodeName') => {
      if (now.spec?.[field] !== old.spec?.[field]) errors.invalid(SPEC.child(field), now.spec?.[field], IMMUTABLE);
    };
    same('driver');
    same('nodeName');
    if (now.spec?.pool?.name !== old.spec?.pool?.name)
      errors.invalid(SPEC.child('pool', 'name'), now.spec?.pool?.name, IMMUTABLE);
  },
};

function validatePool({ pool }: ResourceSlice['spec'], errors: FieldErrors): void {
  const at = SPEC.child('pool');
  const resourceSliceCount = pool?.resourceSliceCount ?? 0;
  const generation = pool?.generation ?? 0;
  checkPool(pool?.name, at.child('name'), errors);
  if (resourceSliceCount <= 0)
    errors.invalid(at.child('resourceSliceCount'), resourceSliceCount, 'must be greater than zero');
  if (generation < 0) errors.invalid(at.child('generation'), generation, 'must be greater than or equal to zero');
}

type Place = Pick<ResourceSlice['spec'], 'nodeName' | 'nodeSelector' | 'allNodes' | 'perDeviceNodeSelection'>;

function validatePlace(
  place: Place,
  at: FieldPath,
  fields: readonly (keyof Place)[],
  needed: boolean,
  errors: FieldErrors,
): void {
  const set = fields.filter(f => place[f] !== undefined && place[f] !== '' && place[f] !== false);
  const list = fields.map(f => `\`${f}\``).join(', ');
  if (set.length > 1)
    errors.invalid(
      at,
      `{${set.map(f => `\`${f}\``).join(', ')}}`,
      `exactly one of ${list} is required, but multiple fields are set`,
    );
  else if (set.length === 0 && needed) errors.required(at, `exactly one of ${list} is required`);
  if (place.nodeName) checkName(place.nodeName, at.child('nodeName'), errors, isDns1123Subdomain);
  if (place.nodeSelector) {
    const selector = at.child('nodeSelector');
    validateNodeSelector(place.nodeSelector, selector, errors);
    if (place.nodeSelector.nodeSelectorTerms?.length !== 1)
      errors.invalid(
        selector.child('nodeSelectorTerms'),
        place.nodeSelector.nodeSelectorTerms,
        'must have exactly one node selector term',
      );
  }
}

function validateDevice(device: Device, placedAlone: boolean, at: FieldPath, errors: FieldErrors): void {
  checkName(device.name, at.child('name'), errors);
  const attributes = Object.entries(device.attributes ?? {});
  const capacities = Object.entries(device.capacity ?? {});
  for (const [name, attribute] of attributes) {
    checkKey(name, at.child('attributes'), errors);
    validateAttribute(attribute, at.child('attributes').key(name), errors);
  }
  for (const [name, capacity] of capacities) {
    checkKey(name, at.child('capacity'), errors);
    validateCapacity(capacity, device.allowMultipleAllocations === true, at.child('capacity').key(name), errors);
  }
  validateConsumption(device.consumesCounters, at.child('consumesCounters'), errors);
  validateBindingConditions(device, at, errors);
  const total = attributes.length + capacities.length;
  if (total > MAX_ATTRIBUTES)
    errors.invalid(at, total, `the total number of attributes and capacities must not exceed ${MAX_ATTRIBUTES}`);
  checkSet(
    device.taints,
    MAX_TAINTS,
    at.child('taints'),
    errors,
    () => undefined,
    (t, p) => validateTaint(t, p, errors),
  );
  if (placedAlone) validatePlace(device, at, ['nodeName', 'nodeSelector', 'allNodes'], true, errors);
  else
    for (const field of ['nodeName', 'nodeSelector', 'allNodes'] as const)
      if (device[field] !== undefined)
        errors.invalid(
          at.child(field),
          device[field],
          `\`${field}\` can only be set if \`spec.perDeviceNodeSelection\` is set to true`,
        );
}

function validateAttribute(attribute: DeviceAttribute, at: FieldPath, errors: FieldErrors): void {
  const set = Object.values(attribute).filter(v => v !== undefined).length;
  if (set === 0) errors.required(at, 'exactly one value must be specified');
  else if (set > 1) errors.invalid(at, attribute, 'exactly one value must be specified');
  for (const field of ['string', 'version'] as const)
    if (Buffer.byteLength(attribute[field] ?? '') > MAX_ATTRIBUTE_BYTES)
      errors.tooLong(at.child(field), MAX_ATTRIBUTE_BYTES);
  const semver =
    /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$/;
  if (attribute.version !== undefined && !semver.test(attribute.version))
    errors.invalid(at.child('version'), attribute.version, 'must be a string compatible with semver.org spec 2.0.0');
}
