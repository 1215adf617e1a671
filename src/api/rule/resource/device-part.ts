// Parts of devices: counters they share, capacity that is taken in shares, conditions that hold pods back.
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import { isDns1123Label, isQualifiedName } from '../../name-rule.ts';
import { parseQuantity, type Quantity, QuantityError } from '../../quantity.ts';
import type {
  CapacityRequestPolicy,
  CounterSet,
  Device,
  DeviceCapacity,
  DeviceCounterConsumption,
} from '../../type/resource-v1.ts';
import { checkName, checkSet } from './device-request.ts';

const MAX_COUNTER_SETS = 8;
const MAX_COUNTERS = 32;
const MAX_SETS_OF_DEVICE = 2;
const MAX_BINDING_CONDITIONS = 4;
const MAX_VALID_VALUES = 10;

const quantityOf = (text: string | undefined): Quantity | undefined => {
  try {
    return text === undefined ? undefined : parseQuantity(text);
  } catch (error) {
    // What is no quantity has been refused when the object was read.
    if (error instanceof QuantityError) return undefined;
    throw error;
  }
};

export function validateCounterSets(sets: readonly CounterSet[] | undefined, at: FieldPath, errors: FieldErrors): void {
  checkSet(
    sets,
    MAX_COUNTER_SETS,
    at,
    errors,
    s => s.name,
    (s, p) => {
      checkName(s.name, p.child('name'), errors);
      validateCounters(s.counters, p.child('counters'), errors);
    },
  );
}

function validateCounters(counters: CounterSet['counters'] | undefined, at: FieldPath, errors: FieldErrors): void {
  const names = Object.keys(counters ?? {});
  if (names.length === 0) errors.required(at);
  if (names.length > MAX_COUNTERS) errors.tooMany(at, names.length, MAX_COUNTERS);
  for (const name of names) for (const m of isDns1123Label(name)) errors.invalid(at, name, m);
}

export function validateConsumption(
  consumes: readonly DeviceCounterConsumption[] | undefined,
  at: FieldPath,
  errors: FieldErrors,
): void {
  checkSet(
    consumes,
    MAX_SETS_OF_DEVICE,
    at,
    errors,
    c => c.counterSet,
    (c, p) => {
      checkName(c.counterSet, p.child('counterSet'), errors);
      validateCounters(c.counters, p.child('counters'), errors);
    },
  );
}

export function validateBindingConditions(device: Device, at: FieldPath, errors: FieldErrors): void {
  const { bindingConditions: conditions, bindingFailureConditions: failures } = device;
  const check = (list: readonly string[] | undefined, field: FieldPath) =>
    checkSet(
      list,
      MAX_BINDING_CONDITIONS,
      field,
      errors,
      c => c,
      (c, p) => {
        for (const m of isQualifiedName(c)) errors.invalid(p, c, m);
      },
    );
  check(conditions, at.child('bindingConditions'));
  check(failures, at.child('bindingFailureConditions'));
  if (conditions?.length && !failures?.length)
    errors.invalid(
      at.child('bindingFailureConditions'),
      failures,
      'bindingFailureConditions are required to use bindingConditions',
    );
  if (failures?.length && !conditions?.length)
    errors.invalid(
      at.child('bindingConditions'),
      conditions,
      'bindingConditions are required to use bindingFailureConditions',
    );
  for (const [i, c] of (failures ?? []).entries())
    if (conditions?.includes(c))
      errors.invalid(
        at.child('bindingFailureConditions').index(i),
        c,
        'bindingFailureConditions must not overlap with bindingConditions',
      );
}

/** A device that only one may have says nothing of how much others take. */
export function validateCapacity(capacity: DeviceCapacity, shared: boolean, at: FieldPath, errors: FieldErrors): void {
  const { requestPolicy } = capacity;
  if (!requestPolicy) return;
  const field = at.child('requestPolicy');
  if (!shared) {
    errors.forbidden(field, 'allowed only when allowMultipleAllocations is true');
    return;
  }
  const whole = quantityOf(capacity.value);
  if (whole) validatePolicy(requestPolicy, whole, field, errors);
}

function validatePolicy(policy: CapacityRequestPolicy, whole: Quantity, at: FieldPath, errors: FieldErrors): void {
  const { validValues, validRange } = policy;
  const taken = quantityOf(policy.default);
  if (validValues?.length && validRange) {
    errors.forbidden(
      at,
      'exactly one policy can be specified, cannot specify `validValues` and `validRange` at the same time',
    );
    return;
  }
  if (!taken && validValues?.length) errors.required(at.child('default'), 'required when validValues is defined');
  if (!taken && validRange) errors.required(at.child('default'), 'required when validRange is defined');
  const within = (value: Quantity | undefined, field: FieldPath, what: string) => {
    if (value && value.compare(whole) > 0)
      errors.invalid(field, value.toString(), `${what} is larger than capacity value: ${whole}`);
  };
  within(taken, at.child('default'), 'default');
  if (validValues?.length) validateValues(validValues, taken, within, at, errors);
  if (validRange) validateRange(validRange, taken, within, at, errors);
}

type Within = (value: Quantity | undefined, field: FieldPath, what: string) => void;

function validateValues(
  values: readonly string[],
  taken: Quantity | undefined,
  within: Within,
  at: FieldPath,
  errors: FieldErrors,
): void {
  const field = at.child('validValues');
  if (values.length > MAX_VALID_VALUES) errors.tooMany(field, values.length, MAX_VALID_VALUES);
  const all = values.map(quantityOf);
  for (const [i, value] of all.entries()) {
    within(value, field.index(i), 'option');
    const before = i > 0 ? all[i - 1] : undefined;
    if (value && before && before.compare(value) === 0) errors.duplicate(field.index(i), value.toString());
    else if (value && before && before.compare(value) > 0)
      errors.invalid(field.index(i), value.toString(), 'values must be sorted in ascending order');
  }
  if (taken && !all.some(v => v?.equals(taken)))
    errors.invalid(at.child('default'), taken.toString(), 'default value is not valid according to the requestPolicy');
}

function validateRange(
  range: NonNullable<CapacityRequestPolicy['validRange']>,
  taken: Quantity | undefined,
  within: Within,
  at: FieldPath,
  errors: FieldErrors,
): void {
  const field = at.child('validRange');
  const [min, max, step] = [range.min, range.max, range.step].map(quantityOf);
  if (!min) {
    errors.required(field.child('min'), 'required when validRange is defined');
    return;
  }
  within(min, field.child('min'), 'min');
  within(max, field.child('max'), 'max');
  if (max && min.compare(max) > 0) errors.invalid(field.child('min'), min.toString(), `min is larger than max: ${max}`);
  if (taken && (taken.compare(min) < 0 || (max && taken.compare(max) > 0)))
    errors.invalid(at.child('default'), taken.toString(), 'default value is not valid according to the requestPolicy');
  if (!step) return;
  if (step.sign <= 0) {
    errors.invalid(field.child('step'), step.toString(), 'must be greater than zero');
    return;
  }
  const isStep = (value: Quantity) => (value.nano - min.nano) % step.nano === 0n;
  if (max && !isStep(max)) errors.invalid(field.child('max'), max.toString(), `must be a multiple of step: ${step}`);
  if (taken && !isStep(taken))
    errors.invalid(at.child('default'), taken.toString(), `must be a multiple of step: ${step}`);
}
