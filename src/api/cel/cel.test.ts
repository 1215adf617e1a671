import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { CelEnvironment, CelProgram } from './cel.ts';
import { estimateExcess } from './cel.ts';
import { compile } from './compile.ts';
import { authorizerValue } from './lib/authorizer.ts';
import { celTypeOfKind, celTypeOfSchema, escapeName } from './schema.ts';
import * as t from './type.ts';
import { toJson } from './value.ts';

function program(expression: string, variables: CelEnvironment['variables'] = {}): CelProgram {
  const { program, error } = compile(expression, { variables, bindings: true });
  assert.ok(program, error?.message ?? expression);
  return program;
}

function evaluate(expression: string, bindings: Record<string, unknown> = {}): unknown {
  const variables = Object.fromEntries(Object.keys(bindings).map(k => [k, t.dyn]));
  const result = program(expression, variables).evaluate(bindings);
  return result.ok ? toJson(result.value) : `error: ${result.error.message}`;
}

function refusal(expression: string, variables: CelEnvironment['variables'] = {}): string {
  const { error } = compile(expression, { variables, bindings: true });
  assert.ok(error, `${expression} compiles`);
  return error.message;
}

test("Kubernetes' libraries", () => {
  const cases: [string, unknown][] = [
    ['[1, 2, 2].isSorted() && ![2, 1].isSorted()', true],
    ['[1, 2, 3].sum() == 6 && [1.5, 2.0].sum() == 3.5', true],
    ['[duration("1m"), duration("1s")].sum() == duration("61s")', true],
    ['[3, 1, 2].max() - [3, 1, 2].min()', 2],
    ['["a", "b", "a"].indexOf("a") + ["a", "b", "a"].lastIndexOf("a")', 2],
    ['"abc 123 456".find("[0-9]+")', '123'],
    ['"abc 123 456".findAll("[0-9]+")', ['123', '456']],
    ['"1 2 3".findAll("[0-9]+", 2)', ['1', '2']],
    ['"1, 2".findAll("[0-9]*")', ['1', '', '2']],
    ['"a".findAll("x*")', ['', '']],
    ['url("https://example.com/path with spaces/").getEscapedPath()', '/path%20with%20spaces/'],
    ['isURL("https://exa mple.com/")', false],
    ['quantity("50k").add(20).sub(quantity("100k")).sub(-50000).asInteger()', 20],
    ['url("https://user@example.com:8080/a%20b?x=1&x=2&y=").getHost()', 'example.com:8080'],
    ['url("https://[::1]:80/p").getHostname() + url("https://[::1]:80/p").getPort()', '::180'],
    ['url("https://example.com/a?x=1&x=2&y").getQuery()', { x: ['1', '2'], y: [''] }],
    ['isURL("/absolute-path") && !isURL("../relative") && !isURL("https://a:b:c/")', true],
    ['ip("127.0.0.1").isLoopback() && ip("::1").family() == 6', true],
    ['ip.isCanonical("2001:db8::1") && !ip.isCanonical("2001:DB8::1")', true],
    ['!isIP("1.2.3") && !isIP("::ffff:1.2.3.4") && isIP("10.0.0.1")', true],
    ['cidr("192.168.0.0/16").containsIP("192.168.7.1")', true],
    ['cidr("192.168.0.0/16").containsCIDR(cidr("192.168.4.0/24"))', true],
    ['string(cidr("192.168.3.4/24").masked())', '192.168.3.0/24'],
    ['quantity("1.5Gi").isGreaterThan(quantity("1G"))', true],
    ['quantity("50k").add(20).asInteger()', 50020],
    ['isQuantity("20") && !isQuantity("20XB")', true],
    ['semver("1.2.3-alpha.1").isLessThan(semver("1.2.3")) && semver("v1.2", true).minor() == 2', true],
    ['isSemver("1.0") || isSemver("01.0.0")', false],
    ['format.dns1123Label().validate("a-b").hasValue()', false],
    ['format.named("dns1123Label").value().validate("A_B").value().size()', 1],
    ['sets.contains([1, 2, 3], [3, 1]) && sets.equivalent([1, 1], [1]) && !sets.intersects([1], [2])', true],
    ['jsonpatch.escapeKey("k8s.io/my~key")', 'k8s.io~1my~0key'],
    ['optional.of(1).orValue(1 / 0) + optional.none().or(optional.of(2)).value()', 3],
    ['{"a": 1, "b": 2}.transformMap(k, v, v * 2)', { a: 2, b: 4 }],
    ['[5, 6].transformList(i, v, i == 1, v)', [6]],
    ['["x"].transformMapEntry(i, v, {v: i})', { x: 0 }],
  ];
  for (const [expression, expected] of cases) assert.deepEqual(evaluate(expression), expected, expression);
});

test('long texts that are no number and no address are known for it in a single look', () => {
  const began = performance.now();
  const of = (s: string, expression: string) => String(evaluate(expression, { s }));
  assert.match(of(`${'1'.repeat(100_000)}!`, 'double(s)'), /invalid syntax/);
  assert.equal(of('a:'.repeat(50_000), 'isIP(s)'), 'false');
  assert.ok(performance.now() - began < 1000);
});

test('errors at run time are worded as clients know them', () => {
  const object = { spec: { replicas: 3, items: [1] } };
  assert.equal(evaluate('object.spec.missing', { object }), 'error: no such key: missing');
  assert.equal(evaluate('object.spec.items[3]', { object }), 'error: index out of bounds: 3');
  assert.equal(evaluate('object.spec.replicas / 0', { object }), 'error: division by zero');
  assert.equal(evaluate('object.spec.replicas + "x"', { object }), 'error: no such overload');
  assert.equal(evaluate('oldObject.spec', { oldObject: null }), 'error: no such key: spec');
  assert.equal(evaluate('has(object.spec.x) || object.spec.x > 1 || true', { object }), true);
});

test('what does not compile says where', () => {
  assert.equal(
    refusal('object.foo > 1', { object: t.objectType('Thing', () => new Map()) }),
    "ERROR: <input>:1:7: undefined field 'foo'\n | object.foo > 1\n | ......^",
  );
  assert.match(refusal('x'), /^ERROR: <input>:1:1: undeclared reference to 'x' \(in container ''\)/);
  assert.match(refusal('1 + "a"'), /found no matching overload for '_\+_' applied to '\(int, string\)'/);
  assert.match(refusal('[1, "a"]'), /expected type 'int' but found 'string'/);
  // What could be anything is not of one type with the rest; one mismatch a literal is enough, none where all else is wrong.
  assert.match(
    refusal('["a", x, 1]', { x: t.dyn }),
    /^ERROR: <input>:1:7: expected type 'string' but found 'dyn'\n[^E]*$/,
  );
  assert.match(refusal('{"a": x, "b": 1}', { x: t.dyn }), /:1:15: expected type 'dyn' but found 'int'/);
  assert.match(refusal('[[1], [dyn(1)]]'), /:1:7: expected type 'list\(int\)' but found 'list\(dyn\)'/);
  assert.match(refusal('[null, x]', { x: t.dyn }), /:1:8: expected type 'null' but found 'dyn'/);
  assert.doesNotMatch(refusal('["a", 1, y]'), /expected type/);
  for (const sound of ['[[], [1]]', '[[1], []]', '[{}, {"a": 1}]', '[?optional.of(1), 2]', '"%s %d".format(["a", 1])'])
    assert.ok(program(sound).evaluate({}).ok, sound);
  assert.match(refusal('1 +'), /Syntax error: mismatched input '<EOF>'/);
  assert.match(refusal('"a".matches("(")'), /invalid matches argument/);
  assert.match(refusal(`${'('.repeat(300)}1${')'.repeat(300)}`), /recursion limit exceeded: 250/);
  assert.match(refusal(Array(3000).fill('1').join(' + ')), /recursion limit exceeded: 1000/);
  const chain = program(Array(900).fill('1').join(' + '));
  assert.ok(chain.evaluate({}).ok && chain.estimateCost().max > 0);
  assert.match(refusal('a'.repeat(100_001)), /code point size exceeds limit/);
});

test('schemas give types, escaped names and sizes', () => {
  const self = celTypeOfSchema(
    {
      type: 'object',
      properties: {
        replicas: { type: 'integer' },
        'my-name': { type: 'string', maxLength: 10 },
        when: { type: 'string', format: 'date-time' },
        ports: { type: 'array', maxItems: 5, items: { type: 'string', maxLength: 4 } },
        blob: { 'x-kubernetes-preserve-unknown-fields': true },
        port: { 'x-kubernetes-int-or-string': true },
      },
    },
    true,
  )!;
  const value = { replicas: 2, 'my-name': 'n', when: '2020-01-01T00:00:00Z', ports: ['a', 'b'], port: '80' };
  const run = (e: string) => program(e, { self }).evaluate({ self: value });
  assert.equal(run('self.replicas > 1 && self.my__dash__name == "n"').ok, true);
  assert.deepEqual(toJson((run('self.when.getFullYear()') as { value: bigint }).value), 2020);
  assert.match(refusal('self.blob', { self }), /undefined field 'blob'/);
  assert.match(refusal('self.replicas == "x"', { self }), /no matching overload/);
  assert.equal(program('self.metadata.name', { self }).type.kind, 'string');
  assert.equal(program('self.ports.all(p, p != "x")', { self }).estimateCost().max, 3 + 5 * 5);
  assert.equal(escapeName('a__b.c'), 'a__underscores__b__dot__c');
  assert.equal(escapeName('for'), '__for__');
});

test('lists that are sets or maps compare and add as such', () => {
  const self = celTypeOfSchema({
    type: 'object',
    properties: {
      a: { type: 'array', items: { type: 'integer' }, 'x-kubernetes-list-type': 'set' },
      b: { type: 'array', items: { type: 'integer' }, 'x-kubernetes-list-type': 'set' },
      m: {
        type: 'array',
        items: { type: 'object', properties: { k: { type: 'string' }, v: { type: 'integer' } } },
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['k'],
      },
    },
  })!;
  const value = {
    a: [1, 2, 3],
    b: [3, 1, 2],
    m: [
      { k: 'x', v: 1 },
      { k: 'y', v: 2 },
    ],
  };
  const run = (e: string, bound: object = value) => {
    const result = program(e, { self, other: self }).evaluate({ self: value, other: bound });
    return result.ok ? toJson(result.value) : result.error.message;
  };
  assert.equal(run('self.a == self.b'), true);
  assert.deepEqual(run('self.a + [3, 4]'), [1, 2, 3, 4]);
  const m = [
    { k: 'y', v: 9 },
    { k: 'z', v: 3 },
  ];
  assert.deepEqual(run('(self.m + other.m).map(e, e.k + string(e.v))', { m }), ['x1', 'y9', 'z3']);
  assert.equal(run('self.m == other.m', { m: value.m.toReversed() }), true);
});

test('estimates grow with what schemas allow, and are no less than what is spent', () => {
  const self = celTypeOfSchema({ type: 'array', items: { type: 'array', items: { type: 'string' } } })!;
  const nested = program('self.all(x, x.all(y, y.contains("abc")))', { self });
  assert.equal(estimateExcess(nested.estimateCost().max, 1e7), 'more than 100x');
  assert.equal(estimateExcess(1.23e7, 1e7), '1.230000x');
  assert.equal(estimateExcess(2.345e8, 1e7), '23.4x');
  // What definitions in the wild say of objects, strings and lists without bounds.
  const wild = celTypeOfSchema({
    type: 'object',
    properties: {
      name: { type: 'string' },
      ref: { type: 'object', properties: { kind: { type: 'string' } } },
      listeners: {
        type: 'array',
        maxItems: 64,
        items: { type: 'object', properties: { name: { type: 'string', maxLength: 253 } } },
      },
      labels: { type: 'object', additionalProperties: { type: 'string' } },
      list: { type: 'array', items: { type: 'string' } },
    },
  })!;
  for (const e of [
    'self == oldSelf',
    'self.ref == oldSelf.ref',
    'has(self.ref) == has(oldSelf.ref)',
    'self.name == oldSelf.name',
    "self.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
    'self.listeners.all(l1, self.listeners.exists_one(l2, l1.name == l2.name))',
    "!has(self.labels) || !('a' in self.labels)",
    "self.list.all(x, x.startsWith('a'))",
    'self.list == oldSelf.list',
  ])
    assert.ok(program(e, { self: wild, oldSelf: wild }).estimateCost().max < 1e7, e);
  const small = celTypeOfSchema({ type: 'array', maxItems: 3, items: { type: 'string', maxLength: 5 } })!;
  for (const e of [
    'self.map(x, x + "a").exists(y, y == "b")',
    'self.all(x, x in self)',
    'self.filter(x, x < "b").size()',
  ]) {
    const p = program(e, { self: small });
    const spent = p.evaluate({ self: ['aaaaa', 'bbbbb', 'ccccc'] }).cost;
    assert.ok(spent <= p.estimateCost().max, `${e}: ${spent} > ${p.estimateCost().max}`);
  }
});

test('texts that are made anew are paid for twice, and one character of a text is not', () => {
  const self = 'x'.repeat(2000);
  const cost = (e: string) => program(e, { self: t.string }).evaluate({ self }).cost;
  for (const e of ["self.split('/')", "self.split('/', 2)", "self.replace('b', 'c')"]) assert.equal(cost(e), 401, e);
  assert.equal(cost('self.lowerAscii()'), 201);
  for (const e of ['self.charAt(0)', 'string(self)']) assert.equal(cost(e), 2, e);
});

test('no expression gets past the limit', () => {
  const big = 'x'.repeat(1000);
  const hundred = `[${Array.from({ length: 100 }, (_, i) => i).join(',')}]`;
  const doubled = (n: number, last: string): string =>
    Array.from({ length: n }, (_, i) => `cel.bind(v${i + 1}, v${i} + v${i}, `).join('') + last + ')'.repeat(n);
  const attacks = [
    `l.all(a, l.all(b, l.all(c, l.all(d, l.all(e, true)))))`,
    `l.map(a, l.map(b, l.map(c, l.map(d, a))))`,
    `cel.bind(v0, [1], ${doubled(60, 'v60 == v60')})`,
    `cel.bind(v0, [1], ${doubled(60, 'v60.sum() > 0')})`,
    `cel.bind(v0, "${big}", ${doubled(30, 'v30 == "a"')})`,
    `"${big}".replace("x", "${big}").replace("x", "${big}").replace("x", "${big}").size() > 0`,
    `l.all(a, l.all(b, l.all(c, ${Array(200).fill('true').join(' && ')})))`,
    `l.map(a, "${big}").join("").split("").join("${big}").split("").size() > 0`,
  ];
  for (const attack of attacks) {
    const l = JSON.parse(hundred) as number[];
    const result = program(attack, { l: t.dyn }).evaluate({ l }, { costLimit: 100_000 });
    assert.equal(result.ok, false, attack.slice(0, 60));
    assert.equal(!result.ok && result.error.message, 'operation cancelled: actual cost limit exceeded');
  }
  // Work that Kubernetes' units do not see.
  const long = 'ab'.repeat(50_000);
  const object = { long, digits: '9'.repeat(1_000_000), pattern: '(.?){1000}[xy]', keys: { [long]: 'x' } };
  for (const attack of [
    'object.long.matches(object.pattern)',
    'object.long.matches("a{1000}".replace("a", "(a{1000})"))',
    'int(object.digits) > 0',
    'l.all(a, l.all(b, object.digits.size() > 0 && object.digits.size() > 1))',
    'l.all(a, l.all(b, object.digits in object.keys || object.long in object.keys))',
    'l.all(a, l.all(b, timestamp("2020-01-01T00:00:00Z").getHours("Europe/Paris") > 0))',
    'object.long.matches("((a{100}){100}){100}")',
    'quantity("1e999999999").isInteger()',
  ]) {
    const l = JSON.parse(hundred) as number[];
    const { program: made } = compile(attack, { variables: { l: t.dyn, object: t.dyn }, bindings: true });
    const before = process.cpuUsage().user;
    made?.evaluate({ l, object }, { costLimit: 100_000 });
    const ms = (process.cpuUsage().user - before) / 1000;
    assert.ok(ms < 2000, `${attack}: ${ms} ms`);
  }
  // Patterns that would make a backtracking matcher run for years.
  assert.equal(evaluate(`"${'a'.repeat(5000)}!".matches("^(a+)+$")`), false);
});

test('one variable is read once, and only when asked for', () => {
  let asked = 0;
  const x = () => ++asked;
  assert.equal(program('x + x', { x: t.int }).evaluate({ x }).ok, true);
  assert.equal(program('true || x > 1', { x: t.int }).evaluate({ x }).ok, true);
  assert.equal(asked, 1);
});

test('the authorizer answers', () => {
  const asked: unknown[] = [];
  const authorizer = authorizerValue(question => {
    asked.push(question);
    return { allowed: question.verb === 'get', reason: 'because', error: '' };
  });
  const p = program(
    'authorizer.group("apps").resource("deployments").namespace("n").name("d").check("get").allowed() && ' +
      '!authorizer.serviceAccount("n", "sa").path("/healthz").check("post").allowed()',
    { authorizer: t.opaque('kubernetes.authorization.Authorizer') },
  );
  const result = p.evaluate({ authorizer });
  assert.deepEqual(result.ok && result.value, true);
  assert.ok(result.cost >= 700_000);
  assert.partialDeepStrictEqual(asked, [
    { group: 'apps', resource: 'deployments', namespace: 'n', name: 'd', verb: 'get' },
    { serviceAccount: { namespace: 'n', name: 'sa' }, path: '/healthz', verb: 'post' },
  ]);
});

test('built-in kinds are checked field by field', () => {
  const object = celTypeOfKind('io.k8s.api.apps.v1.Deployment');
  assert.equal(program('object.spec.replicas > 5', { object }).type.kind, 'bool');
  assert.match(refusal('object.spec.replicaz > 5', { object }), /undefined field 'replicaz'/);
  assert.ok(program('object.metadata.labels["a"] == "b"', { object }));
});

test('arbitrary text neither throws nor hangs', () => {
  const piece = fc.constantFrom(
    ...'( ) [ ] { } . , ? : + - * / % ! && || == < in x size "a" 1 2u 3.5 has all map ` \\ \' \n'.split(' '),
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string({ maxLength: 3 })), { maxLength: 25 }), pieces => {
      const { program } = compile(pieces.join(' '), { variables: { x: t.dyn } });
      program?.evaluate({ x: [1, { a: 'b' }] }, { costLimit: 10_000 });
    }),
    { numRuns: 1500 },
  );
});
