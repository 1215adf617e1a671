import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FieldErrors, path } from '../field-error.ts';
import { validateConditions } from './condition.ts';

test('conditions, as recorded of apimachinery', () => {
  const errors = new FieldErrors();
  const odd = { type: 'A', status: 'x', observedGeneration: -1, reason: '', message: 'x'.repeat(32_769) };
  const good = { type: 'A', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z', reason: 'R', message: '' };
  validateConditions([odd as never, good, { ...good, type: 'B', reason: 'x'.repeat(1025) }], path('c'), errors);
  assert.deepEqual(
    errors.list.map(e => `${e.field}: ${e.message}`),
    [
      'c[0].status: Unsupported value: "x": supported values: "False", "True", "Unknown"',
      'c[0].observedGeneration: Invalid value: -1: must be greater than or equal to zero',
      'c[0].lastTransitionTime: Required value',
      'c[0].reason: Required value',
      'c[0].message: Too long: may not be more than 32768 bytes',
      'c[1].type: Duplicate value: "A"',
      'c[2].reason: Too long: may not be more than 1024 bytes',
    ],
  );
});

test('types and reasons that are no names', () => {
  const errors = new FieldErrors();
  const good = { type: 'A', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z', reason: 'R', message: '' };
  validateConditions([{ ...good, type: 'a b' } as never, { ...good, reason: 'a b' } as never], path('c'), errors);
  assert.deepEqual(
    errors.list.map(e => `${e.reason} ${e.field}: ${e.message}`),
    [
      `FieldValueInvalid c[0].type: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
      `FieldValueInvalid c[1].reason: Invalid value: "a b": a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')`,
    ],
  );
});
