import assert from 'node:assert/strict';
import { test } from 'node:test';
import { append } from '../base/append.ts';
import { quote } from '../base/quote.ts';
import { FieldErrors, path } from './field-error.ts';
import { invalid } from './status.ts';

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

test('faults past any that somebody reads are counted, and not told', () => {
  const [errors, all] = [new FieldErrors(), new FieldErrors()];
  for (let i = 0; i < 200_000; i++) errors.invalid(path('a').index(i), 'x', 'no');
  append(all.list, errors.list);
  assert.equal(all.list.length, 200_000);
  const { status, message } = invalid({ group: '', resource: 'Pod' }, 'p', all.list);
  assert.equal(status.details?.causes?.length, 10_000);
  assert.ok(message.endsWith(', a[9999]: Invalid value: "x": no]'), message.slice(-60));
});

test('a long text that is mostly escapes is quoted in no time', () => {
  const { user } = process.threadCpuUsage();
  assert.equal(quote('{"'.repeat(1_000_000)), `"${'{\\"'.repeat(1_000_000)}"`);
  assert.ok(process.threadCpuUsage().user - user < 200_000);
});
