import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FieldErrors, path } from './field-error.ts';

const said = (add: (errors: FieldErrors) => void): string => {
  const errors = new FieldErrors();
  add(errors);
  return errors.list[0]!.message;
};

test('values are shown as apimachinery shows them', () => {
  const a = path('a');
  const text = '<é\u0001\u007f\u200b\u2028\t\v>';
  const quoted = String.raw`"<é\x01\x7f\u200b\u2028\t\v>"`;
  assert.equal(
    said(e => e.invalid(a, text, 'x')),
    `Invalid value: ${quoted}: x`,
  );
  assert.equal(
    said(e => e.duplicate(a, text)),
    `Duplicate value: ${quoted}`,
  );
  assert.equal(
    said(e => e.notFound(a, text)),
    `Not found: ${quoted}`,
  );
  assert.equal(
    said(e => e.typeInvalid(a, text, 'x')),
    `Invalid value: ${quoted}: x`,
  );
  const json = `"\\u003cé\\u0001\u007f\u200b\\u2028\\t\\u000b\\u003e"`;
  assert.equal(
    said(e => e.notSupported(a, text, [text])),
    `Unsupported value: ${json}: supported values: ${quoted}`,
  );
  assert.equal(
    said(e => e.invalid(a, [text], 'x')),
    `Invalid value: [${json}]: x`,
  );
  assert.equal(
    said(e => e.invalid(a, undefined, '')),
    'Invalid value: null',
  );
  assert.equal(
    said(e => e.invalid(a, true, '')),
    'Invalid value: true',
  );
  assert.equal(
    said(e => e.invalidUnshown(a, 'x')),
    'Invalid value: x',
  );
});
