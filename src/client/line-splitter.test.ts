import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { LineSplitter } from './line-splitter.ts';

it('splits like String.split, however the bytes are cut', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme' })), fc.array(fc.nat(12)), (parts, cuts) => {
      const texts = parts.map(t => t.replaceAll('\n', ''));
      const bytes = Buffer.from(texts.join('\n'));
      const lines: string[] = [];
      const splitter = new LineSplitter(line => lines.push(line));
      let at = 0;
      for (const cut of cuts) {
        splitter.push(bytes.subarray(at, at + cut));
        at += cut;
      }
      splitter.push(bytes.subarray(at));
      splitter.end();
      assert.deepEqual(
        lines,
        texts.filter(t => t !== ''),
      );
    }),
  );
});
