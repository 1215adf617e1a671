import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quote } from './quote.ts';

// As fmt.Printf("%q") of Go 1.26 prints them.
test('quotes as Go does', () => {
  assert.equal(quote(''), '""');
  assert.equal(quote('a b~'), '"a b~"');
  assert.equal(quote('a"b\\c'), '"a\\"b\\\\c"');
  assert.equal(quote('\0\x07\b\t\n\v\f\r\x1b\x7f'), '"\\x00\\a\\b\\t\\n\\v\\f\\r\\x1b\\x7f"');
  assert.equal(quote('\\u003c \\u0007\t'), '"\\\\u003c \\\\u0007\\t"');
  assert.equal(quote('a\udcff\udc80b\\udcff'), '"a\\xff\\x80b\\\\udcff"');
  assert.equal(quote('ä\u00a0\u0085\u200b\u2028😀\u{e0001}'), '"ä\\u00a0\\u0085\\u200b\\u2028😀\\U000e0001"');
});
