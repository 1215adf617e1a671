// The answers of CoreDNS to the same objects, as test/interop/record-dns.ts wrote them down. Where ours are others on
// purpose, a line says why; times to live and weights are each server's own.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Service } from '../../api/type/core-v1.ts';
import type { EndpointSlice } from '../../api/type/discovery-v1.ts';
import { RecordIndex } from './record-index.ts';
import { type ResourceRecord, resolve, type SrvData, type Zone } from './resolve.ts';

interface Recorded {
  readonly objects: readonly ({ readonly kind: string } & (Service | EndpointSlice))[];
  /** A name, a type, then what was answered. */
  readonly answers: readonly (readonly [string, string, ...string[]])[];
}

const file = new URL('testdata/coredns.json', import.meta.url);
const { objects, answers }: Recorded = JSON.parse(readFileSync(file, 'utf8'));

const differences: readonly (readonly [RegExp, string])[] = [
  [/^(inside|headless)\.\S+ AAAA$/, 'an alias is one for every type, also where its target has no such record'],
  [/^http\.tcp\./, 'names of ports and protocols begin with an underscore'],
  [/^_tcp\.plain\./, 'what has names below it exists, with no records of its own'],
  [/^((d1\.)?(svc|pod)\.)?cluster\.local TXT$/, 'and so for every type'],
  [/^dns\.cluster\.local/, 'ns.dns is below it'],
  [/^dns-version\.cluster\.local/, 'it exists, whatever is asked of it'],
  [/\.arpa (A|AAAA|SRV|CNAME|TXT)$/, 'it exists, with a PTR record'],
  [/^(1-2-3-4|fd00--1)\.d1\.pod\.\S+ SRV$/, 'a pod has no ports'],
  [/^x\.1-2-3-4\.d1\.pod\./, 'there are no names below that of a pod'],
  [/^1\.9\.250\.10\.in-addr\.arpa PTR$/, 'an endpoint whose service is gone has no name'],
  [/^Plain\.\S+ SRV$/, 'the target has the name of the service'],
];

const zone = ((): Zone => {
  const index = new RecordIndex();
  for (const namespace of ['d1', 'd2']) index.putNamespace(namespace);
  for (const o of objects)
    if (o.kind === 'Service') {
      const service = o as Service;
      const { clusterIP } = service.spec;
      index.putService({ ...service, spec: { ...service.spec, ...(clusterIP ? { clusterIPs: [clusterIP] } : {}) } });
    } else index.putSlice(o as EndpointSlice);
  return { domain: 'cluster.local', index, serverAddress: '10.96.0.10', serial: () => 7 };
})();

const text = ({ name, type, data }: ResourceRecord): string => {
  const { port, target } = data as SrvData;
  return `${name} ${type} ${type === 'SRV' ? `${port} ${target}` : data}`;
};

function ours(name: string, type: string): string[] {
  const answer = resolve(zone, name, type);
  if (!answer) return ['NXDOMAIN'];
  return [answer.rcode, ...answer.answers.map(text).sort(), ...answer.additionals.map(r => `+${text(r)}`).sort()];
}

test('answers are those of CoreDNS', () => {
  const used = new Set<RegExp>();
  const wrong: string[] = [];
  for (const [name, type, ...expected] of answers) {
    const [got, wanted] = [ours(name, type).join(' | '), expected.join(' | ')];
    if (got === wanted) continue;
    const [why] = differences.find(([question]) => question.test(`${name} ${type}`)) ?? [];
    if (why) used.add(why);
    else wrong.push(`${name} ${type}: ${got} instead of ${wanted}`);
  }
  assert.deepEqual(wrong, []);
  assert.deepEqual(
    differences.filter(([question]) => !used.has(question)),
    [],
    'no longer different',
  );
});
