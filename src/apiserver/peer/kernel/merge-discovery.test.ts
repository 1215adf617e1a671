// Against what k8s.io/apiserver made of the same servers, recorded by test/interop/access.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type GroupEntry, mergeGroups, nameOf } from './merge-discovery.ts';

interface Recorded {
  readonly merges: readonly { id: string; local: string; peers: Record<string, string>; merged: string }[];
  readonly wholes: readonly {
    id: string;
    local: readonly GroupEntry[];
    peers: Record<string, readonly GroupEntry[]>;
    merged: readonly GroupEntry[];
  }[];
}

const recorded: Recorded = JSON.parse(readFileSync(new URL('../testdata/discovery.json', import.meta.url), 'utf8'));

/** From `apps v1 a,b:get|v2! c; batch v1`. */
const groupsOf = (text: string): GroupEntry[] =>
  text
    .split('; ')
    .filter(Boolean)
    .map(part => {
      const [name = '', ...rest] = part.trim().split(/ (.*)/);
      return { metadata: { name }, versions: rest[0]!.split('|').map(versionOf) };
    });

function versionOf(text: string) {
  const [version = '', resources = ''] = text.split(' ');
  const entries = resources.split(',').filter(Boolean);
  return {
    version: version.replace('!', ''),
    freshness: version.endsWith('!') ? 'Stale' : 'Current',
    resources: entries.map(entry => {
      const [resource = '', verb] = entry.split(':');
      return { resource, ...(verb ? { verbs: verb.split('+') } : {}) };
    }),
  };
}

const textOf = (groups: readonly GroupEntry[]): string =>
  groups
    .map(group => {
      const versions = group.versions.map(({ version, freshness, resources = [] }) => {
        const entries = resources.map(r => `${r.resource}:${(r.verbs ?? []).join('+')}`.replace(/:$/, ''));
        return `${version}${freshness === 'Stale' ? '!' : ''} ${entries.join(',')}`.trim();
      });
      return `${nameOf(group)} ${versions.join('|')}`;
    })
    .join('; ');

test('groups, versions, resources and verbs of several servers are in the order of k8s.io/apiserver', () => {
  for (const { id, local, peers, merged } of recorded.merges) {
    const servers = new Map(Object.entries({ ...peers, [id]: local }).map(([name, text]) => [name, groupsOf(text)]));
    assert.equal(textOf(mergeGroups(servers)), merged, JSON.stringify({ id, local, peers }));
  }
});

test('of a resource that servers describe differently', () => {
  for (const { id, local, peers, merged } of recorded.wholes)
    assert.deepEqual(mergeGroups(new Map(Object.entries({ ...peers, [id]: local }))), merged, JSON.stringify(local));
});
