import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { queryOf } from './query-value.ts';

test('a query as long as a URL may be is read in time that grows with it, whatever its parameters', () => {
  for (const parameter of ['a', '%61']) {
    const text = `${parameter}&`.repeat(900_000 / (parameter.length + 1));
    const { user } = process.threadCpuUsage();
    queryOf(text);
    const ms = (process.threadCpuUsage().user - user) / 1000;
    // Node alone takes 2,400 ms for the first.
    assert.ok(ms < 1000, `${JSON.stringify(parameter)}: ${ms} ms`);
  }
});

test('parameters of long queries are those of short ones', () => {
  const part = fc.constantFrom('a', 'b=1', '', '=', '=x', 'a==', '%61', 'c=%26', '+', 'd=a=b', '%3D', 'a=1=');
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), parts => {
      const text = parts.join('&');
      const padding = `z=${'z'.repeat(2000)}`;
      assert.deepEqual([...queryOf(`${text}&${padding}`)].slice(0, -1), [...new URLSearchParams(text)]);
    }),
  );
});
