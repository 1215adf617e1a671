import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isInterfaceAddress } from './interface-address.ts';

test('addresses of interfaces, as recorded of apimachinery', () => {
  const form = 'must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)';
  const canonical = (text: string) => `must be in canonical form ("${text}")`;
  const cases: [string, string?][] = [
    ['192.0.2.5/24'],
    ['10.0.0.0/8'],
    ['10.0.0.1/32'],
    ['2001:db8::1/64'],
    ['10.0.0.1', form],
    ['', form],
    ['/24', form],
    ['1.2.3/24', form],
    ['10.0.0.1/-1', form],
    ['2001:db8::1/129', form],
    ['10.0.0.01/24', canonical('10.0.0.1/24')],
    ['10.0.0.1/024', canonical('10.0.0.1/24')],
    ['2001:DB8::1/64', canonical('2001:db8::1/64')],
    ['::ffff:1.2.3.4/100', canonical('1.2.3.4/4')],
    ['::ffff:1.2.3.4/24', canonical('1.2.3.4/24')],
  ];
  for (const [text, complaint] of cases) assert.deepEqual(isInterfaceAddress(text), complaint ? [complaint] : [], text);
});
