// Schemas of thousands of parts: how often a part is looked at does not grow with what else there is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FieldErrors, path } from '../field-error.ts';
import type { JSONSchemaProps } from '../type/apiextensions-v1.ts';
import { validateSchema } from './structural-rule.ts';

const count = 1000;
const upTo = <T>(make: (n: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n));
const spec = path('spec');

test('rules of one node go through its properties once', () => {
  let looks = 0;
  const ownKeys = (target: Record<string, JSONSchemaProps>) => {
    looks++;
    return Reflect.ownKeys(target);
  };
  const properties = new Proxy<Record<string, JSONSchemaProps>>({ p: { type: 'string' } }, { ownKeys });
  const rules = upTo(n => ({ rule: `has(self.p) || ${n} > 0` }));
  const errors = new FieldErrors();
  validateSchema({ type: 'object', properties, 'x-kubernetes-validations': rules }, spec, errors);
  assert.deepEqual(errors.list, []);
  assert.ok(looks < 50, `${looks} looks`);
});

test('keys of a list are looked for in sets', () => {
  let reads = 0;
  const get = (target: string[], key: string | symbol): unknown => {
    reads++;
    return Reflect.get(target, key);
  };
  const counted = () =>
    new Proxy(
      upTo(n => `k${n}`),
      { get },
    );
  const properties = Object.fromEntries(upTo(n => [`k${n}`, { type: 'string' }]));
  const schema = {
    type: 'array',
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': counted(),
    items: { type: 'object', properties, required: counted() },
  };
  const errors = new FieldErrors();
  validateSchema({ type: 'object', properties: { list: schema } }, spec, errors);
  assert.deepEqual(errors.list, []);
  assert.ok(reads < 40 * count, `${reads} reads`);
});
