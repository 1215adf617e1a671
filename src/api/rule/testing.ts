// Runs one kind's rules as the registry does. For tests.
import assert from 'node:assert/strict';
import { FieldErrors, type FieldErrorType } from '../field-error.ts';
import { cloneDeep, type KubeObject } from '../meta.ts';
import { readFacts } from '../resource.ts';
import type { RuleContext, Strategy } from '../strategy.ts';

const gates = new Map(
  readFacts<{ gates?: { n: string; d?: unknown }[] } & Record<string, unknown>>('featuregates.json').gates?.map(g => [
    g.n,
    Boolean(g.d),
  ]),
);

/** A request's context with the feature gates of Kubernetes 1.36 as they are by default. */
export function ruleContext(subresource = '', overrides: Readonly<Record<string, boolean>> = {}): RuleContext {
  return { nowMs: 0, subresource, featureEnabled: gate => overrides[gate] ?? gates.get(gate) ?? false };
}

/** How each reason begins its message. */
const openings: Readonly<Record<FieldErrorType, string>> = {
  FieldValueRequired: 'Required value',
  FieldValueInvalid: 'Invalid value',
  FieldValueNotSupported: 'Unsupported value',
  FieldValueForbidden: 'Forbidden',
  FieldValueTooLong: 'Too long',
  FieldValueTooMany: 'Too many',
  FieldValueDuplicate: 'Duplicate value',
  FieldValueNotFound: 'Not found',
  FieldValueTypeInvalid: 'Invalid value',
  InternalError: 'Internal error',
};

const lines = (errors: FieldErrors): string[] =>
  errors.list.map(({ field, reason, message }) => {
    assert.ok(message.startsWith(openings[reason as FieldErrorType]), `${reason}: ${message}`);
    return (field ? `${field}: ` : '') + message;
  });

/** What is said of names and values whose characters are wrong. */
export const wording = {
  label:
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
  subdomain:
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
  qualified:
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
  labelValue:
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
  configKey:
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
  label1035:
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
} as const;

/** What is said of an object that the defaults of its kind have not completed. */
export function validated<T extends KubeObject>(
  strategy: Strategy<T>,
  object: unknown,
  context: RuleContext = ruleContext(),
): string[] {
  const errors = new FieldErrors();
  strategy.validate?.(object as T, errors, context);
  return lines(errors);
}

/** Objects with one fault each, by its name, and all that is said of them. */
export type Faults = Readonly<Record<string, readonly [object: object, ...told: string[]]>>;

export function checkFaults(faults: Faults, told: (object: object) => readonly string[]): void {
  for (const [name, [object, ...expected]] of Object.entries(faults)) assert.deepEqual(told(object), expected, name);
}

/** What a create makes of an object, and what is wrong with it. */
export function create<T extends KubeObject>(
  strategy: Strategy<T>,
  object: unknown,
  context: RuleContext = ruleContext(),
): { readonly object: T; readonly errors: string[] } {
  const draft = cloneDeep(object as T);
  strategy.default?.(draft);
  strategy.prepareForCreate?.(draft, context);
  const errors = new FieldErrors();
  strategy.validate?.(draft as T, errors, context);
  return { object: draft as T, errors: lines(errors) };
}

/** What an update makes of an object that `old` (already created) becomes. */
export function update<T extends KubeObject>(
  strategy: Strategy<T>,
  object: unknown,
  old: T,
  context: RuleContext = ruleContext(),
): { readonly object: T; readonly errors: string[] } {
  const draft = cloneDeep(object as T);
  strategy.default?.(draft);
  strategy.prepareForUpdate?.(draft, old, context);
  const errors = new FieldErrors();
  strategy.validate?.(draft as T, errors, { ...context, old });
  strategy.validateUpdate?.(draft as T, old, errors, context);
  return { object: draft as T, errors: lines(errors) };
}
