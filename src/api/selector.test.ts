import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { escapeFieldValue, parseFieldSelector } from './field-selector.ts';
import {
  everything,
  type LabelOperator,
  nothing,
  parseLabelSelector,
  selectorFromLabelSelector,
  selectorFromMap,
} from './label-selector.ts';

test('label selectors print in one form', () => {
  const cases: [string, string][] = [
    ['', ''],
    ['x=a,y=b,z=c', 'x=a,y=b,z=c'],
    ['y,x', 'x,y'],
    ['x!=a,y==b', 'x!=a,y==b'],
    ['!x , y', '!x,y'],
    ['x in (c, b,a)', 'x in (a,b,c)'],
    ['x notin(a)', 'x notin (a)'],
    ['x in (,a)', 'x in (,a)'],
    ['x in (a,)', 'x in (,a)'],
    ['x=', 'x='],
    ['x=,y', 'x=,y'],
    ['x>1,z<7', 'x>1,z<7'],
    ['in in (in,notin)', 'in in (in,notin)'],
    ['example.com/a = b', 'example.com/a=b'],
  ];
  for (const [text, want] of cases) assert.equal(parseLabelSelector(text).toString(), want, text);
});

test('label selectors are refused in Kubernetes words', () => {
  const cases: [string, string][] = [
    [
      'x=a||y=b',
      "unable to parse requirement: values[0][x]: Invalid value: \"a||y\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
    ],
    ['x=a y', "found 'y', expected: ',' or 'end of string'"],
    ['x,', "found '', expected: identifier after ','"],
    [',x', "found ',', expected: !, identifier, or 'end of string'"],
    ['x y', "unable to parse requirement: found 'y', expected: in, notin, =, ==, !=, gt, lt"],
    ['x in a', "unable to parse requirement: found 'a' expected: '('"],
    ['x in (a', "unable to parse requirement: found '', expected: ',' or ')'"],
    [
      'x>a',
      "unable to parse requirement: values[0]: Invalid value: \"a\": for 'Gt', 'Lt' operators, the value must be an integer",
    ],
    ['x==(', "unable to parse requirement: found '(', expected: identifier"],
  ];
  for (const [text, want] of cases) assert.throws(() => parseLabelSelector(text), { message: want }, text);
  assert.deepEqual(parseLabelSelector('x in ()').requirements, [{ key: 'x', operator: 'in', values: [''] }]);
  assert.ok(parseLabelSelector('\0').empty);
  assert.throws(() => selectorFromLabelSelector({ matchExpressions: [{ key: 'a', operator: 'Huh' }] }), {
    message: '"Huh" is not a valid label selector operator',
  });
});

test('absent selects nothing, empty selects everything', () => {
  assert.equal(selectorFromLabelSelector(undefined).matches({}), false);
  assert.equal(selectorFromLabelSelector({}).matches(undefined), true);
  assert.equal(everything().empty, true);
  assert.equal(nothing().empty, false);
  assert.equal(selectorFromMap({ a: 'b' }).matches({ a: 'b', c: 'd' }), true);
  assert.equal(selectorFromMap({ constructor: 'b' }).matches({}), false);
  assert.equal(parseLabelSelector('a,b=c').requiredValue('b'), 'c');
});

const key = fc.constantFrom('a', 'b', 'c');
const value = fc.constantFrom('', 'x', 'y', '1', '2', '10');

test('matching agrees with a naive reading', () => {
  const term = fc.record({
    key,
    operator: fc.constantFrom<LabelOperator>('=', '==', '!=', 'in', 'notin', 'exists', '!', 'gt', 'lt'),
    values: fc.array(value, { minLength: 1, maxLength: 3 }).filter(v => v.some(x => x !== '')),
    bound: fc.integer({ min: 0, max: 12 }),
  });
  fc.assert(
    fc.property(fc.array(term, { maxLength: 3 }), fc.dictionary(key, value), (terms, labels) => {
      const text = terms.map(t => {
        if (t.operator === 'exists') return t.key;
        if (t.operator === '!') return `!${t.key}`;
        if (t.operator === 'in' || t.operator === 'notin') return `${t.key} ${t.operator} (${t.values.join(',')})`;
        if (t.operator === 'gt') return `${t.key}>${t.bound}`;
        if (t.operator === 'lt') return `${t.key}<${t.bound}`;
        return `${t.key}${t.operator}${t.values[0]}`;
      });
      const want = terms.every(t => {
        const has = t.key in labels;
        const v = labels[t.key]!;
        switch (t.operator) {
          case 'exists':
            return has;
          case '!':
            return !has;
          case 'in':
            return has && t.values.includes(v);
          case 'notin':
            return !has || !t.values.includes(v);
          case '!=':
            return !has || v !== t.values[0];
          case 'gt':
            return has && v !== '' && Number(v) > t.bound;
          case 'lt':
            return has && v !== '' && Number(v) < t.bound;
          default:
            return has && v === t.values[0];
        }
      });
      const selector = parseLabelSelector(text.join(','));
      assert.equal(selector.matches(labels), want, text.join(','));
      assert.equal(parseLabelSelector(selector.toString()).toString(), selector.toString());
    }),
  );
});

test('field selectors', () => {
  const s = parseFieldSelector('metadata.name=a,status.phase!=Running,,spec.x==b\\,c\\=d\\\\');
  assert.deepEqual(s.terms, [
    { field: 'metadata.name', op: '=', value: 'a' },
    { field: 'spec.x', op: '=', value: 'b,c=d\\' },
    { field: 'status.phase', op: '!=', value: 'Running' },
  ]);
  const object: Record<string, string> = { 'metadata.name': 'a', 'spec.x': 'b,c=d\\' };
  assert.equal(
    s.matchesFields(f => object[f] ?? ''),
    true,
  );
  assert.equal(s.requiredValue('metadata.name'), 'a');
  assert.equal(parseFieldSelector('').empty, true);
  assert.throws(() => parseFieldSelector('foo'), { message: "invalid selector: 'foo'; can't understand 'foo'" });
  // As apimachinery: its terms in order, operators alone for nothing.
  assert.throws(() => parseFieldSelector('b,a'), { message: "invalid selector: 'b,a'; can't understand 'a'" });
  for (const text of ['=', '!=,', ',==']) assert.equal(parseFieldSelector(text).empty, true);
  assert.throws(() => parseFieldSelector('a=b=c'), {
    message: 'invalid field selector: unescaped character in value: 61',
  });
  assert.throws(() => parseFieldSelector('a=\\z'), { message: 'invalid field selector: invalid escape sequence: \\z' });
  fc.assert(
    fc.property(fc.string(), text => {
      assert.equal(parseFieldSelector(`a=${escapeFieldValue(text)}`).terms[0]!.value, text);
    }),
  );
});

test('all that is wrong with a key is told at once', () => {
  const name = 'name part must be non-empty; name part must consist of alphanumeric characters';
  assert.throws(
    () => parseLabelSelector('x.io/=a'),
    ({ message }: Error) => message.startsWith(`unable to parse requirement: <nil>: Invalid value: "x.io/": ${name}`),
  );
});
