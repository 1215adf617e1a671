// What ResourceClaims, their templates and DeviceClasses ask of devices.

import { compileDeviceSelector, DEVICE_COST_LIMIT } from '../../cel/device.ts';
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import { isDns1123Label, isDns1123Subdomain, isQualifiedName } from '../../name-rule.ts';
import type {
  CapacityRequirements,
  DeviceClaim,
  DeviceConstraint,
  DeviceRequest,
  DeviceSelector,
  DeviceToleration,
  ExactDeviceRequest,
  OpaqueDeviceConfiguration,
} from '../../type/resource-v1.ts';

const MAX_REQUESTS = 32;
const MAX_SELECTORS = 32;
const MAX_CONFIGS = 32;
const MAX_CONSTRAINTS = 32;
const MAX_SUB_REQUESTS = 8;
const MAX_TOLERATIONS = 16;
const MAX_EXPRESSION = 10 * 1024;
const MAX_PARAMETERS = 10 * 1024;
const MAX_CAPACITIES = 32;
export const MAX_POOL_NAME = 253;

type Asked = Omit<ExactDeviceRequest, 'adminAccess'>;

/** What leaves out how many means one; what tolerates without an operator, an equal value. */
export function defaultDeviceClaim(claim: Mutable<DeviceClaim> | undefined): void {
  for (const request of claim?.requests ?? []) {
    if (request.exactly) defaultAsked(request.exactly);
    for (const sub of request.firstAvailable ?? []) defaultAsked(sub);
  }
}

function defaultAsked(asked: Mutable<Asked>): void {
  asked.allocationMode ||= 'ExactCount';
  if (asked.allocationMode === 'ExactCount') asked.count ||= 1;
  for (const toleration of asked.tolerations ?? []) toleration.operator ||= 'Equal';
}

export function checkName(
  value: string | undefined,
  at: FieldPath,
  errors: FieldErrors,
  rule: (value: string) => readonly string[] = isDns1123Label,
): void {
  if (!value) errors.required(at);
  else for (const m of rule(value)) errors.invalid(at, value, m);
}

/** In letters of any size. */
export function checkDriver(value: string | undefined, at: FieldPath, errors: FieldErrors): void {
  if ((value?.length ?? 0) > 63) errors.tooLong(at, 63);
  checkName(value, at, errors, name => isDns1123Subdomain(name.toLowerCase()));
}

/** Names separated by slashes. */
export function checkPool(name: string | undefined, at: FieldPath, errors: FieldErrors): void {
  if (!name) {
    errors.required(at);
    return;
  }
  if (name.length > MAX_POOL_NAME) errors.tooLong(at, MAX_POOL_NAME);
  for (const part of name.split('/')) for (const m of isDns1123Subdomain(part)) errors.invalid(at, part, m);
}

/** At most `max`, and no two with one key. */
export function checkSet<T>(
  items: readonly T[] | undefined,
  max: number,
  at: FieldPath,
  errors: FieldErrors,
  keyOf: (item: T) => string | undefined,
  check: (item: T, at: FieldPath) => void,
): void {
  const seen = new Set<string>();
  for (const [i, item] of (items ?? []).entries()) {
    check(item, at.index(i));
    const key = keyOf(item);
    if (key === undefined) continue;
    if (seen.has(key)) errors.duplicate(at.index(i), key);
    seen.add(key);
  }
  if (items && items.length > max) errors.tooMany(at, items.length, max);
}

export function validateDeviceClaim(claim: DeviceClaim | undefined, at: FieldPath, errors: FieldErrors): void {
  if (!claim) return;
  checkSet(
    claim.requests,
    MAX_REQUESTS,
    at.child('requests'),
    errors,
    r => r.name,
    (r, p) => validateRequest(r, p, errors),
  );
  const names = requestNames(claim);
  checkSet(claim.constraints, MAX_CONSTRAINTS, at.child('constraints'), errors, noKey, (c, p) =>
    validateConstraint(c, names, p, errors),
  );
  checkSet(claim.config, MAX_CONFIGS, at.child('config'), errors, noKey, (c, p) => {
    validateNames(c.requests, names, p.child('requests'), errors);
    validateOpaque(c.opaque, p, errors);
  });
}

const noKey = () => undefined;

/** Requests, and sub-requests as `request/sub-request`. */
export function requestNames({ requests }: DeviceClaim): ReadonlySet<string> {
  return new Set((requests ?? []).flatMap(r => [r.name, ...(r.firstAvailable ?? []).map(s => `${r.name}/${s.name}`)]));
}

function validateRequest(request: DeviceRequest, at: FieldPath, errors: FieldErrors): void {
  checkName(request.name, at.child('name'), errors);
  const { exactly } = request;
  const firstAvailable = request.firstAvailable ?? [];
  if (exactly && firstAvailable.length > 0)
    errors.invalid(at, null, 'exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set');
  else if (exactly) validateAsked(exactly, at.child('exactly'), errors);
  else if (firstAvailable.length > 0)
    checkSet(
      firstAvailable,
      MAX_SUB_REQUESTS,
      at.child('firstAvailable'),
      errors,
      s => s.name,
      (s, p) => {
        checkName(s.name, p.child('name'), errors);
        validateAsked(s, p, errors);
      },
    );
  else errors.required(at, 'exactly one of `exactly` or `firstAvailable` is required');
}

function validateAsked(asked: Asked, at: FieldPath, errors: FieldErrors): void {
  checkName(asked.deviceClassName, at.child('deviceClassName'), errors, isDns1123Subdomain);
  validateSelectors(asked.selectors, at.child('selectors'), errors);
  const { allocationMode } = asked;
  const count = asked.count ?? 0;
  if (allocationMode === 'All') {
    if (count !== 0) errors.invalid(at.child('count'), count, "must not be specified when allocationMode is 'All'");
  } else if (allocationMode === 'ExactCount') {
    if (count <= 0) errors.invalid(at.child('count'), count, 'must be greater than zero');
  } else errors.notSupported(at.child('allocationMode'), allocationMode, ['All', 'ExactCount']);
  checkSet(asked.tolerations, MAX_TOLERATIONS, at.child('tolerations'), errors, noKey, (t, p) =>
    validateToleration(t, p, errors),
  );
  if (asked.capacity) validateCapacities(asked.capacity, at.child('capacity'), errors);
}

function validateToleration(
  { key, operator, value, effect }: DeviceToleration,
  at: FieldPath,
  errors: FieldErrors,
): void {
  if (key) for (const m of isQualifiedName(key)) errors.invalid(at.child('key'), key, m);
  if (operator === 'Exists') {
    if (value) errors.invalid(at.child('value'), value, 'must be empty for operator `Exists`');
  } else if (operator === 'Equal') {
    if (!key) errors.required(at.child('key'), 'must be set for operator `Equal`');
  } else errors.notSupported(at.child('operator'), operator ?? '', ['Equal', 'Exists']);
  if (effect && !['NoExecute', 'NoSchedule', 'None'].includes(effect))
    errors.notSupported(at.child('effect'), effect, ['NoExecute', 'NoSchedule', 'None']);
}

export function validateSelectors(
  selectors: readonly DeviceSelector[] | undefined,
  at: FieldPath,
  errors: FieldErrors,
): void {
  checkSet(selectors, MAX_SELECTORS, at, errors, noKey, ({ cel }, p) => {
    if (!cel) {
      errors.required(p.child('cel'));
      return;
    }
    const expression = p.child('cel', 'expression');
    if (!cel.expression) errors.required(expression);
    else if (Buffer.byteLength(cel.expression) > MAX_EXPRESSION) errors.tooLong(expression, MAX_EXPRESSION);
    else checkExpression(cel.expression, expression, errors);
  });
}

function checkExpression(expression: string, at: FieldPath, errors: FieldErrors): void {
  const { program, error } = compileDeviceSelector(expression);
  if (!program) errors.invalid(at, expression, error);
  else if (program.estimateCost().max > DEVICE_COST_LIMIT) errors.forbidden(at, 'too complex, exceeds cost limit');
}

/** How much of a device is wanted. */
function validateCapacities({ requests }: CapacityRequirements, at: FieldPath, errors: FieldErrors): void {
  const field = at.child('requests');
  const names = Object.keys(requests ?? {});
  if (names.length > MAX_CAPACITIES) errors.tooMany(field, names.length, MAX_CAPACITIES);
  for (const name of names) checkKey(name, field, errors);
}

function validateConstraint(
  constraint: DeviceConstraint,
  names: ReadonlySet<string>,
  at: FieldPath,
  errors: FieldErrors,
): void {
  validateNames(constraint.requests, names, at.child('requests'), errors);
  const { matchAttribute, distinctAttribute } = constraint;
  if (matchAttribute !== undefined && distinctAttribute !== undefined)
    errors.invalid(
      at,
      '{`matchAttribute`, `distinctAttribute`}',
      'exactly one of `matchAttribute` or `distinctAttribute` is required, but multiple fields are set',
    );
  if (matchAttribute === undefined && distinctAttribute === undefined)
    errors.required(at, 'exactly one of `matchAttribute` or `distinctAttribute` is required');
  if (matchAttribute !== undefined) checkFullKey(matchAttribute, at.child('matchAttribute'), errors);
  if (distinctAttribute !== undefined) checkFullKey(distinctAttribute, at.child('distinctAttribute'), errors);
}

/** `domain/identifier`; without a domain the driver's is meant. */
export function checkKey(name: string, at: FieldPath, errors: FieldErrors): void {
  const parts = name.split('/');
  if (name === '') errors.required(at);
  else if (parts.length > 2)
    errors.invalid(at, name, 'must be a C identifier, optionally with a domain before a slash');
  else {
    const id = parts.at(-1)!;
    if (parts.length === 2) checkName(parts[0], at, errors, isDns1123Subdomain);
    if (id.length > 32) errors.tooLong(at, 32);
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(id))
      errors.invalid(
        at,
        id,
        "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')",
      );
  }
}

function checkFullKey(name: string, at: FieldPath, errors: FieldErrors): void {
  checkKey(name, at, errors);
  if (name && !name.includes('/')) errors.invalid(at, name, 'must include a domain');
}

export function validateNames(
  requests: readonly string[] | undefined,
  names: ReadonlySet<string>,
  at: FieldPath,
  errors: FieldErrors,
): void {
  checkSet(
    requests,
    MAX_REQUESTS,
    at,
    errors,
    r => r,
    (name, p) => {
      if (!names.has(name))
        errors.invalid(
          p,
          name,
          "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'",
        );
    },
  );
}

export function validateOpaque(
  opaque: OpaqueDeviceConfiguration | undefined,
  at: FieldPath,
  errors: FieldErrors,
): void {
  if (!opaque) {
    errors.required(at, 'exactly one of `opaque` is required');
    return;
  }
  const field = at.child('opaque');
  checkDriver(opaque.driver, field.child('driver'), errors);
  const { parameters } = opaque;
  const bytes = parameters === undefined || parameters === null ? 0 : Buffer.byteLength(JSON.stringify(parameters));
  if (bytes === 0) errors.required(field.child('parameters'));
  else if (bytes > MAX_PARAMETERS) errors.tooLong(field.child('parameters'), MAX_PARAMETERS);
  else if (typeof parameters !== 'object' || Array.isArray(parameters))
    errors.invalid(field.child('parameters'), '<value omitted>', 'parameters must be a valid JSON object');
}

export const SPEC = path('spec');
