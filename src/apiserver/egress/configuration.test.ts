// Against what k8s.io/apiserver says of the same files, recorded by test/interop/access.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { messageOf } from '../../base/assert.ts';
import { readEgressSelectorConfiguration } from './configuration.ts';

interface Recorded {
  readonly cases: readonly {
    readonly text: string;
    readonly read: string;
    readonly faults: readonly string[] | null;
  }[];
}

const recorded: Recorded = JSON.parse(readFileSync(new URL('testdata/configurations.json', import.meta.url), 'utf8'));
const otherReader = /^yaml: (line 1: did not find|line \d+: found character that)/;

test('egress selectors are read and refused as Kubernetes does, word by word', () => {
  for (const { text, read, faults } of recorded.cases) {
    let said = '';
    try {
      readEgressSelectorConfiguration(text);
    } catch (error) {
      said = messageOf(error);
    }
    const all = faults && (faults.length === 1 ? faults[0] : `[${faults.join(', ')}]`);
    if (otherReader.test(read)) assert.notEqual(said, '', text);
    else assert.equal(said, read || (all ?? ''), text);
  }
});

test('names are those of the networks, however they are written', () => {
  const selections = ['Master', 'ETCD'].map(name => `- {name: ${name}, connection: {proxyProtocol: Direct}}`);
  const text = `apiVersion: apiserver.k8s.io/v1beta1\nkind: EgressSelectorConfiguration\negressSelections:\n`;
  assert.deepEqual([...readEgressSelectorConfiguration(text + selections.join('\n')).keys()], ['controlplane', 'etcd']);
});
