import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compile } from './compile.ts';
import { celTypeOfSchema } from './schema.ts';

const self = celTypeOfSchema({
  type: 'object',
  properties: {
    n: { type: 'integer' },
    s: { type: 'string', maxLength: 6 },
    l: { type: 'array', maxItems: 4, items: { type: 'string', maxLength: 4 } },
    m: { type: 'object', maxProperties: 3, additionalProperties: { type: 'string', maxLength: 4 } },
  },
})!;
const value = fc.record({
  n: fc.integer(),
  s: fc.string({ maxLength: 6, unit: 'grapheme-ascii' }),
  l: fc.array(fc.string({ maxLength: 4, unit: 'grapheme-ascii' }), { maxLength: 4 }),
  m: fc.dictionary(fc.string({ maxLength: 4, unit: 'grapheme-ascii' }), fc.string({ maxLength: 4 }), { maxKeys: 3 }),
});

// Expressions by the type they have.
const { bool: expression } = fc.letrec<Record<'bool' | 'int' | 'text' | 'list', string>>(tie => {
  const of = (parts: fc.Arbitrary<string>[], make: (...p: string[]) => string) =>
    fc.tuple(...parts).map(p => make(...p));
  const [bool, int, text, list] = [tie('bool'), tie('int'), tie('text'), tie('list')];
  return {
    int: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom('self.n', '3', 'size(self.l)', 'self.m.size()'),
      of([int, int], (a, b) => `(${a} + ${b})`),
      of([text], a => `${a}.size()`),
      of([text, text], (a, b) => `${a}.indexOf(${b})`),
      of([bool, int, int], (a, b, c) => `(${a} ? ${b} : ${c})`),
    ),
    text: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom('self.s', "'abc'", "self.m['a']", 'self.l[0]'),
      of([text, text], (a, b) => `(${a} + ${b})`),
      of([text], a => `${a}.lowerAscii()`),
      of([text, text], (a, b) => `${a}.replace('a', ${b})`),
      of([list], a => `${a}.join(',')`),
    ),
    list: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom('self.l', "['x', 'y']"),
      of([text], a => `${a}.split('')`),
      of([list, bool], (a, b) => `${a}.filter(v, ${b})`),
      of([list, text], (a, b) => `${a}.map(v, ${b} + v)`),
      of([list, list], (a, b) => `(${a} + ${b})`),
    ),
    bool: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom('true', 'has(self.s)', "('a' in self.m)"),
      of([int, int], (a, b) => `(${a} < ${b})`),
      of([text, text], (a, b) => `(${a} == ${b})`),
      of([text, text], (a, b) => `${a}.contains(${b})`),
      of([text], a => `${a}.matches('a+b*')`),
      of([text, list], (a, b) => `(${a} in ${b})`),
      of([bool, bool], (a, b) => `(${a} && ${b})`),
      of([bool, bool], (a, b) => `(${a} || !${b})`),
      of([list, bool], (a, b) => `${a}.all(v, ${b} || v != '')`),
      of([list, bool], (a, b) => `${a}.exists(i, v, ${b} && i > 1 && v > 'b')`),
      fc.constant('self.m.all(k, v, k != v)'),
    ),
  };
});

test('nothing costs more than was estimated', () => {
  let evaluated = 0;
  fc.assert(
    fc.property(expression, value, (text, bound) => {
      const { program, error } = compile(text, { variables: { self } });
      assert.ok(program, error?.message ?? text);
      const { max } = program.estimateCost();
      const result = program.evaluate({ self: bound }, { costLimit: 1e7 });
      if (result.ok) evaluated++;
      assert.ok(result.cost <= Math.ceil(max), `${text}: spent ${result.cost}, estimated ${max}`);
    }),
    { numRuns: 1500 },
  );
  assert.ok(evaluated > 300, `only ${evaluated} evaluated`);
});
