import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { applyMergePatch } from './merge-patch.ts';

/** The one list there is in these tests, as gopkg.in/evanphx/json-patch.v4 takes it where it replaces no map. */
const listed = (patch: unknown): unknown => (Array.isArray(patch) ? [1, {}] : patch);

/** RFC 7386, section 2, word for word but for nulls in lists, on maps that have no prototype to step on. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (!(patch instanceof Map)) return target instanceof Map ? patch : listed(patch);
  const merged = target instanceof Map ? new Map(target) : new Map();
  for (const [name, value] of patch) {
    if (value === null) merged.delete(name);
    else merged.set(name, mergePatch(merged.get(name), value));
  }
  return merged;
}

const key = fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor');
const leaf = fc.oneof(
  fc.integer({ min: 0, max: 3 }),
  fc.constant(null),
  fc.boolean(),
  fc.constantFrom('', 'x'),
  fc.constant([1, { a: null }]),
);
const { value } = fc.letrec(tie => ({
  value: fc.oneof(
    { depthSize: 'medium' },
    leaf,
    fc.array(fc.tuple(key, tie('value')), { maxLength: 4 }).map(pairs => new Map(pairs as [string, unknown][])),
  ),
}));

const asMap = fc.array(fc.tuple(key, value), { maxLength: 4 }).map(pairs => new Map(pairs));

function plain(v: unknown): unknown {
  return v instanceof Map
    ? JSON.parse(`{${[...v].map(([k, x]) => `${JSON.stringify(k)}:${JSON.stringify(plain(x))}`).join()}}`)
    : v;
}
/** With keys in order, to compare. */
const text = (v: unknown): string =>
  JSON.stringify(v, (_, x) =>
    x && typeof x === 'object' && !Array.isArray(x)
      ? { pairs: Object.entries(x).sort(([a], [b]) => (a < b ? -1 : 1)) }
      : x,
  );

test('members that are null within lists, as recorded of the library of the API server', () => {
  const cases: [object, object, object][] = [
    [{}, { a: [{ b: null, c: 0 }] }, { a: [{ c: 0 }] }],
    [{}, { a: [[{ b: null }, null]] }, { a: [[{}, null]] }],
    [{ a: [1] }, { a: [{ b: null }] }, { a: [{}] }],
    [{ a: 1 }, { a: [{ b: { c: null } }] }, { a: [{ b: {} }] }],
    [{ a: { d: 1 } }, { a: [{ b: { c: null } }] }, { a: [{ b: { c: null } }] }],
  ];
  for (const [object, patch, result] of cases) assert.deepEqual(applyMergePatch(object, patch), result);
});

test('merge patch agrees with the text of RFC 7386, and leaves both of its arguments alone', () => {
  fc.assert(
    fc.property(asMap, asMap, (target, patch) => {
      const [object, change] = [plain(target), plain(patch)];
      const [before, asked] = [text(object), text(change)];
      const got = applyMergePatch(object, change);
      assert.equal(text(got), text(plain(mergePatch(target, patch))));
      assert.deepEqual([text(object), text(change)], [before, asked]);
    }),
    { numRuns: 400 },
  );
  assert.equal(({} as { a?: unknown }).a, undefined);
});
