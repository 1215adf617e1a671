// The rules of LimitRanges.
import { own } from '../../../base/own.ts';
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import { isQualifiedName } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { LimitRange, LimitRangeItem } from '../../type/core-v1.ts';
import { sortedRecord } from '../record.ts';
import { amount, isOvercommitAllowed, validateContainerResourceName, validateResourceName } from './resource-name.ts';

const LIMITS = path('spec.limits');
const TYPES = ['Pod', 'Container', 'PersistentVolumeClaim'];

/** A container's limit is at most the maximum, and its request is its limit, or else the minimum. */
function defaults({ spec }: Mutable<LimitRange>): void {
  for (const item of spec?.limits ?? []) {
    if (item.type !== 'Container') continue;
    const limit = { ...item.max, ...item.default };
    const request = { ...item.min, ...limit, ...item.defaultRequest };
    if (Object.keys(limit).length > 0) item.default = sortedRecord(limit);
    if (Object.keys(request).length > 0) item.defaultRequest = sortedRecord(request);
  }
}

const KEYS = ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const;

function validateType(type: string, at: FieldPath, errors: FieldErrors): void {
  const complaints = isQualifiedName(type);
  for (const m of complaints) errors.invalid(at, type, m);
  if (complaints.length === 0 && !type.includes('/') && !TYPES.includes(type))
    errors.invalid(at, type, 'must be a standard limit type or fully qualified');
}

function validateItem(item: LimitRangeItem, at: FieldPath, errors: FieldErrors): void {
  const fields: readonly (typeof KEYS)[number][] = item.type === 'Pod' ? ['max', 'min', 'maxLimitRequestRatio'] : KEYS;
  const names = new Set<string>();
  for (const field of KEYS) {
    const list = item[field];
    if (item.type === 'Pod' && !fields.includes(field) && list && Object.keys(list).length > 0)
      errors.forbidden(at.child(field), "may not be specified when `type` is 'Pod'");
    for (const name in list) {
      if (!fields.includes(field)) continue;
      const here = at.child(field).key(name);
      if (item.type === 'Pod' || item.type === 'Container') validateContainerResourceName(name, here, errors);
      else validateResourceName(name, here, errors);
      names.add(name);
    }
  }
  if (item.type === 'PersistentVolumeClaim' && item.min?.storage === undefined && item.max?.storage === undefined)
    errors.required(
      at.child('limits'),
      'either minimum or maximum storage value is required, but neither was provided',
    );
  const { default: _, defaultRequest: __, ...rest } = item;
  for (const name of names) validateOrder(item.type === 'Pod' ? rest : item, name, at, errors);
}

function validateOrder(item: LimitRangeItem, name: string, at: FieldPath, errors: FieldErrors): void {
  const check = (
    low: 'min' | 'defaultRequest' | 'default',
    high: 'max' | 'defaultRequest' | 'default',
    lowName: string,
    highName: string,
    field: (typeof KEYS)[number],
    shown: 'min' | 'max' | typeof field = field,
  ) => {
    const [a, b] = [own(item[low], name), own(item[high], name)];
    if (a === undefined || b === undefined || amount(a).compare(amount(b)) <= 0) return;
    errors.invalid(
      at.child(field).key(name),
      own(item[shown], name),
      `${lowName} value ${a} is greater than ${highName} value ${b}`,
    );
  };
  check('min', 'max', 'min', 'max', 'min');
  check('min', 'defaultRequest', 'min', 'default request', 'defaultRequest');
  check('defaultRequest', 'max', 'default request', 'max', 'defaultRequest');
  check('defaultRequest', 'default', 'default request', 'default limit', 'defaultRequest');
  check('min', 'default', 'min', 'default', 'default', 'min');
  check('default', 'max', 'default', 'max', 'default', 'max');
  validateRatio(item, name, at, errors);
  const [limit, request] = [own(item.default, name), own(item.defaultRequest, name)];
  if (limit === undefined || request === undefined || isOvercommitAllowed(name)) return;
  if (amount(limit).compare(amount(request)) !== 0)
    errors.invalid(
      at.child('defaultRequest').key(name),
      request,
      `default value ${limit} must equal to defaultRequest value ${request} in ${name}`,
    );
}

function validateRatio(item: LimitRangeItem, name: string, at: FieldPath, errors: FieldErrors): void {
  const ratio = own(item.maxLimitRequestRatio, name);
  if (ratio === undefined) return;
  const here = at.child('maxLimitRequestRatio').key(name);
  const value = amount(ratio).milliValue();
  if (value < 1000) errors.invalid(here, ratio, `ratio ${ratio} is less than 1`);
  const [max, min] = [own(item.max, name), own(item.min, name)];
  if (max === undefined || min === undefined) return;
  const most = amount(max).milliValue() / amount(min).milliValue();
  if (value / 1000 > most) errors.invalid(here, ratio, `ratio ${ratio} is greater than max/min = ${most.toFixed(6)}`);
}

export const limitRangeStrategy: Strategy<LimitRange> = {
  nameRule: 'dnsSubdomain',
  allowCreateOnUpdate: true,
  default: defaults,
  validate({ spec }, errors) {
    const seen = new Set<string>();
    for (const [i, item] of (spec?.limits ?? []).entries()) {
      const at = LIMITS.index(i);
      validateType(item.type, at.child('type'), errors);
      if (seen.has(item.type)) errors.duplicate(at.child('type'), item.type);
      seen.add(item.type);
      validateItem(item, at, errors);
    }
  },
};
