import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readYaml } from './yaml-reader.ts';

test('keys that are no texts are refused in the words of sigs.k8s.io/yaml: a template nobody filled in is no object', () => {
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

test('bytes are texts, control characters nothing, and an anchor nobody set is named, as by sigs.k8s.io/yaml', () => {
  assert.deepEqual(readYaml('x: !!binary aGk=\nb: z\n').value, { x: 'hi', b: 'z' });
  assert.throws(() => readYaml('x: "\u0001"\n'), { message: 'yaml: control characters are not allowed' });
  assert.throws(() => readYaml('x: *a\n'), { message: "yaml: unknown anchor 'a' referenced" });
});
