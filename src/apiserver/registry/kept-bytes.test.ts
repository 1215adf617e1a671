import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KeptBytes } from './kept-bytes.ts';
import { Stored } from './stored.ts';

const version = (n: number, revision: number) =>
  new Stored(
    `k${n}`,
    {
      kind: 'Pod',
      apiVersion: 'v1',
      metadata: { name: 'x'.repeat(n), uid: '', resourceVersion: '', creationTimestamp: '' },
    },
    revision,
  );

test('counts what is kept, keeps to its budget, and holds nothing that was released', () => {
  const budget = 2000;
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom('write', 'ask', 'replace'), fc.nat(400)), { maxLength: 300 }),
      deeds => {
        const kept = new KeptBytes(budget);
        const all: Stored[] = [];
        for (const [deed, n] of deeds) {
          if (deed === 'write') {
            const stored = version(n, all.length);
            stored.json;
            stored.retain(kept);
            all.push(stored);
          } else if (deed === 'ask' && all.length) assert.ok(all[n % all.length]!.json.length > 0);
          else if (all.length) all[n % all.length]!.release();
          assert.equal(
            kept.bytes,
            all.reduce((sum, s) => sum + s.keptBytes, 0),
          );
          assert.ok(kept.bytes <= budget, `${kept.bytes}`);
        }
      },
    ),
  );
});

test('what was written last is kept; what is asked for only while there is room', () => {
  const kept = new KeptBytes(300);
  const [a, b, c] = [version(50, 1), version(50, 2), version(50, 3)];
  for (const stored of [a, b, c]) {
    stored.json;
    stored.retain(kept);
  }
  assert.equal(a.keptBytes, 0);
  assert.notEqual(c.keptBytes, 0);
  const { bytes } = kept;
  a.json;
  assert.equal(a.keptBytes, 0);
  assert.equal(kept.bytes, bytes);
  b.release();
  c.release();
  a.json;
  assert.notEqual(a.keptBytes, 0);
});
