// The status of ResourceClaims: what they were given, who uses it, what drivers tell of it.
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import { IMMUTABLE } from '../../name-rule.ts';
import type {
  AllocatedDeviceStatus,
  AllocationResult,
  DeviceRequestAllocationResult,
  ResourceClaim,
} from '../../type/resource-v1.ts';
import { validateConditions } from '../condition.ts';
import { isInterfaceAddress } from '../core/interface-address.ts';
import { validateNodeSelector } from '../core/node-selector.ts';
import { deepEqual } from '../record.ts';
import {
  checkDriver,
  checkName,
  checkPool,
  checkSet,
  requestNames,
  validateNames,
  validateOpaque,
} from './device-request.ts';

const STATUS = path('status');
const MAX_RESULTS = 32;
const MAX_CONFIGS = 64;
const MAX_RESERVED = 256;
const MAX_BINDING_CONDITIONS = 4;
const MAX_CONDITIONS = 8;
const MAX_DATA = 10 * 1024;
const MAX_IPS = 16;
const MAX_INTERFACE_NAME = 256;
const MAX_HARDWARE_ADDRESS = 128;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

const noKey = () => undefined;
const idOf = ({ driver, pool, device, shareID }: DeviceRequestAllocationResult | AllocatedDeviceStatus): string =>
  [driver, pool, device, ...(shareID ? [shareID] : [])].join('/');
const idsOf = (allocation: AllocationResult | undefined): ReadonlySet<string> =>
  new Set((allocation?.devices?.results ?? []).map(idOf));

/** What drivers told of devices goes with the devices. */
export function dropDeallocated({ status }: Mutable<ResourceClaim>, old: ResourceClaim): void {
  const before = idsOf(old.status?.allocation);
  if (!status?.devices?.length || before.size === 0) return;
  const now = idsOf(status.allocation as AllocationResult | undefined);
  const kept = status.devices.filter(d => {
    const id = idOf(d as AllocatedDeviceStatus);
    return !before.has(id) || now.has(id);
  });
  if (kept.length) status.devices = kept;
  else delete status.devices;
}

export function validateStatus(claim: ResourceClaim, errors: FieldErrors): void {
  const { allocation, devices } = claim.status ?? {};
  if (allocation) validateAllocation(claim, allocation, STATUS.child('allocation'), errors);
  validateReserved(claim, errors);
  const given = idsOf(allocation);
  const at = STATUS.child('devices');
  checkSet(devices, Number.POSITIVE_INFINITY, at, errors, idOf, (device, p) =>
    validateDevice(device, given, p, errors),
  );
}

function validateAllocation(
  { spec }: ResourceClaim,
  { devices, nodeSelector }: AllocationResult,
  at: FieldPath,
  errors: FieldErrors,
): void {
  const names = requestNames(spec?.devices ?? {});
  checkSet(devices?.results, MAX_RESULTS, at.child('devices', 'results'), errors, noKey, (result, p) =>
    validateResult(result, names, p, errors),
  );
  checkSet(devices?.config, MAX_CONFIGS, at.child('devices', 'config'), errors, noKey, (config, p) => {
    const { source } = config;
    if (!source) errors.required(p.child('source'));
    else if (source !== 'FromClaim' && source !== 'FromClass')
      errors.notSupported(p.child('source'), source, ['FromClaim', 'FromClass']);
    validateNames(config.requests, names, p.child('requests'), errors);
    validateOpaque(config.opaque, p, errors);
  });
  if (nodeSelector) validateNodeSelector(nodeSelector, at.child('nodeSelector'), errors);
}

function validateResult(
  result: DeviceRequestAllocationResult,
  names: ReadonlySet<string>,
  at: FieldPath,
  errors: FieldErrors,
): void {
  if (!names.has(result.request))
    errors.invalid(
      at.child('request'),
      result.request,
      "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'",
    );
  checkDriver(result.driver, at.child('driver'), errors);
  checkPool(result.pool, at.child('pool'), errors);
  checkName(result.device, at.child('device'), errors);
  for (const field of ['bindingConditions', 'bindingFailureConditions'] as const)
    checkSet(result[field], MAX_BINDING_CONDITIONS, at.child(field), errors, noKey, () => {});
  validateShare(result.shareID, at.child('shareID'), errors);
}

function validateShare(shareId: string | undefined, at: FieldPath, errors: FieldErrors): void {
  if (shareId !== undefined && !UUID.test(shareId))
    errors.invalid(
      at,
      shareId,
      'must be a lowercase UUID in 8-4-4-4-12 format (e.g. 123e4567-e89b-12d3-a456-426614174000)',
    );
}

function validateReserved({ status }: ResourceClaim, errors: FieldErrors): void {
  const { allocation, reservedFor } = status ?? {};
  if (!reservedFor?.length) return;
  const at = STATUS.child('reservedFor');
  if (!allocation) errors.forbidden(at, 'may not be specified when `allocated` is not set');
  checkSet(
    reservedFor,
    MAX_RESERVED,
    at,
    errors,
    r => r.uid,
    (consumer, p) => {
      if (!consumer.resource) errors.required(p.child('resource'));
      if (!consumer.name) errors.required(p.child('name'));
      if (!consumer.uid) errors.required(p.child('uid'));
    },
  );
}

function validateDevice(
  device: AllocatedDeviceStatus,
  given: ReadonlySet<string>,
  at: FieldPath,
  errors: FieldErrors,
): void {
  checkDriver(device.driver, at.child('driver'), errors);
  checkPool(device.pool, at.child('pool'), errors);
  checkName(device.device, at.child('device'), errors);
  validateShare(device.shareID, at.child('shareID'), errors);
  if (!given.has(idOf(device))) errors.invalid(at, idOf(device), 'must be an allocated device in the claim');
  const count = device.conditions?.length ?? 0;
  if (count > MAX_CONDITIONS) errors.tooMany(at.child('conditions'), count, MAX_CONDITIONS);
  validateConditions(device.conditions, at.child('conditions'), errors);
  const { data } = device;
  if (data !== undefined && Buffer.byteLength(JSON.stringify(data)) > MAX_DATA)
    errors.tooLong(at.child('data'), MAX_DATA);
  else if (data !== undefined && (typeof data !== 'object' || Array.isArray(data)))
    errors.invalid(at.child('data'), '<value omitted>', 'must be a valid JSON object');
  validateNetwork(device, at.child('networkData'), errors);
}

function validateNetwork({ networkData }: AllocatedDeviceStatus, at: FieldPath, errors: FieldErrors): void {
  const { interfaceName = '', hardwareAddress = '', ips } = networkData ?? {};
  if (Buffer.byteLength(interfaceName) > MAX_INTERFACE_NAME)
    errors.tooLong(at.child('interfaceName'), MAX_INTERFACE_NAME);
  if (Buffer.byteLength(hardwareAddress) > MAX_HARDWARE_ADDRESS)
    errors.tooLong(at.child('hardwareAddress'), MAX_HARDWARE_ADDRESS);
  checkSet(
    ips,
    MAX_IPS,
    at.child('ips'),
    errors,
    ip => ip,
    (ip, p) => {
      for (const m of isInterfaceAddress(ip)) errors.invalid(p, ip, m);
    },
  );
}

/** A claim keeps what it was given until all of it is taken back. */
export function validateStatusUpdate(now: ResourceClaim, old: ResourceClaim, errors: FieldErrors): void {
  const [before, after] = [old.status?.allocation, now.status?.allocation];
  if (before && after && !deepEqual(before, after)) errors.invalid(STATUS.child('allocation'), after, IMMUTABLE);
  if (!now.metadata.deletionTimestamp) return;
  const known = new Set((old.status?.reservedFor ?? []).map(r => r.uid));
  if (now.status?.reservedFor?.some(r => !known.has(r.uid)))
    errors.forbidden(
      STATUS.child('reservedFor'),
      'new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set',
    );
}
