// What is no YAML, told as Go's reader does: recorded from sigs.k8s.io/yaml 1.6.0.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { yamlFault } from './yaml-fault.ts';
import { readYaml } from './yaml-reader.ts';

const faults: readonly [text: string, fault: string][] = [
  ['a: [1', "line 1: did not find expected ',' or ']'"],
  ['metadata:\n\tname: x', 'line 2: found character that cannot start any token'],
  ['a:\n  b: 1\n c: 2\n', 'line 2: did not find expected key'],
  ['a: "unclosed\n', 'line 2: found unexpected end of stream'],
  ["a: 'unclosed\nb: 1\n", 'line 3: found unexpected end of stream'],
  ['a: b: c\n', 'mapping values are not allowed in this context'],
  ['a: 1\nb\n', "line 3: could not find expected ':'"],
  ['a: 1\n- b\n', 'line 1: did not find expected key'],
  ['- a\nb: 1\n', "line 1: did not find expected '-' indicator"],
  ['a: *x\n', "unknown anchor 'x' referenced"],
  ['a: {b: 1\n', "line 1: did not find expected ',' or '}'"],
  ['a: }\n', 'did not find expected node content'],
  ['a: ]\n', 'did not find expected node content'],
  ['a: @x\n', 'found character that cannot start any token'],
  ['a: `x\n', 'found character that cannot start any token'],
  ['a: %x\n', 'found character that cannot start any token'],
  ['%x\n', 'found unknown directive name'],
  ['a: |\n  x\n y\n', 'line 2: did not find expected key'],
  ['a: |x\n', 'did not find expected comment or line break'],
  ['a: "\\q"\n', 'found unknown escape character'],
  ['a: "\\xzz"\n', 'did not find expected hexdecimal number'],
  ['a: &\n', 'did not find expected alphabetic or numeric character'],
  ['a: *\n', 'did not find expected alphabetic or numeric character'],
  ['a: "x" y\n', 'did not find expected key'],
  ["a: 'x' y\n", 'did not find expected key'],
  ['a: [1, 2\nb: 3\n', "line 1: did not find expected ',' or ']'"],
  ['a: {x: 1, y: 2\nb: 3\n', "line 1: did not find expected ',' or '}'"],
  [': x\n', 'did not find expected key'],
  ['a: 1\n  b: 2\n', 'line 2: mapping values are not allowed in this context'],
  ['a:\n- b\n c: 1\n', 'line 3: mapping values are not allowed in this context'],
  ['a:\n  - b\n  c: 1\n', "line 2: did not find expected '-' indicator"],
  ['a: -b\n- c', 'line 1: did not find expected key'],
  ['a\tb: 1\n\tc: 2\n', 'line 2: found a tab character that violates indentation'],
  ['\ta: 1\n', 'found character that cannot start any token'],
  ['a:\n  - b: 1\n   c: 2\n', "line 2: did not find expected '-' indicator"],
  ['a:\n  - b: 1\n\tc: 2\n', 'line 3: found a tab character that violates indentation'],
  ['a: \u0000\n', 'control characters are not allowed'],
  ['a: \u0001\n', 'control characters are not allowed'],
  ['a: 1 # x\n#y\n b: 2\n', 'line 2: did not find expected key'],
  ['a: "b\n\nc: d', 'line 3: found unexpected end of stream'],
  ['key: [a, b]]\n', 'did not find expected key'],
  ['key: {a: b}}\n', 'did not find expected key'],
  ['a: |9\n x', 'line 1: did not find expected key'],
  ['a: |0\n x', 'found an indentation indicator equal to 0'],
  ['a: !<x y\n', "did not find the expected '>'"],
  ['a: !<> y\n', 'did not find expected tag URI'],
  ['%YAML 1.2\n---\na: 1\n', 'found incompatible YAML document'],
  ['%YAML 2.0\n---\na: 1\n', 'found incompatible YAML document'],
  ['%YAML x\n---\na: 1\n', 'did not find expected version number'],
  ['%FOO\n---\na: 1\n', 'found unknown directive name'],
  ['%YAML 1.1\n%YAML 1.1\n---\na: 1\n', 'line 1: found duplicate %YAML directive'],
  ['%YAML 1.1\na: 1\n', 'line 1: did not find expected <document start>'],
  ['a: ,\n', 'did not find expected node content'],
  ['a: [,]\n', 'did not find expected node content'],
  ['a: [1,,2]\n', 'did not find expected node content'],
  ['a: {,}\n', 'did not find expected node content'],
  ['a: [x: y: z]\n', "did not find expected ',' or ']'"],
  ['a: -\n', 'block sequence entries are not allowed in this context'],
  ['-a: -\n', 'block sequence entries are not allowed in this context'],
  ['a: - b\n', 'block sequence entries are not allowed in this context'],
  ['a: ? b\n', 'mapping keys are not allowed in this context'],
  ['a: "x\n---\n"\n', 'line 2: found unexpected document indicator'],
  ['a: {{x}}: y\n', 'mapping values are not allowed in this context'],
  ['a: "x": y\n', 'mapping values are not allowed in this context'],
  ['a: b\n c: d\n', 'line 2: mapping values are not allowed in this context'],
  ['a: b\n  c\nd\n', "line 4: could not find expected ':'"],
  ['metadata:\n  name: x\n spec:\n  a: 1\n', 'line 2: did not find expected key'],
  ['metadata:\n    name: x\n  labels:\n    a: b\n', 'line 2: did not find expected key'],
  ['metadata: name: x\n', 'mapping values are not allowed in this context'],
  ['a: "x\\\n', 'line 2: found unexpected end of stream'],
  ["a: it's\nb: 'x\n", 'line 3: found unexpected end of stream'],
  ['a: b #c\nd:#e\n', "line 3: could not find expected ':'"],
  ['x: &a 1\ny: *b\n', "unknown anchor 'b' referenced"],
  ['[![,', "line 1: did not find expected ',' or ']'"],
  ['[? : ', "line 1: did not find expected ',' or ']'"],
  ['a: b\n[ \n    ]', 'line 1: did not find expected key'],
  ['a: b\n{', "line 3: could not find expected ':'"],
];

test('faults and their lines', () => {
  for (const [text, fault] of faults) assert.equal(yamlFault(text), fault, JSON.stringify(text));
});

test('what Go takes has none', () => {
  for (const text of [
    ...[
      '',
      '~',
      'x',
      '- a\n- b\n',
      'a: 1\nb:\n- c\n- d: |\n    x\n  e: >-\n\n   y\n',
      '  a: 1\nb: 2\n',
      'a: &x [1, {b: *x}]\n',
    ],
    ...[
      '\uFEFFa: 1\n',
      '%YAML 1.1\n--- # x\na: "\\u00e9\\\n  b"\n...\n:',
      "a: 'it''s'\n",
      '? a\n: b\n',
      'a: [x: y, ? z]\n',
      '{a: b}: c\n',
    ],
    ...[
      'a: !!str 1\n',
      'a: !<tag:x> b\n',
      'http://x: //y?z#a\n',
      'a: |2\n  x\n\n  \ty\n',
      'a: b\n  c # d\n\n  #e\n',
      '--- a\n--- b: c: d\n',
    ],
  ])
    assert.equal(yamlFault(text), undefined, JSON.stringify(text));
});

test('depth: as much as can be told', () => {
  assert.equal(yamlFault('a: '.concat('['.repeat(20_000))), undefined);
  assert.equal(yamlFault('- '.repeat(20_000)), undefined);
});

test('keys that are no texts', () => {
  const told = (text: string, message: string) => assert.throws(() => readYaml(text), { name: 'YamlFault', message });
  told('{{ .Values.x }}\n', 'yaml: invalid map key: map[interface {}]interface {}{".Values.x":interface {}(nil)}');
  told(
    '? {b: [1, ~, true, 1.5, "s"], a: {x: null}}\n: b\n',
    'yaml: invalid map key: map[interface {}]interface {}{"a":map[interface {}]interface {}{"x":interface {}(nil)}, "b":[]interface {}{1, interface {}(nil), true, 1.5, "s"}}',
  );
  told('x: &a {b: c}\n*a : d\n', 'yaml: invalid map key: map[interface {}]interface {}{"b":"c"}');
  told('null: x\n', 'unsupported map key of type: %!s(<nil>), key: <nil>, value: "x"');
  told('~:\n', 'unsupported map key of type: %!s(<nil>), key: <nil>, value: <nil>');
});
