import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FieldErrors, path } from '../field-error.ts';
import { cloneDeep } from '../meta.ts';
import type { Plain } from '../patch/plain.ts';
import type { JSONSchemaProps } from '../type/apiextensions-v1.ts';
import { validateRules } from './cel-rule.ts';
import { applyStructuralDefaults } from './default.ts';
import { parseJsonPath } from './json-path.ts';
import { validateListTypes } from './list-type.ts';
import { prune } from './prune.ts';
import { shapeOfStructural } from './shape.ts';
import { compileStructural } from './structural.ts';
import { validateSchema } from './structural-rule.ts';
import { compileValidator } from './value-rule.ts';

const object = (properties: Record<string, JSONSchemaProps>, more: JSONSchemaProps = {}): JSONSchemaProps => ({
  type: 'object',
  properties,
  ...more,
});
const spec = (properties: Record<string, JSONSchemaProps>, more: JSONSchemaProps = {}) =>
  object({ spec: object(properties, more) });

function lines(errors: FieldErrors): string[] {
  return errors.list.map(e => `${e.field}: ${e.message}`);
}

function validate(schema: JSONSchemaProps, value: unknown, old?: unknown): string[] {
  const errors = new FieldErrors();
  compileValidator(schema).validate(value, undefined, old === undefined ? undefined : { value: old }, errors);
  return lines(errors);
}

test('prunes what the schema does not name, and tells the paths', () => {
  const schema = compileStructural(
    spec({
      known: { type: 'string' },
      list: { type: 'array', items: object({ a: { type: 'string' } }) },
      map: { type: 'object', additionalProperties: object({ a: { type: 'string' } }) },
      open: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true, properties: { in: object({}) } },
      pod: { type: 'object', 'x-kubernetes-embedded-resource': true, properties: { spec: { type: 'object' } } },
    }),
  );
  const value = {
    apiVersion: 'g/v1',
    kind: 'K',
    metadata: { name: 'x', labels: { any: 'thing' } },
    extra: 1,
    spec: {
      known: 'a',
      other: 1,
      list: [{ a: 'b', c: 1 }, { d: { e: 1 } }],
      map: { k: { a: 'b', z: 1 } },
      open: { anything: { goes: 1 }, in: { gone: 1 } },
      pod: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: { gone: 1 }, status: {} },
    },
  };
  const unknown: string[] = [];
  prune(schema, value, unknown);
  assert.deepEqual(unknown, [
    'extra',
    'spec.other',
    'spec.list[0].c',
    'spec.list[1].d',
    'spec.map.k.z',
    'spec.open.in.gone',
    'spec.pod.spec.gone',
    'spec.pod.status',
  ]);
  assert.deepEqual(value.spec, {
    known: 'a',
    list: [{ a: 'b' }, {}],
    map: { k: { a: 'b' } },
    open: { anything: { goes: 1 }, in: {} },
    pod: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: {} },
  } as unknown);
});

test('fills in defaults for what is absent and for nulls that may not be', () => {
  const schema = compileStructural(
    spec({
      a: { type: 'string', default: 'A' },
      n: { type: 'string', default: 'N', nullable: true },
      bare: { type: 'string' },
      deep: object({ b: { type: 'integer', default: 2 } }, { default: {} }),
      list: { type: 'array', items: object({ c: { type: 'string', default: 'C' } }) },
    }),
  );
  const given = { spec: { a: null, n: null, bare: null, list: [{}, { c: 'own' }] } };
  applyStructuralDefaults(schema, given);
  assert.deepEqual(given, { spec: { a: 'A', n: null, deep: { b: 2 }, list: [{ c: 'C' }, { c: 'own' }] } });
  const nothing = {};
  applyStructuralDefaults(schema, nothing);
  assert.deepEqual(nothing, {}, 'a default below what is absent does not make it');
});

test('defaulting and pruning twice is as once', () => {
  const leaf = fc.constantFrom<JSONSchemaProps>(
    { type: 'string', default: 'd' },
    { type: 'integer' },
    { type: 'string', nullable: true },
  );
  const { schema } = fc.letrec<{ schema: JSONSchemaProps }>(tie => ({
    schema: fc.oneof(
      { maxDepth: 3 },
      leaf,
      fc.record({ a: tie('schema'), b: tie('schema') }).map(p => object(p, { default: {} })),
      tie('schema').map((items): JSONSchemaProps => ({ type: 'array', items })),
      tie('schema').map((value): JSONSchemaProps => ({ type: 'object', additionalProperties: value })),
    ),
  }));
  const json = fc.jsonValue({ maxDepth: 4 });
  fc.assert(
    fc.property(schema, fc.dictionary(fc.constantFrom('a', 'b', 'c'), json), (inner, value) => {
      const s = compileStructural(object({ a: inner, b: inner }));
      const once = cloneDeep(value) as Plain;
      prune(s, once);
      applyStructuralDefaults(s, once);
      const twice = cloneDeep(once) as Plain;
      const unknown: string[] = [];
      prune(s, twice, unknown);
      applyStructuralDefaults(s, twice);
      assert.deepEqual(twice, once);
      assert.deepEqual(unknown, []);
    }),
  );
});

test('words complaints about values as Kubernetes does', () => {
  const schema = spec(
    {
      cron: { type: 'string', pattern: '^\\d+$' },
      replicas: { type: 'integer', minimum: 1, maximum: 10 },
      ratio: { type: 'number', multipleOf: 0.5, exclusiveMaximum: true, maximum: 1_000_000.5 },
      count: { type: 'number', multipleOf: 0.5, maximum: 1_000_000 },
      mode: { type: 'string', enum: ['a', 'b'] },
      size: { type: 'string', maxLength: 3, minLength: 2 },
      list: { type: 'array', maxItems: 1, items: { type: 'string' } },
      port: { 'x-kubernetes-int-or-string': true },
      at: { type: 'string', format: 'date-time' },
    },
    { required: ['cron'] },
  );
  const check = (value: unknown) => validate(schema, { spec: value });
  assert.deepEqual(check({ cron: '5', replicas: 3, ratio: 1.5, mode: 'a', list: ['x'], port: 'http' }), []);
  assert.deepEqual(check({}), ['spec.cron: Required value']);
  assert.deepEqual(check({ cron: 'x' }), [`spec.cron: Invalid value: "x": spec.cron in body should match '^\\d+$'`]);
  assert.deepEqual(check({ cron: 5 }), [
    'spec.cron: Invalid value: "integer": spec.cron in body must be of type string: "integer"',
  ]);
  assert.deepEqual(check({ cron: '1', replicas: 15 }), [
    'spec.replicas: Invalid value: 15: spec.replicas in body should be less than or equal to 10',
  ]);
  assert.deepEqual(check({ cron: '1', replicas: 0 }), [
    'spec.replicas: Invalid value: 0: spec.replicas in body should be greater than or equal to 1',
  ]);
  assert.deepEqual(check({ cron: '1', ratio: 0.3 }), [
    'spec.ratio: Invalid value: 0.3: spec.ratio in body should be a multiple of 0.5',
  ]);
  assert.deepEqual(check({ cron: '1', ratio: 1_000_000.5 }), [
    'spec.ratio: Invalid value: 1.0000005e+06: spec.ratio in body should be less than 1.0000005e+06',
  ]);
  // A whole number is held against whole numbers.
  assert.deepEqual(check({ cron: '1', count: 1_000_001 }), [
    'spec.count: Invalid value: 0: factor MultipleOf declared for spec.count must be positive: 0',
    'spec.count: Invalid value: 1000001: spec.count in body should be less than or equal to 1000000',
  ]);
  // Nor is one that JavaScript has no number for a fault of ours.
  assert.deepEqual(
    validate(spec({ n: { type: 'integer', multipleOf: 0.5 } }), { spec: { n: 9_007_199_254_740_993n } }),
    ['spec.n: Invalid value: 9007199254740993: spec.n in body should be a multiple of 0.5'],
  );
  assert.deepEqual(check({ cron: '1', mode: 'c' }), ['spec.mode: Unsupported value: "c": supported values: "a", "b"']);
  assert.deepEqual(check({ cron: '1', size: 'abcd' }), ['spec.size: Too long: may not be more than 3 bytes']);
  assert.deepEqual(check({ cron: '1', size: 'a' }), [
    'spec.size: Invalid value: "a": spec.size in body should be at least 2 chars long',
  ]);
  assert.deepEqual(check({ cron: '1', list: ['a', 1] }), [
    'spec.list[1]: Invalid value: "integer": spec.list[1] in body must be of type string: "integer"',
    'spec.list: Too many: 2: must have at most 1 item',
  ]);
  assert.deepEqual(check({ cron: '1', port: true }), [
    'spec.port: Invalid value: "boolean": spec.port in body must be of type integer,string: "boolean"',
  ]);
  assert.deepEqual(check({ cron: '1', at: 'noon' }), [
    'spec.at: Invalid value: "noon": spec.at in body must be of type date-time: "noon"',
  ]);
});

test('composites complain as a whole, with the nearest miss', () => {
  const schema = spec(
    { a: { type: 'string' }, b: { type: 'string' } },
    { oneOf: [{ required: ['a'] }, { required: ['b'] }] },
  );
  assert.deepEqual(validate(schema, { spec: { a: 'x' } }), []);
  assert.deepEqual(validate(schema, { spec: { a: 'x', b: 'y' } }), [
    '<nil>: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found 2 valid alternatives',
  ]);
  assert.deepEqual(validate(schema, { spec: {} }), [
    '<nil>: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found none valid',
    'spec.a: Required value',
  ]);
  const not = spec({ a: { type: 'string', not: { pattern: '^x' } } });
  assert.deepEqual(validate(not, { spec: { a: 'x' } }), [
    '<nil>: Invalid value: "": "spec.a" must not validate the schema (not)',
  ]);
});

test('does not hold against an update what has not changed', () => {
  const schema = spec({
    mode: { type: 'string', enum: ['a'] },
    other: { type: 'string' },
    list: {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
      items: object({ name: { type: 'string' }, n: { type: 'integer', maximum: 1 } }),
    },
  });
  const old = { spec: { mode: 'z', list: [{ name: 'p', n: 9 }] } };
  assert.deepEqual(validate(schema, { spec: { ...old.spec, other: 'x' } }, old), []);
  assert.deepEqual(validate(schema, { spec: { mode: 'y' } }, old).length, 1);
  const more = [
    { name: 'q', n: 5 },
    { name: 'p', n: 9 },
  ];
  assert.deepEqual(validate(schema, { spec: { mode: 'z', list: more } }, old), [
    'spec.list[0].n: Invalid value: 5: spec.list[0].n in body should be less than or equal to 1',
  ]);
});

test('what an update does not touch is never held against it; the rest as on create', () => {
  const leaf = fc.constantFrom<JSONSchemaProps>(
    { type: 'integer', minimum: 3 },
    { type: 'string', enum: ['a'] },
    { type: 'string', maxLength: 0 },
  );
  const { schema } = fc.letrec<{ schema: JSONSchemaProps }>(tie => ({
    schema: fc.oneof(
      { maxDepth: 3 },
      leaf,
      fc.record({ a: tie('schema'), b: tie('schema') }).map(p => object(p, { required: ['a'] })),
      tie('schema').map((items): JSONSchemaProps => ({ type: 'array', items, maxItems: 1 })),
      tie('schema').map((value): JSONSchemaProps => ({ type: 'object', additionalProperties: value })),
    ),
  }));
  const { value } = fc.letrec<{ value: unknown }>(tie => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom('a', 'b', 1, 5, true),
      fc.array(tie('value'), { maxLength: 2 }),
      fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('value'), { maxKeys: 3 }),
    ),
  }));
  fc.assert(
    fc.property(schema, value, value, (s, now, was) => {
      const created = validate(s, now);
      const updated = validate(s, now, was);
      assert.deepEqual(validate(s, now, now), []);
      for (const complaint of updated) assert.ok(created.includes(complaint), complaint);
      // Paths below which nothing differs carry no complaint; all others keep theirs.
      const same = (complaint: string) => {
        const fields = parseJsonPath(`.${complaint.split(':')[0]!}`.replace('.<nil>', '')).fields ?? [];
        let [x, y]: [any, any] = [now, was];
        if (JSON.stringify(x) === JSON.stringify(y)) return true;
        for (const f of fields) {
          [x, y] = [x?.[f], y?.[f]];
          if (x !== undefined && JSON.stringify(x) === JSON.stringify(y)) return true;
        }
        return false;
      };
      const maps = created.filter(c => !c.includes('['));
      for (const complaint of maps) assert.equal(updated.includes(complaint), !same(complaint), complaint);
    }),
  );
});

test('lists of type set and map hold nothing twice', () => {
  const schema = compileStructural(
    spec({
      set: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } },
      map: {
        type: 'array',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['name', 'port'],
        items: object({ name: { type: 'string' }, port: { type: 'integer' } }),
      },
    }),
  );
  const errors = new FieldErrors();
  const value = { spec: { set: ['a', 'b', 'a', 'a'], map: [{ name: 'x', port: 1 }, { name: 'x' }, { name: 'x' }] } };
  validateListTypes(schema, value, errors);
  assert.deepEqual(lines(errors), ['spec.set[2]: Duplicate value: "a"', 'spec.map[2]: Duplicate value: {"name":"x"}']);
});

test('owners see lists and maps as the schema types them', () => {
  const shape = shapeOfStructural(
    compileStructural(
      spec({
        set: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } },
        list: { type: 'array', items: { type: 'string' } },
        whole: { type: 'object', 'x-kubernetes-map-type': 'atomic', additionalProperties: { type: 'string' } },
        map: { type: 'object', additionalProperties: { type: 'string' } },
        free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      }),
    ),
  );
  assert.equal(shape.kind, 'struct');
  const at = shape.kind === 'struct' ? shape.field('spec') : undefined;
  assert.equal(at?.kind, 'struct');
  const kinds = ['set', 'list', 'whole', 'map', 'free', 'unknown'].map(name =>
    at?.kind === 'struct' ? at.field(name)?.kind : '',
  );
  assert.deepEqual(kinds, ['set', 'leaf', 'leaf', 'map', 'deduced', undefined]);
});

const complaints = (schema: JSONSchemaProps): string[] => {
  const errors = new FieldErrors();
  validateSchema(schema, path('s'), errors);
  return lines(errors);
};

test('refuses schemas that are not structural', () => {
  assert.deepEqual(complaints(object({ a: { type: 'string' } })), []);
  assert.deepEqual(complaints({}), ['s.type: Required value: must not be empty at the root']);
  assert.deepEqual(complaints({ type: 'string' }), ['s.type: Invalid value: "string": must be object at the root']);
  assert.deepEqual(complaints(object({ a: {} })), [
    's.properties[a].type: Required value: must not be empty for specified object fields',
  ]);
  assert.deepEqual(complaints(object({ a: { type: 'array', items: {} } })), [
    's.properties[a].items.type: Required value: must not be empty for specified array items',
  ]);
  assert.deepEqual(complaints(object({}, { anyOf: [{ properties: { a: { type: 'string' } } }] })), [
    's.anyOf[0].properties[a].type: Forbidden: must be empty to be structural',
    's.properties[a]: Required value: because it is defined in s.anyOf[0].properties[a]',
  ]);
  assert.deepEqual(complaints(object({ metadata: object({ labels: { type: 'object' } }) })), [
    's.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified',
  ]);
  assert.deepEqual(complaints(object({ a: { type: 'string', default: 1 } })), [
    's.properties[a].default: Invalid value: "integer":  in body must be of type string: "integer"',
  ]);
  assert.deepEqual(
    complaints(
      object({ a: { type: 'array', 'x-kubernetes-list-type': 'map', items: object({ k: { type: 'string' } }) } }),
    ),
    ['s.properties[a].x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map'],
  );
  // Words that every object of JavaScript knows are names of nothing.
  const keyed = { type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['constructor'] };
  assert.deepEqual(complaints(object({ a: { ...keyed, items: object({ k: { type: 'string' } }) } })), [
    's.properties[a].x-kubernetes-list-map-keys: Invalid value: ["constructor"]: entries must all be names of item properties',
  ]);
  assert.deepEqual(complaints(object({}, { anyOf: [{ properties: { toString: { minLength: 1 } } }] })), [
    's.properties[toString]: Required value: because it is defined in s.anyOf[0].properties[toString]',
  ]);
});

const rule = (text: string, more = {}) => ({ 'x-kubernetes-validations': [{ rule: text, ...more }] });

test('rules that do not compile or cost too much are refused', () => {
  const [wrong] = complaints(spec({ a: { type: 'integer' } }, rule('self.b > 1')));
  assert.match(
    wrong!,
    /^s\.properties\[spec\]\.x-kubernetes-validations\[0\]\.rule: Invalid value: .*compilation failed: .*undefined field 'b'/s,
  );
  const list: JSONSchemaProps = {
    type: 'array',
    items: { type: 'array', items: { type: 'string' } },
    ...rule('self.all(x, self.all(y, x == y))'),
  };
  const [dear] = complaints(spec({ list }));
  assert.match(
    dear!,
    /rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x \(try simplifying the rule/,
  );
  const items = { type: 'array', items: object({ a: { type: 'integer' } }, rule('self.a >= oldSelf.a')) };
  assert.match(
    complaints(spec({ items }))[0]!,
    /oldSelf cannot be used on the uncorrelatable portion of the schema within s\.properties\[spec\]\.properties\[items\]/,
  );
});

test('runs rules: messages, reasons, fields, transitions', () => {
  const schema = compileStructural(
    spec(
      {
        min: { type: 'integer' },
        max: { type: 'integer' },
        fixed: { type: 'string', ...rule('self == oldSelf', { message: 'is fixed' }) },
        once: {
          type: 'string',
          ...rule('!oldSelf.hasValue() || self == oldSelf.value()', {
            optionalOldSelf: true,
            reason: 'FieldValueForbidden',
            message: 'set once',
          }),
        },
      },
      rule('self.min <= self.max', {
        messageExpression: '"min " + string(self.min) + " is over max"',
        fieldPath: '.min',
      }),
    ),
  );
  const run = (value: object, old?: object) => {
    const errors = new FieldErrors();
    validateRules(schema, { spec: value }, old && { value: { spec: old } }, errors);
    return lines(errors);
  };
  assert.deepEqual(run({ min: 1, max: 2, fixed: 'a', once: 'b' }), []);
  assert.deepEqual(run({ min: 3, max: 2 }), ['spec.min: Invalid value: min 3 is over max']);
  assert.deepEqual(run({ max: 2 }), [
    'spec: Invalid value: "object": no such key: min evaluating rule: self.min <= self.max',
  ]);
  assert.deepEqual(run({ min: 1, max: 2, fixed: 'b', once: 'c' }, { min: 1, max: 2, fixed: 'a', once: 'b' }), [
    'spec.fixed: Invalid value: "b": is fixed',
    'spec.once: Forbidden: set once',
  ]);
  const same = { min: 3, max: 2, fixed: 'a' };
  assert.deepEqual(run(same, same), [], 'nothing has changed');
  const [errors, tolerated] = [new FieldErrors(), new FieldErrors()];
  validateRules(schema, { spec: same }, { value: { spec: same } }, errors, tolerated);
  assert.deepEqual([errors.list.length, lines(tolerated)], [0, ['spec.min: Invalid value: min 3 is over max']]);
});

test('rules that cost too much are cut off, and no others run', () => {
  const numbers = (text: string): JSONSchemaProps => ({ type: 'array', items: { type: 'integer' }, ...rule(text) });
  const schema = compileStructural(
    object({ a: numbers('self.all(x, self.all(y, x + y >= 0))'), b: numbers('self.size() < 1') }),
  );
  const errors = new FieldErrors();
  const many = Array.from({ length: 2000 }, (_, i) => i);
  validateRules(schema, { a: many, b: many }, undefined, errors);
  assert.deepEqual(lines(errors), [
    `a: Invalid value: "array": 'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: self.all(x, self.all(y, x + y >= 0))`,
  ]);
});
