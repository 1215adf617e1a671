// Configuration files, right and wrong, beside what Kubernetes' own module says of them (testdata/README.md).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { messageOf } from '../../base/assert.ts';
import { readAuthenticationConfiguration } from '../authn/configuration.ts';
import { readAuthorizationConfiguration } from '../authz/configuration.ts';
import { readEncryptionConfiguration } from '../encryption/configuration.ts';

interface Answer {
  readonly kind: keyof typeof readers;
  readonly text: string;
  readonly error: string;
}

const readers = {
  authentication: (text: string) => void readAuthenticationConfiguration(text, ['https://own.example']),
  authorization: (text: string) => void readAuthorizationConfiguration(text),
  encryption: (text: string) => void readEncryptionConfiguration(text),
};

// Where our words differ, though both refuse.
const otherWords: readonly [answer: RegExp, why: string][] = [
  [/yaml: (mapping values are|found character that|line 1: did not find)/, 'another YAML reader'],
  [/extraneous input 'y'|expecting \{'\[', '\{', '\(', '\)'/, 'how the parser of expressions recovers'],
  [/applied to '\(any, string, list\(string\)\)'/, 'what claims are called: dyn'],
  [/"Secret":"BwcH/, 'keys are not shown'],
  [/^(.*: )?strict decoding error: unknown field "(jwt|resources)"$/, 'a document of another kind is not looked into'],
];

const context =
  /error while (parsing|loading) file: |error decoding encryption provider configuration file "FILE": |(?<=file) "FILE"/g;

test('configuration files are read and refused as Kubernetes does, word by word', t => {
  const answers = JSON.parse(
    readFileSync(new URL('testdata/answers.json', import.meta.url), 'utf8'),
  ) as readonly Answer[];
  const skipped = new Map<string, number>();
  for (const { kind, text, error } of answers) {
    let said = '';
    try {
      readers[kind](text);
    } catch (thrown) {
      said = messageOf(thrown);
    }
    const why = otherWords.find(([answer]) => answer.test(error))?.[1];
    if (why) skipped.set(why, (skipped.get(why) ?? 0) + 1);
    if (why) assert.notEqual(said, '', text);
    else assert.equal(said, error.replace(context, ''), `${kind}: ${text}`);
  }
  for (const [why, count] of skipped) t.diagnostic(`${count} refused in other words: ${why}`);
});
