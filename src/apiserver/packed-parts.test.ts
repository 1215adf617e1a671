import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import type { KubeObject } from '../api/meta.ts';
import { GzipTrailer, gzipHeader, type ListForm, PackedParts, unpacked } from './packed-parts.ts';
import { KeptBytes } from './registry/kept-bytes.ts';
import { Stored } from './registry/stored.ts';

const comma = Buffer.from(',');
/** Text of items between commas; counts how many it is asked for. */
function countingForm() {
  const form = {
    name: 'text',
    asked: 0,
    *items(items: readonly Stored[], first: boolean): Iterable<Uint8Array> {
      for (const item of items) {
        form.asked++;
        if (!first) yield comma;
        yield item.json;
      }
    },
  };
  return form;
}

const stored = (name: string, revision: number, text = '') =>
  new Stored(`ns/${name}`, { metadata: { name, labels: { text } } } as unknown as KubeObject, revision);

async function gzipOf(parts: PackedParts, form: ListForm, items: readonly Stored[]): Promise<Buffer> {
  const trailer = new GzipTrailer();
  const all: Uint8Array[] = [gzipHeader];
  const add = (packed: { bytes: Uint8Array; length: number; crc: number }) => {
    trailer.add(packed);
    all.push(packed.bytes);
  };
  add(unpacked(Buffer.from('[')));
  for await (const packed of parts.of(form, items)) add(packed);
  add(unpacked(Buffer.from(']'), true));
  all.push(trailer.bytes);
  return Buffer.concat(all);
}

const plain = (items: readonly Stored[]) => `[${items.map(item => item.json.toString()).join()}]`;

test('any list comes out of gzip as it went in, again and after changes', async () => {
  const change = fc.record({ at: fc.nat(), what: fc.constantFrom('drop', 'replace', 'add'), text: fc.string() });
  const lists = fc.record({
    names: fc.uniqueArray(fc.stringMatching(/^[a-z0-9]{1,12}$/), { maxLength: 200 }),
    changes: fc.array(change, { maxLength: 6 }),
    budget: fc.constantFrom(0, 500, 1 << 20),
  });
  await fc.assert(
    fc.asyncProperty(lists, async ({ names, changes, budget }) => {
      const kept = new KeptBytes(budget);
      const parts = new PackedParts(kept);
      const form = countingForm();
      let revision = 0;
      let items = names.sort().map(name => stored(name, ++revision));
      const checked = async () => assert.equal(gunzipSync(await gzipOf(parts, form, items)).toString(), plain(items));
      await checked();
      for (const { at, what, text } of changes) {
        const i = items.length ? at % items.length : 0;
        if (what === 'add') items = [...items, stored(`z${++revision}`, revision, text)];
        else if (items.length)
          items = items.toSpliced(i, 1, ...(what === 'drop' ? [] : [stored('x', ++revision, text)]));
        await checked();
        assert.ok(kept.bytes <= budget);
      }
    }),
    { numRuns: 60 },
  );
});

test('what has not changed is packed once, also when it is asked for at the same time', async () => {
  const parts = new PackedParts(new KeptBytes(1 << 20));
  const form = countingForm();
  const items = Array.from({ length: 1000 }, (_, i) => stored(`pod-${String(i).padStart(4, '0')}`, i + 1));
  const [a, b] = await Promise.all([gzipOf(parts, form, items), gzipOf(parts, form, items)]);
  assert.deepEqual(a, b);
  assert.equal(form.asked, 1000);
  const changed = items.with(500, stored('pod-0500', 2000, 'new'));
  assert.equal(gunzipSync(await gzipOf(parts, form, changed)).toString(), plain(changed));
  const more = form.asked - 1000;
  assert.ok(more >= 1 && more < 300, `${more} items were packed anew for one change`);
});

test('large objects make parts of their own, small lists one', async () => {
  const parts = new PackedParts(new KeptBytes(64 << 20));
  const form = countingForm();
  const large = Array.from({ length: 5 }, (_, i) => stored(`l${i}`, i + 1, 'x'.repeat(300 << 10)));
  const sizes: number[] = [];
  for await (const { length } of parts.of(form, large)) sizes.push(length);
  assert.equal(sizes.length, 5);
  assert.equal(gunzipSync(await gzipOf(parts, form, [])).toString(), '[]');
});

test('stored blocks hold more than one block may', () => {
  for (const size of [0, 1, 65535, 65536, 200_000]) {
    const bytes = Buffer.alloc(size, 'k8ts');
    const trailer = new GzipTrailer();
    const packed = unpacked(bytes, true);
    trailer.add(packed);
    assert.ok(gunzipSync(Buffer.concat([gzipHeader, packed.bytes, trailer.bytes])).equals(bytes), String(size));
    assert.equal(trailer.length, size);
  }
});
