// Definitions and policies of thousands of parts, whose rules look at each part once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FieldErrors } from '../field-error.ts';
import type { ValidatingAdmissionPolicy } from '../type/admissionregistration-v1.ts';
import type { CustomResourceDefinition } from '../type/apiextensions-v1.ts';
import { checkValidatingExpressions } from './admission/policy-expression.ts';
import { validateDefinition } from './apiextensions/definition-validation.ts';

const many = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

function milliseconds(run: () => void): number {
  const { user } = process.threadCpuUsage();
  run();
  return (process.threadCpuUsage().user - user) / 1000;
}

test('5,000 variables, each of which names the one before', () => {
  const variables = many(5000, i => ({ name: `v${i}`, expression: i ? `variables.v${i - 1}` : '1' }));
  const policy = { spec: { variables, validations: [{ expression: 'variables.v4999 == 1' }] } };
  const errors = new FieldErrors();
  const ms = milliseconds(() => checkValidatingExpressions(policy as unknown as ValidatingAdmissionPolicy, errors));
  assert.deepEqual(errors.list, []);
  assert.ok(ms < 1000, `${ms} ms`);
  const [, ...late] = variables;
  const wrong = new FieldErrors();
  const unordered = { spec: { variables: [...late.slice(0, 1), ...variables.slice(0, 1)] } };
  checkValidatingExpressions(unordered as unknown as ValidatingAdmissionPolicy, wrong);
  assert.match(wrong.list[0]!.message, /undefined field 'v0'/);
});

test('3,000 versions', () => {
  const openAPIV3Schema = { type: 'object', properties: { spec: { type: 'object' } } };
  const versions = many(3000, i => ({
    name: `v${i + 1}`,
    served: true,
    storage: i === 0,
    schema: { openAPIV3Schema },
  }));
  const names = { plural: 'widgets', singular: 'widget', kind: 'Widget', listKind: 'WidgetList' };
  const spec = { group: 'e.example.com', scope: 'Namespaced', names, versions, conversion: { strategy: 'None' } };
  const definition = { metadata: { name: 'widgets.e.example.com' }, spec, status: { storedVersions: ['v1'] } };
  const errors = new FieldErrors();
  const ms = milliseconds(() =>
    validateDefinition(definition as unknown as CustomResourceDefinition, errors, {} as never),
  );
  assert.deepEqual(errors.list, []);
  assert.ok(ms < 1000, `${ms} ms`);
});
