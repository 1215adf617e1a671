// What Kubernetes' own environment answered, expression by expression (testdata/README.md).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { compile } from './compile.ts';
import { functions } from './lib/index.ts';
import { CelOptional, toJson } from './value.ts';

interface Answer {
  readonly e: string;
  readonly value?: unknown;
  /** An optional without a value. */
  readonly none?: true;
  readonly error?: string;
  readonly compile?: string;
  readonly estimate?: number;
}

const answers = JSON.parse(
  readFileSync(new URL('testdata/kubernetes.json', import.meta.url), 'utf8'),
) as readonly Answer[];

// Estimates bound what nobody has run yet: a few units more or less refuse nothing.
const near = 16;

// Whole numbers past 2^53 are texts in the record.
const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_, v) =>
      typeof v === 'bigint' ? (Number.isSafeInteger(Number(v)) ? Number(v) : `${v}`) : v,
    ),
  );

test("expressions are compiled, valued and estimated as in Kubernetes' own environment", () => {
  for (const { e, value, none, error, compile: refusal, estimate } of answers) {
    const { program, error: refused } = compile(e, { variables: {} });
    assert.equal(refused?.message, refusal, e);
    if (!program) continue;
    const result = program.evaluate({});
    assert.equal(result.ok ? undefined : result.error.message, error, e);
    if (result.ok) {
      const given = result.value instanceof CelOptional ? result.value.value : result.value;
      if (none) assert.equal(given, undefined, e);
      else assert.deepEqual(plain(toJson(given!)), value, e);
    }
    if (estimate === undefined) continue;
    const { max } = program.estimateCost();
    assert.ok(Math.abs(max - estimate) <= near, `${e}: ${max}, not ${estimate}`);
  }
});

// Operators, and functions that the record cannot hold: they are only there for some expressions, or only here.
const elsewhere = new Set(['jsonpatch.escapeKey']);

test('every function of the libraries is in the record', () => {
  const text = answers.map(({ e }) => e).join('\n');
  const missing = [...functions].flatMap(([name, overloads]) => {
    const isOperator = !/^[a-z]/i.test(name) || overloads.every(o => o.args.some(a => isAuthorizer(a)));
    return isOperator || elsewhere.has(name) || text.includes(`${name}(`) ? [] : [name];
  });
  assert.deepEqual(missing, []);
});

const isAuthorizer = (type: { readonly kind: string; readonly name?: string }): boolean =>
  type.kind === 'opaque' && type.name?.startsWith('kubernetes.authorization') === true;
