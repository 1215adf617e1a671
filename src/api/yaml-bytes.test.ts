import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseYaml } from './decode.ts';

test('bytes that are no UTF-8 are told as by sigs.k8s.io/yaml', () => {
  const cases: [bytes: number[], why: string][] = [
    [[0xff], 'invalid leading UTF-8 octet'],
    [[0xf8, 0x88], 'invalid leading UTF-8 octet'],
    [[0xc3], 'incomplete UTF-8 octet sequence'],
    [[0x61, 0xe2, 0x82], 'incomplete UTF-8 octet sequence'],
    [[0xc3, 0x41], 'invalid trailing UTF-8 octet'],
    [[0xc0, 0x80], 'invalid length of a UTF-8 sequence'],
    [[0xed, 0xa0, 0x80], 'invalid Unicode character'],
    [[0xf4, 0x90, 0x80, 0x80], 'invalid Unicode character'],
    [[0x1f, 0xff], 'control characters are not allowed'],
  ];
  for (const [bytes, why] of cases) {
    const message = `error decoding YAML: error converting YAML to JSON: yaml: ${why}`;
    assert.throws(() => parseYaml(Buffer.from(bytes)), { code: 400, message }, String(bytes));
  }
});
