import assert from 'node:assert/strict';
import { test } from 'node:test';
import { textOfBytes } from './utf8.ts';

// As Go's `[]rune(string(bytes))` gives them.
const cases: Readonly<Record<string, string>> = {
  '61c3a962': 'aéb',
  '61e282': 'a��',
  e28261: '��a',
  f09f98: '���',
  f09f9880: '😀',
  f0808080: '����',
  eda080: '���',
  c0af: '��',
  f4908080: '����',
  ff61fe: '�a�',
  efbfbd: '�',
  efbbbf61: '\ufeffa',
};

for (const [hex, text] of Object.entries(cases))
  test(`bytes ${hex}`, () => assert.equal(textOfBytes(Buffer.from(hex, 'hex')), text));
