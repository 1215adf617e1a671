// The rules of ResourcePoolStatusRequests.
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import { IMMUTABLE, isLongName, isLongNameCaseless, longerThan, NOT_NEGATIVE } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { PoolStatus, ResourcePoolStatusRequest } from '../../type/resource-v1alpha3.ts';
import { validateConditions } from '../condition.ts';
import { semanticEqual } from '../record.ts';
import { checkName, MAX_POOL_NAME, SPEC } from './device-request.ts';

const STATUS = path('status');
const MAX_POOLS = 1000;
const MAX_CONDITIONS = 10;
const MAX_ERROR = 256;
const COUNTS = ['totalDevices', 'allocatedDevices', 'availableDevices', 'unavailableDevices'] as const;

const checkDriver = (driver: string | undefined, at: FieldPath, errors: FieldErrors) =>
  checkName(driver, at, errors, isLongNameCaseless);

/** As the `k8s-resource-pool-name` of declared rules: what is wrong is told by segment. */
function validatePoolName(name: string, at: FieldPath, errors: FieldErrors): void {
  if (longerThan(name, MAX_POOL_NAME)) errors.tooLong(at, MAX_POOL_NAME);
  for (const [i, part] of name.split('/').entries()) {
    if (part === '') errors.invalid(at, name, `segment ${i}: must not be empty`);
    else for (const m of isLongName(part)) errors.invalid(at, part, `segment ${i}: ${m}`);
  }
}

function validatePool(pool: PoolStatus, at: FieldPath, errors: FieldErrors): void {
  checkDriver(pool.driver, at.child('driver'), errors);
  if (pool.poolName) validatePoolName(pool.poolName, at.child('poolName'), errors);
  else errors.required(at.child('poolName'));
  for (const field of ['generation', ...COUNTS] as const)
    if ((pool[field] ?? 0) < 0) errors.invalid(at.child(field), pool[field], NOT_NEGATIVE);
  const { resourceSliceCount: slices, nodeName, validationError = '' } = pool;
  if (slices !== undefined && slices < 1)
    errors.invalid(at.child('resourceSliceCount'), slices, 'must be greater than or equal to 1');
  if (nodeName !== undefined) for (const m of isLongName(nodeName)) errors.invalid(at.child('nodeName'), nodeName, m);
  if (Buffer.byteLength(validationError) > MAX_ERROR) errors.tooLong(at.child('validationError'), MAX_ERROR);
}

export const poolStatusRequestStrategy: Strategy<ResourcePoolStatusRequest> = {
  nameRule: 'dnsSubdomain',
  allowUnconditionalUpdate: true,
  prepareForCreate(request) {
    delete request.status;
  },
  validate({ spec, status }, errors, { subresource }) {
    if (subresource === 'status') {
      if (!status) return;
      if (status.poolCount === undefined) errors.required(STATUS.child('poolCount'));
      else if (status.poolCount < 0) errors.invalid(STATUS.child('poolCount'), status.poolCount, NOT_NEGATIVE);
      const pools = STATUS.child('pools');
      for (const [i, pool] of (status.pools ?? []).entries()) validatePool(pool, pools.index(i), errors);
      if ((status.pools?.length ?? 0) > MAX_POOLS) errors.tooMany(pools, status.pools!.length, MAX_POOLS);
      const conditions = STATUS.child('conditions');
      const count = status.conditions?.length ?? 0;
      if (count > MAX_CONDITIONS) errors.tooMany(conditions, count, MAX_CONDITIONS);
      validateConditions(status.conditions, conditions, errors);
      return;
    }
    checkDriver(spec?.driver, SPEC.child('driver'), errors);
    if (spec?.poolName !== undefined) validatePoolName(spec.poolName, SPEC.child('poolName'), errors);
    const limit = spec?.limit;
    if (limit !== undefined && limit < 1)
      errors.invalid(SPEC.child('limit'), limit, 'must be greater than or equal to 1');
    if (limit !== undefined && limit > MAX_POOLS)
      errors.invalid(SPEC.child('limit'), limit, `must be less than or equal to ${MAX_POOLS}`);
  },
  validateUpdate(now, old, errors, { subresource }) {
    if (subresource === '' && !semanticEqual(now.spec, old.spec)) errors.invalid(SPEC, now.spec, IMMUTABLE);
    // What was answered once stays.
    if (subresource === 'status' && old.status && !semanticEqual(now.status, old.status))
      errors.invalid(STATUS, now.status, IMMUTABLE);
  },
};
