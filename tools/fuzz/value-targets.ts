// Readers, selectors, CEL and patches by themselves: each refuses what it cannot take with an error of its own.

import { compile } from '../../src/api/cel/compile.ts';
import { dyn } from '../../src/api/cel/type.ts';
import { normalize, parseJson, parseYaml } from '../../src/api/decode.ts';
import { FieldSelectorError, parseFieldSelector } from '../../src/api/field-selector.ts';
import { parseLabelSelector, SelectorError } from '../../src/api/label-selector.ts';
import { applyJsonPatch } from '../../src/api/patch/json-patch.ts';
import { applyMergePatch } from '../../src/api/patch/merge-patch.ts';
import { applyStrategicMergePatch } from '../../src/api/patch/strategic-merge-patch.ts';
import { decodeProtobuf, encodeProtobuf } from '../../src/api/protobuf.ts';
import { parseQuantity, QuantityError } from '../../src/api/quantity.ts';
import { builtinResources } from '../../src/api/resource.ts';
import { StatusError } from '../../src/api/status.ts';
import { anyValue, type Chance, oddTexts } from './chance.ts';
import { crossTexts, mutateBytes, mutateJson, mutateText } from './mutate.ts';
import { fieldCorpus, fieldWords, labelCorpus, labelWords } from './selector-corpus.ts';
import { allow, type Target, within } from './target.ts';
import { typedObject } from './typed-value.ts';

const kinds = builtinResources().resources.filter(r => r.typeName && r.storagePrefix);
const limitMs = 2000;

const someObject = (c: Chance) => {
  const { kind, typeName, group, version } = c.pick(kinds);
  const apiVersion = group ? `${group}/${version}` : version;
  return { typeName, object: { kind, apiVersion, ...typedObject(c, typeName, 6, 3) } };
};

const json: Target = {
  name: 'json',
  run(c, note) {
    const { typeName, object } = someObject(c);
    const bytes = c.once(3) ? Buffer.from(JSON.stringify(object)) : mutateBytes(c, Buffer.from(JSON.stringify(object)));
    note(bytes.toString('base64'));
    within(limitMs, 'reading JSON', () =>
      allow([StatusError], () => {
        const { value } = parseJson(bytes, { kind: 'Pod' });
        if (value && typeof value === 'object') normalize(typeName, value as never, { unknown: [] });
      }),
    );
  },
};

const yamlCorpus = [
  'a: &x [1, 2]\nb: *x\nc: {d: e}\n',
  'kind: Pod\nmetadata:\n  name: a\n  labels: {app: b}\nspec:\n  containers:\n  - name: c\n    image: "d"\n    args: [|-\n',
  'a: |\n  text\n  more\nb: >-\n  folded\n',
  '? complex\n: value\n',
  '<<: {a: 1}\nx: !!binary dg==\ny: !!str 1\nz: 0o17\nw: 1_000\nv: 2001-01-01\nu: yes\n',
  '---\na: 1\n...\n---\nb: 2\n',
  '%YAML 1.1\n---\n{a: [b, {c: d}], "e": \'f\'}\n',
  'a: &a\n  b: *a\n',
];
const yamlWords = [
  '&a ',
  '*a',
  '!!str ',
  '- ',
  ': ',
  '? ',
  '|',
  '>',
  '<<: ',
  '{',
  '}',
  '[',
  ']',
  '\n',
  '  ',
  '\t',
  '#',
];

const yaml: Target = {
  name: 'yaml',
  run(c, note) {
    const text = c.once(4) ? mutateText(c, JSON.stringify(someObject(c).object)) : crossTexts(c, yamlCorpus, yamlWords);
    note(text);
    within(limitMs, 'reading YAML', () => allow([StatusError], () => void parseYaml(text)));
  },
};

const protobuf: Target = {
  name: 'protobuf',
  run(c, note) {
    const { typeName, object } = someObject(c);
    const clean = decodable(typeName, object);
    if (!clean) return;
    const bytes = encodeProtobuf(typeName, clean as never);
    const broken = mutateBytes(c, bytes);
    if (!c.once(8)) Buffer.from('k8s\0').copy(broken);
    note(broken.toString('base64'));
    within(limitMs, 'reading protobuf', () => allow([StatusError], () => void decodeProtobuf(broken)));
  },
};

/** The object as it would be after decoding; undefined for what would be refused. */
function decodable(typeName: string, object: object): object | undefined {
  try {
    return normalize(typeName, object as never);
  } catch (error) {
    if (error instanceof StatusError) return undefined;
    throw error;
  }
}

const labels: Target = {
  name: 'label-selector',
  run(c, note) {
    const text = crossTexts(c, labelCorpus, labelWords);
    note(text);
    within(limitMs, 'reading a selector', () =>
      allow([SelectorError], () => {
        const selector = parseLabelSelector(text);
        selector.matches({ a: 'b', k: c.pick(oddTexts) });
        parseLabelSelector(String(selector));
      }),
    );
  },
};

const fields: Target = {
  name: 'field-selector',
  run(c, note) {
    const text = crossTexts(c, fieldCorpus, fieldWords);
    note(text);
    within(limitMs, 'reading a selector', () => allow([FieldSelectorError], () => void parseFieldSelector(text)));
  },
};

const celCorpus = [
  'self.spec.replicas <= 5 && has(self.metadata.labels)',
  "self.items.all(i, i.name.startsWith('a')) || self.list.exists_one(x, x > 2)",
  "object.metadata.name.matches('^(a+)+$') ? [1, 2].map(x, x * 2) : dyn([3])",
  "quantity('1Gi').isGreaterThan(quantity('5')) && url('https://a/b').getHost() == 'a'",
  "cidr('10.0.0.0/8').containsIP(ip('10.1.2.3')) && isSemver('1.2.3')",
  "duration('5m') + timestamp('2026-01-01T00:00:00Z') > timestamp('2025-01-01T00:00:00Z')",
  "self.a.?b.orValue('x') + 'abc'.substring(1, 2).replace('b', 'c', -1).split('').join(',')",
  "{'a': 1, 'b': 2}.exists(k, k == 'a') && [1,2,3].filter(x, x % 2 == 0).size() == 1",
  "format.dns1123Label().validate('A').hasValue() && '%s %d %.2f'.format(['a', 1, 2.0]) != ''",
  '[[1,2],[3]].all(l, l.all(x, l.all(y, l.all(z, x + y + z > 0))))',
  "cel.bind(x, 'a'.charAt(0), x + x) == 'aa' && sets.contains([1],[1]) && [3,1].isSorted()",
  '9223372036854775807 - 1 > 0u ? b"\\x00" : bytes("a")',
];
const celWords = [
  ...['self', 'object', '.', '?.', '[', ']', '(', ')', '{', '}', '+', '-', '*', '/', '%', '&&', '||', '!', '==', '<'],
  ...[' in ', ' ? ', ' : ', '1', '1u', '1.5', '"a"', "r'x'", 'b"a"', 'null', 'true', '.map(x, x)', '.all(x, true)'],
  ...['.filter(y, y)', '.size()', '.matches("(a|a)*b")', 'has(self.a)', '[0]', '9223372036854775807', '.exists(k, v)'],
  ...[
    '.findAll("a*")',
    '.lowerAscii()',
    '.join()',
    '.indexOf("a")',
    'int(',
    'string(',
    'type(',
    'dyn(',
    'cel.bind(q, ',
  ],
];
const celValue = {
  spec: { replicas: 3 },
  metadata: { name: `${'a'.repeat(2000)}b`, labels: { a: 'b' } },
  items: Array.from({ length: 200 }, (_, i) => ({ name: `a${i}` })),
  list: Array.from({ length: 500 }, (_, i) => i),
  a: { b: 'c' },
};
const cel: Target = {
  name: 'cel',
  run(c, note) {
    const text = crossTexts(c, celCorpus, celWords);
    note(text);
    within(limitMs, 'compiling and evaluating', () => {
      const { program } = compile(text, { variables: { self: dyn, object: dyn } });
      program?.estimateCost();
      program?.evaluate({ self: celValue, object: c.once(3) ? anyValue(c) : celValue });
    });
  },
};

const quantities: Target = {
  name: 'quantity',
  run(c, note) {
    const words = [
      '1',
      '0',
      '.',
      '-',
      '+',
      'e',
      'E',
      'Ki',
      'Gi',
      'm',
      'u',
      'n',
      'k',
      'P',
      '9'.repeat(30),
      '0'.repeat(40),
    ];
    const text = crossTexts(c, ['1', '100m', '1.5Gi', '1e3', '-5E2', '12345678901234567890', '0.0000001'], words);
    note(text);
    within(limitMs, 'reading a quantity', () =>
      allow([QuantityError], () => {
        const quantity = parseQuantity(text);
        const canonical = quantity.toString();
        const again = parseQuantity(canonical).toString();
        // Few digits with a large exponent are kept, many are capped: Kubernetes does so, too.
        if (again !== canonical && !/^-?9223372036854775807$/.test(again))
          throw new Error(`${canonical} is ${again} when read again`);
      }),
    );
  },
};

const patchWords = ['$patch', '$retainKeys', '$deleteFromPrimitiveList/args', '$setElementOrder/containers'];
const pointers = [
  '',
  '/',
  '/metadata',
  '/spec',
  '/metadata/labels/a',
  '/spec/containers/0',
  '/spec/containers/-',
  '/~1~0',
];
const operations = ['add', 'remove', 'replace', 'move', 'copy', 'test', 'none'];

export const jsonPatchOf = (c: Chance): unknown =>
  c.once(10)
    ? anyValue(c)
    : Array.from({ length: c.below(12) }, () => ({
        op: c.pick(operations),
        path: c.once(8) ? `/${c.pick(oddTexts)}` : c.pick(pointers),
        ...(c.once(2) ? { from: c.pick(pointers) } : {}),
        ...(c.once(2) ? { value: anyValue(c) } : {}),
      }));

/** A merge patch of the object, with words of strategic merge in it. */
export function mergePatchOf(c: Chance, object: unknown): unknown {
  const patch = mutateJson(c, object);
  if (c.once(3)) sprinkle(c, patch);
  return patch;
}

function sprinkle(c: Chance, value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value) && c.once(2))
    (value as Record<string, unknown>)[c.pick(patchWords)] = c.pick<unknown>([
      ...['merge', 'replace', 'delete', 'odd'],
      ...[['a'], [{ name: 'a' }], null, 1],
    ]);
  for (const child of Object.values(value)) if (c.once(2)) sprinkle(c, child);
}

const patches: Target = {
  name: 'patch',
  run(c, note) {
    const { typeName, object } = someObject(c);
    const base = decodable(typeName, object);
    if (!base) return;
    const kind = c.below(3);
    const patch = kind === 0 ? jsonPatchOf(c) : mergePatchOf(c, base);
    const before = JSON.stringify(base);
    note(JSON.stringify({ typeName, base, patch }));
    within(limitMs, 'patching', () =>
      allow([StatusError], () => {
        if (kind === 0) applyJsonPatch(base, patch);
        else if (kind === 1) applyMergePatch(base, patch);
        else applyStrategicMergePatch(typeName, base, patch);
      }),
    );
    if (JSON.stringify(base) !== before) throw new Error('a patch changed the object it was made for');
  },
};

export const valueTargets: readonly Target[] = [json, yaml, protobuf, labels, fields, cel, quantities, patches];
