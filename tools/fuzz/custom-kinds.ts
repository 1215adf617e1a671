// Custom kinds to fuzz with: two that stay, whose schemas use what schemas can say, and definitions with odd schemas.
import { anyValue, type Chance, expressions, fitTexts, oddNumbers, oddTexts } from './chance.ts';

export const customGroup = 'fuzz.example.com';

type Schema = Record<string, unknown>;
const object = (properties: Schema, more: Schema = {}): Schema => ({ type: 'object', properties, ...more });
const text: Schema = { type: 'string' };
const whole: Schema = { type: 'integer', format: 'int32' };
const rules = (...given: (string | Schema)[]): Schema => ({
  'x-kubernetes-validations': given.map(rule => (typeof rule === 'string' ? { rule } : rule)),
});

const spec = object(
  {
    replicas: { ...whole, minimum: 0, maximum: 1000, default: 1 },
    minReplicas: { ...whole, nullable: true, multipleOf: 2 },
    amount: {
      'x-kubernetes-int-or-string': true,
      anyOf: [{ type: 'integer' }, { type: 'string' }],
      pattern: '^[0-9%]+$',
    },
    ratio: { type: 'number', exclusiveMinimum: true, minimum: 0 },
    mode: { ...text, enum: ['On', 'Off'], default: 'On' },
    name: { ...text, minLength: 1, maxLength: 20, pattern: '^[a-z]*$', ...rules("self != 'no'") },
    when: { ...text, format: 'date-time' },
    long: { ...text, format: 'duration' },
    raw: { ...text, format: 'byte' },
    address: { ...text, format: 'ipv4', nullable: true },
    tags: { type: 'array', items: text, 'x-kubernetes-list-type': 'set', maxItems: 8 },
    ports: {
      type: 'array',
      maxItems: 8,
      items: object(
        { name: text, port: { ...whole, default: 80 }, protocol: { ...text, default: 'TCP' } },
        {
          required: ['name'],
          ...rules('self.port > 0 || self.protocol == oldSelf.protocol'),
        },
      ),
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name', 'protocol'],
    },
    labels: { type: 'object', additionalProperties: text, maxProperties: 5, 'x-kubernetes-map-type': 'atomic' },
    limits: { type: 'object', maxProperties: 5, additionalProperties: { type: 'array', maxItems: 5, items: whole } },
    free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true, properties: { kept: whole } },
    any: { 'x-kubernetes-preserve-unknown-fields': true },
    template: { type: 'object', 'x-kubernetes-embedded-resource': true, 'x-kubernetes-preserve-unknown-fields': true },
    one: object({ a: text, b: whole }, { oneOf: [{ required: ['a'] }, { required: ['b'] }], not: { required: ['c'] } }),
    fixed: { ...text, ...rules({ rule: 'self == oldSelf', message: 'stays', reason: 'FieldValueForbidden' }) },
    later: { ...text, ...rules({ rule: 'oldSelf.orValue(self) == self', optionalOldSelf: true, fieldPath: '' }) },
  },
  {
    required: ['replicas'],
    ...rules(
      {
        rule: '!has(self.minReplicas) || self.replicas >= self.minReplicas',
        messageExpression: "'%d'.format([self.replicas])",
      },
      { rule: 'self.replicas == oldSelf.replicas || self.mode == "On"', fieldPath: '.mode', message: 'is off' },
      { rule: '!has(self.limits) || self.limits.all(k, self.limits[k].all(x, x < 100))' },
    ),
  },
);
const status = object({
  replicas: whole,
  selector: text,
  conditions: { type: 'array', items: object({ type: text }) },
});
const widget = object({ spec, status }, rules('self.metadata.name != "no"'));

const named = (plural: string, kind: string, scope: string, versions: Schema[]) => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${plural}.${customGroup}` },
  spec: {
    group: customGroup,
    scope,
    names: { plural, kind, singular: kind.toLowerCase(), shortNames: [plural.slice(0, 2)] },
    versions,
  },
});
const version = (name: string, openAPIV3Schema: Schema, more: Schema = {}): Schema => ({
  ...{ name, served: true, storage: name === 'v1', schema: { openAPIV3Schema } },
  ...more,
});
const withScale = {
  status: {},
  scale: {
    specReplicasPath: '.spec.replicas',
    statusReplicasPath: '.status.replicas',
    labelSelectorPath: '.status.selector',
  },
};
const columns = [
  { name: 'Replicas', type: 'integer', jsonPath: '.spec.replicas' },
  { name: 'Ports', type: 'string', jsonPath: '.spec.ports[*].name' },
  { name: 'When', type: 'date', jsonPath: '.spec.when' },
  { name: 'Free', type: 'string', jsonPath: '.spec.free' },
];

export const definitions = [
  named('widgets', 'Widget', 'Namespaced', [
    version('v1', widget, {
      subresources: withScale,
      additionalPrinterColumns: columns,
      selectableFields: [{ jsonPath: '.spec.mode' }, { jsonPath: '.spec.replicas' }],
    }),
    version('v2', object({ spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } })),
  ]),
  named('gadgets', 'Gadget', 'Cluster', [
    version('v1', { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }),
  ]),
];

/** What a widget's spec may be; most of it fits. */
export function widgetSpec(c: Chance): Record<string, unknown> {
  const made = { replicas: c.below(5) } as Record<string, unknown>;
  for (const [key, schema] of Object.entries(spec.properties as Record<string, Schema>))
    if (c.once(3)) made[key] = c.once(12) ? anyValue(c) : fitting(c, schema, 4);
  return made;
}

/** A value that a schema allows, or nearly. */
export function fitting(c: Chance, schema: Schema, depth: number): unknown {
  if (c.once(25)) return anyValue(c, 2);
  if (Array.isArray(schema.enum) && schema.enum.length) return c.pick(schema.enum);
  switch (schema.type) {
    case 'string':
      return c.once(4)
        ? c.pick(oddTexts)
        : c.pick(['a', 'b', 'abc', '5m', '2026-01-01T00:00:00Z', 'dg==', '192.0.2.1', '80%']);
    case 'integer':
      return c.once(6) ? c.pick(oddNumbers) : c.below(10);
    case 'number':
      return c.once(6) ? c.pick(oddNumbers) : c.below(10) / 4;
    case 'boolean':
      return c.once(2);
    case 'array':
      return Array.from({ length: depth > 0 ? c.below(4) : 0 }, () =>
        fitting(c, (schema.items ?? {}) as Schema, depth - 1),
      );
    case 'object': {
      const made: Record<string, unknown> = {};
      if (depth <= 0) return made;
      if (schema['x-kubernetes-embedded-resource'])
        Object.assign(made, { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' } });
      for (const [key, inner] of Object.entries((schema.properties ?? {}) as Record<string, Schema>))
        if (!c.once(3)) made[key] = fitting(c, inner, depth - 1);
      const extra = schema.additionalProperties;
      if (extra && typeof extra === 'object')
        for (let i = c.below(3); i > 0; i--) made[`${c.pick(oddTexts)}k`] = fitting(c, extra as Schema, depth - 1);
      if (schema['x-kubernetes-preserve-unknown-fields']) made[c.pick(['free', 'length', 'constructor'])] = anyValue(c);
      return made;
    }
    default:
      return anyValue(c, 2);
  }
}

const types = ['string', 'integer', 'number', 'boolean', 'array', 'object', 'object', 'array', 'null', ''];

/** A schema that may be structural. */
export function schemaOf(c: Chance, depth: number): Schema {
  const type = depth <= 0 ? c.pick(types.slice(0, 4)) : c.pick(types);
  const made: Schema = { type };
  if (type === 'object') {
    if (c.once(4)) made.additionalProperties = c.once(8) ? c.once(2) : schemaOf(c, depth - 1);
    else {
      const properties: Schema = {};
      for (let i = c.below(4); i > 0; i--)
        Object.defineProperty(
          properties,
          c.once(5) ? c.pick(oddTexts) : c.pick(['a', 'b', 'spec', 'kind', 'metadata', 'in', 'x-y', 'namespace']),
          {
            ...{ value: schemaOf(c, depth - 1), enumerable: true, configurable: true, writable: true },
          },
        );
      made.properties = properties;
    }
  }
  if (type === 'array' && !c.once(12)) made.items = schemaOf(c, depth - 1);
  for (let i = c.below(3); i > 0; i--) oddKeyword(c, made, depth);
  return made;
}

function oddKeyword(c: Chance, schema: Schema, depth: number): void {
  const number = () => (c.once(3) ? c.pick(oddNumbers) : c.below(5));
  const inner = () => schemaOf(c, Math.min(1, depth - 1));
  const choices: readonly (() => Schema)[] = [
    () => ({ default: c.once(2) ? fitting(c, schema, 2) : anyValue(c) }),
    () => ({ enum: Array.from({ length: c.below(3) }, () => (c.once(2) ? fitting(c, schema, 1) : anyValue(c, 1))) }),
    () => ({ nullable: true }),
    () => ({ [c.pick(['minimum', 'maximum', 'multipleOf'])]: number(), exclusiveMinimum: c.once(3) }),
    () => ({
      [c.pick(['minLength', 'maxLength', 'minItems', 'maxItems', 'minProperties', 'maxProperties'])]: number(),
    }),
    () => ({ pattern: c.pick(['^a+$', '(a+)+$', '[', '(?P<n>a)', '\\p{Greek}', 'a{1001}', '^(?i)x$']) }),
    () => ({
      format: c.pick(['int32', 'int64', 'date-time', 'byte', 'ipv4', 'uuid', 'duration', 'password', '__proto__']),
    }),
    () => ({ required: c.once(3) ? ['a', 'a'] : [c.pick(['a', 'constructor', '__proto__'])] }),
    () => ({ [c.pick(['allOf', 'anyOf', 'oneOf'])]: [inner(), { required: ['b'] }] }),
    () => ({ not: { properties: { a: { enum: [1] } } } }),
    () => ({ 'x-kubernetes-preserve-unknown-fields': !c.once(4) }),
    () => ({ 'x-kubernetes-int-or-string': true }),
    () => ({ 'x-kubernetes-embedded-resource': true }),
    () => ({ 'x-kubernetes-list-type': c.pick(['set', 'map', 'atomic', 'odd']) }),
    () => ({
      'x-kubernetes-list-map-keys': c.once(3) ? [] : [c.pick(['a', 'toString'])],
      'x-kubernetes-list-type': 'map',
    }),
    () => ({ 'x-kubernetes-map-type': c.pick(['granular', 'atomic', 'odd']) }),
    () => ({ $ref: '#/definitions/x' }),
    () => ({ uniqueItems: c.once(2), title: c.pick(oddTexts), description: c.pick(oddTexts), example: anyValue(c) }),
    () => ({ items: [inner(), inner()], additionalItems: c.once(2) }),
    () => ({
      dependencies: { a: ['b'], b: inner() },
      patternProperties: { '^a': inner() },
      definitions: { d: inner() },
    }),
    () => rules(...Array.from({ length: 1 + c.below(2) }, () => celRule(c))),
  ];
  Object.assign(schema, c.pick(choices)());
}

const celRule = (c: Chance): Schema => ({
  rule: c.pick(expressions),
  ...(c.once(4) ? { message: c.pick(oddTexts) } : {}),
  ...(c.once(4) ? { messageExpression: c.pick(expressions) } : {}),
  ...(c.once(4) ? { fieldPath: c.pick(['.a', '.spec.a', "['x-y']", '.a[0]', 'a', '.__proto__', '.']) } : {}),
  ...(c.once(6) ? { optionalOldSelf: c.once(2) } : {}),
  ...(c.once(6) ? { reason: c.pick(['FieldValueInvalid', 'FieldValueRequired', 'Odd']) } : {}),
});

export const oddPlurals = ['ones', 'twos', 'threes'];

/** A definition whose schema nobody thought of. Objects of it are written, too, while it changes. */
export function oddDefinition(c: Chance, plural: string): Record<string, any> {
  const open = c.once(4) ? { 'x-kubernetes-preserve-unknown-fields': true } : {};
  const root = { ...schemaOf(c, 4), ...(c.once(8) ? {} : { type: 'object' }), ...open };
  const more = {
    ...(c.once(3) ? { subresources: c.once(2) ? withScale : { status: {} } } : {}),
    ...(c.once(3)
      ? {
          additionalPrinterColumns: [
            {
              name: c.pick(fitTexts),
              type: c.pick(types.slice(0, 4)),
              jsonPath: c.pick(['.spec.a', '.a[0]', '.a[?(@.b==1)]', '..a', '.metadata', '{']),
            },
          ],
        }
      : {}),
    ...(c.once(4) ? { selectableFields: [{ jsonPath: c.pick(['.spec.a', '.a', '.metadata.name', '.b.c']) }] } : {}),
    ...(c.once(6) ? { deprecated: true, deprecationWarning: c.pick(oddTexts) } : {}),
  };
  const versions = [version('v1', root, more), ...(c.once(3) ? [version('v2beta1', schemaOf(c, 2))] : [])];
  const made: Record<string, any> = named(
    plural,
    plural.charAt(0).toUpperCase() + plural.slice(1, -1),
    plural === 'ones' ? 'Cluster' : 'Namespaced',
    versions,
  );
  if (c.once(4)) made.spec.preserveUnknownFields = c.once(2);
  if (c.once(6))
    made.spec.conversion = {
      strategy: c.pick(['None', 'Webhook', 'Odd']),
      webhook: { conversionReviewVersions: ['v1'], clientConfig: { url: 'https://127.0.0.1:1/x' } },
    };
  return made;
}
