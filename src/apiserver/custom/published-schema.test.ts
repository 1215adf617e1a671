// What documents say of custom kinds, as apiextensions-apiserver's own builder of them (0.36.2) says it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CustomForm } from '../../api/structural/custom-form.ts';
import type { Json } from '../test-caller.ts';
import { publishedSchema } from './published-schema.ts';
import { specSchema } from './test-definition.ts';

const published = (properties: object, openApi: 2 | 3): Json =>
  (publishedSchema({ schema: specSchema(properties) } as CustomForm, openApi).properties as Json).spec.properties;

const either = { anyOf: [{ type: 'integer' }, { type: 'string' }] };
const port = { 'x-kubernetes-int-or-string': true };

test('version 3 says of what may be a number or a text that it is either', () => {
  const said = published(
    {
      port,
      said: { ...port, ...either },
      saidBelow: { ...port, allOf: [either] },
      more: { ...port, anyOf: [{ minimum: 1 }], allOf: [{ maximum: 5 }] },
      items: { type: 'array', items: port },
      values: { type: 'object', additionalProperties: port },
    },
    3,
  );
  assert.deepEqual(said, {
    port: { ...port, ...either },
    said: { ...port, ...either },
    saidBelow: { ...port, allOf: [either] },
    more: { ...port, anyOf: [{ minimum: 1 }], allOf: [either, { maximum: 5 }] },
    items: { type: 'array', items: { ...port, ...either } },
    values: { type: 'object', additionalProperties: { ...port, ...either } },
  });
});

test('version 2 keeps defaults, and no composites', () => {
  const size = { type: 'integer', default: 5 };
  assert.deepEqual(published({ size: { ...size, not: { enum: [7] } }, port: { ...port, ...either } }, 2), {
    size,
    port,
  });
});
