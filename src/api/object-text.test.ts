import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { jsonText } from '../base/json-text.ts';
import { keepPartText, markCanonical, partText } from './canonical-part.ts';
import { joinedText, objectPieces } from './object-text.ts';

const objectText = (object: object) => joinedText(objectPieces(object));

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.constantFrom('\u0001', '"\u0001"', '<&>', 'é\u2028'),
);
const json: fc.Arbitrary<unknown> = fc.letrec(tie => ({
  value: fc.oneof({ maxDepth: 4 }, text, fc.double(), fc.constant(null), fc.boolean(), tie('list'), tie('map')),
  list: fc.array(tie('value'), { maxLength: 4 }),
  map: fc.dictionary(
    fc.oneof(text, fc.constantFrom('spec', 'containers', 'managedFields', 'env', 'fieldsV1', 'template')),
    tie('value'),
    { maxKeys: 5 },
  ),
})).map;

/** Some of the parts become parts that others have. */
function share(value: unknown, chance: () => boolean): void {
  if (typeof value !== 'object' || value === null) return;
  for (const child of Object.values(value)) share(child, chance);
  const known = jsonText(value);
  const kept = chance();
  if (kept && chance()) markCanonical(value);
  else if (kept) keepPartText(value, known);
}

test('an object with parts that others have is written as any other', () => {
  let spliced = 0;
  fc.assert(
    fc.property(fc.array(json, { minLength: 1, maxLength: 3 }), fc.infiniteStream(fc.boolean()), (values, coins) => {
      const large = { data: values, pad: 'x'.repeat(140) };
      const object = {
        kind: 'Pod',
        spec: { containers: [large, ...values], template: { spec: large } },
        status: values[0],
      };
      const plain = jsonText(object);
      share(object, () => coins.next().value as boolean);
      if (partText(large)) spliced++;
      assert.equal(objectText(object), plain);
    }),
    { numRuns: 500 },
  );
  assert.ok(spliced > 100, `${spliced} objects had a part to splice`);
});

test('what is known of a part is what is written', () => {
  const env = [{ name: 'A', value: 'x'.repeat(200) }];
  const pod = { kind: 'Pod', spec: { containers: [{ name: 'c', env }] } };
  keepPartText(env, '"known"');
  assert.equal(objectText(pod), `{"kind":"Pod","spec":{"containers":[{"name":"c","env":${jsonText(env)}}]}}`);
  keepPartText(env, `"${'k'.repeat(200)}"`);
  assert.equal(objectText(pod), `{"kind":"Pod","spec":{"containers":[{"name":"c","env":"${'k'.repeat(200)}"}]}}`);
});

test('a string like the mark leaves all as it is', () => {
  const env = markCanonical([{ name: 'A', value: 'x'.repeat(200) }]);
  for (const odd of ['\u0001', '"\u0001"', '\\"\u0001"'])
    for (const object of [
      { a: odd, spec: { env } },
      { spec: { env }, z: odd },
      { spec: { env }, [odd]: 1 },
    ])
      assert.equal(objectText(object), JSON.stringify(object));
});

test('what volumes have in common is held once', () => {
  const projected = markCanonical({ sources: [{ configMap: { name: 'x'.repeat(200) } }] });
  const pod = { kind: 'Pod', spec: { volumes: [{ name: 'a', projected }] } };
  assert.deepEqual(objectPieces(pod), [
    '{"kind":"Pod","spec":{"volumes":[{"name":"a","projected":',
    partText(projected),
    '}]}}',
  ]);
});
