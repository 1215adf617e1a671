// The rules of ResourceClaims and their templates.
import type { Mutable } from '../../meta.ts';
import { IMMUTABLE } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { ResourceClaim, ResourceClaimTemplate } from '../../type/resource-v1.ts';
import { deepEqual } from '../record.ts';
import { dropDeallocated, validateStatus, validateStatusUpdate } from './claim-status.ts';
import { defaultDeviceClaim, SPEC, validateDeviceClaim } from './device-request.ts';
import { dropFromClaim, dropFromStatus } from './disabled.ts';

export const resourceClaimStrategy: Strategy<ResourceClaim> = {
  statusKeeps: 'metadata',
  nameRule: 'dnsSubdomain',
  default(claim) {
    defaultDeviceClaim(claim.spec?.devices);
  },
  prepareForCreate(claim, context) {
    claim.status = {};
    dropFromClaim(claim.spec?.devices, undefined, context);
  },
  prepareForUpdate(claim, old, context) {
    if (context.subresource === '') dropFromClaim(claim.spec?.devices, old.spec?.devices, context);
    else {
      dropFromStatus(claim, old, context);
      dropDeallocated(claim, old);
    }
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
    validateStatusUpdate(now, old, errors);
  },
};

export const resourceClaimTemplateStrategy: Strategy<ResourceClaimTemplate> = {
  nameRule: 'dnsSubdomain',
  default(template) {
    defaultDeviceClaim((template.spec as Mutable<ResourceClaimTemplate['spec']> | undefined)?.spec?.devices);
  },
  prepareForCreate(template, context) {
    dropFromClaim((template.spec as Mutable<ResourceClaimTemplate['spec']>)?.spec?.devices, undefined, context);
  },
  prepareForUpdate(template, old, context) {
    const spec = template.spec as Mutable<ResourceClaimTemplate['spec']>;
    dropFromClaim(spec?.spec?.devices, old.spec?.spec?.devices, context);
  },
  validate(template, errors) {
    validateDeviceClaim(template.spec?.spec?.devices, SPEC.child('spec', 'devices'), errors);
  },
  validateUpdate(now, old, errors) {
    if (!deepEqual(now.spec, old.spec)) errors.invalid(SPEC, now.spec, IMMUTABLE);
  },
};
