// Beside sigs.k8s.io/yaml 1.6.0, which Kubernetes' servers write with.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readYaml } from '../api/yaml-reader.ts';
import { yamlText } from './yaml-text.ts';

test('texts that would be taken for something else have double quotes, those of syntax single ones', () => {
  const cases: [text: string, written: string][] = [
    ...['a', '.', '..', '-a', 'a:b', 'a#b', '?a', ':a', 'é', '1Gi', '10.0.0.0/8'].map((t): [string, string] => [t, t]),
    ...['~', 'y', 'No', '0o17', '017', '1_000', '.5', '1e3', '1:30', '2020-01-01', '.inf', '<<', '0x1f', ''].map(
      (t): [string, string] => [t, `"${t}"`],
    ),
    ...['a: b', 'a #b', '- a', '? a', 'a:', '!a', '...', '---', '[a', '@a', '`a', '*', ' a', 'a ', '"', '-'].map(
      (t): [string, string] => [t, `'${t}'`],
    ),
    ["'a", "'''a'"],
    ['a\tb', '"a\\tb"'],
  ];
  for (const [text, written] of cases) {
    assert.equal(yamlText({ k: text }), `k: ${written}\n`);
    assert.deepEqual(readYaml(yamlText({ [text]: [text] })).value, { [text]: [text] }, text);
  }
  for (const lines of ['a \nb', ' \n', 'a\nb\n'])
    assert.deepEqual(readYaml(yamlText({ k: [lines] })).value, { k: [lines] });
});

test('what stands in several places is written in each, without anchors', () => {
  const part = { b: 1, a: 'yes' };
  assert.equal(yamlText({ one: part, two: [part] }), 'one:\n  a: "yes"\n  b: 1\ntwo:\n- a: "yes"\n  b: 1\n');
});
