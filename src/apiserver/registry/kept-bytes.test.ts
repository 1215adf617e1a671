import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { markCanonical } from '../../api/canonical-part.ts';
import type { KubeObject } from '../../api/meta.ts';
import { KeptBytes } from './kept-bytes.ts';
import { Stored } from './stored.ts';

const env = markCanonical([{ name: 'A', value: 'x'.repeat(1000) }]);

/** With a part that others have too, if `shared`. */
const version = (n: number, revision: number, shared = false) =>
  new Stored(
    `k${n}`,
    {
      kind: 'Pod',
      apiVersion: 'v1',
      metadata: { name: 'x'.repeat(n), uid: '', resourceVersion: '', creationTimestamp: '' },
      ...(shared ? { spec: { containers: [{ name: 'c', env }] } } : {}),
    } as KubeObject,
    revision,
  );

const textOf = (json: Buffer | readonly string[]) => (Buffer.isBuffer(json) ? json.toString() : json.join(''));

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
            const stored = version(n, all.length, n % 2 === 0);
            stored.json;
            stored.retain(kept);
            all.push(stored);
          } else if (deed === 'ask' && all.length) {
            const asked = all[n % all.length]!;
            const text = JSON.stringify(asked.object);
            if (n % 3 === 0) asked.releaseFrames();
            if (n % 5 === 0) assert.equal(textOf(asked.jsonOrPieces), text);
            assert.equal(asked.json.toString(), text);
            assert.equal(asked.text, text);
          } else if (all.length) all[n % all.length]!.release();
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

test('of an object with parts that others have its own text is kept, and once its watchers have it no more', () => {
  const kept = new KeptBytes(10_000);
  const stored = version(5, 1, true);
  const { line } = stored;
  stored.retain(kept);
  assert.equal(stored.line, line);
  assert.ok(line.length > 1000 && kept.bytes < 500, `${kept.bytes} of ${line.length}`);
  const { bytes } = kept;
  stored.releaseFrames();
  assert.notEqual(stored.line, line);
  assert.deepEqual(stored.line, line);
  assert.equal(kept.bytes, bytes);
  assert.ok(!Buffer.isBuffer(stored.jsonOrPieces));
  stored.release();
  assert.equal(kept.bytes, 0);
});

test('the protobuf of an object is made once, its item in a list a part of it', () => {
  const stored = version(1, 1, true);
  const type = 'io.k8s.api.core.v1.Pod';
  const whole = stored.protobuf(type);
  assert.equal(stored.protobuf(type), whole);
  assert.equal(stored.protobufItem(type).buffer, whole.buffer);
  assert.ok(whole.includes(stored.protobufItem(type)));
});

test('what lies in the store as protobuf is kept as that, and counted', () => {
  const { key, object } = version(50, 1);
  const stored = new Stored(key, object, 1, { protobufType: 'io.k8s.api.core.v1.Pod' });
  const { bytes } = stored;
  const kept = new KeptBytes(1000);
  stored.retain(kept);
  assert.deepEqual([stored.size, kept.bytes, stored.bytes], [bytes.length, bytes.length, bytes]);
  stored.json;
  assert.equal(kept.bytes, bytes.length + stored.line.length);
  assert.equal(stored.size, bytes.length);
  stored.release();
  assert.equal(kept.bytes, 0);
});
