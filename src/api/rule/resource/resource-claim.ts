// The rules of ResourceClaims and their templates.
import { type FieldErrors, path } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import { IMMUTABLE } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { ResourceClaim, ResourceClaimTemplate } from '../../type/resource-v1.ts';
import { deepEqual } from '../record.ts';
import {
  checkDriver,
  checkName,
  checkSet,
  defaultDeviceClaim,
  requestNames,
  SPEC,
  validateDeviceClaim,
} from './device-request.ts';

const STATUS = path('status');
const MAX_RESULTS = 32;
const MAX_RESERVED = 256;

export const resourceClaimStrategy: Strategy<ResourceClaim> = {
  statusKeeps: 'metadata',
  nameRule: 'dnsSubdomain',
  default(claim) {
    defaultDeviceClaim(claim.spec?.devices);
  },
  prepareForCreate(claim) {
    claim.status = {};
  },
  validate(claim, errors, { subresource }) {
    if (subresource === '') validateDeviceClaim(claim.spec?.devices, SPEC.child('devices'), errors);
    else if (subresource === 'status') validateStatus(claim, errors);
  },
  validateUpdate(now, old, errors, { subresource }) {
    if (subresource === '') {
      if (!deepEqual(now.spec, old.spec)) errors.invalid(SPEC, now.spec, IMMUTABLE);
      return;
    }
    const [before, after] = [old.status?.allocation, now.status?.allocation];
    if (before && after && !deepEqual(before, after)) errors.invalid(STATUS.child('allocation'), after, IMMUTABLE);
  },
};

function validateStatus({ metadata, spec, status }: ResourceClaim, errors: FieldErrors): void {
  const { allocation, reservedFor } = status ?? {};
  if (allocation) {
    const at = STATUS.child('allocation', 'devices', 'results');
    const names = requestNames(spec?.devices ?? {});
    checkSet(
      allocation.devices?.results,
      MAX_RESULTS,
      at,
      errors,
      () => undefined,
      (result, p) => {
        if (!names.has(result.request))
          errors.invalid(
            p.child('request'),
            result.request,
            "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'",
          );
        checkDriver(result.driver, p.child('driver'), errors);
        if (!result.pool) errors.required(p.child('pool'));
        checkName(result.device, p.child('device'), errors);
      },
    );
  }
  if (!reservedFor?.length) return;
  const at = STATUS.child('reservedFor');
  if (!allocation) errors.forbidden(at, 'may not be specified when `allocated` is not set');
  else if (metadata.deletionTimestamp && reservedFor.some(r => !r.uid)) errors.required(at);
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

export const resourceClaimTemplateStrategy: Strategy<ResourceClaimTemplate> = {
  nameRule: 'dnsSubdomain',
  default(template) {
    defaultDeviceClaim((template.spec as Mutable<ResourceClaimTemplate['spec']> | undefined)?.spec?.devices);
  },
  validate(template, errors) {
    validateDeviceClaim(template.spec?.spec?.devices, SPEC.child('spec', 'devices'), errors);
  },
  validateUpdate(now, old, errors) {
    if (!deepEqual(now.spec, old.spec)) errors.invalid(SPEC, now.spec, IMMUTABLE);
  },
};
