// Pods that speak for themselves (peer.cjs), and what tests of the network ask them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Container, Service } from '../../src/api/type/core-v1.ts';
import type { ClusterAccess } from '../cluster-access.ts';
import { eventually } from '../lab.ts';

/** The machine's own Node with its libraries: /node/node. */
export const nodeVolumes = [
  ...['/lib', '/lib64'].map(path => ({ name: path.slice(1), hostPath: { path } })),
  { name: 'node', hostPath: { path: dirname(process.execPath) } },
];
export const nodeMounts = nodeVolumes.map(({ name }) => ({ name, mountPath: `/${name}`, readOnly: true }));

const peerVolumes = [
  ...nodeVolumes,
  {
    name: 'peer',
    projected: { sources: [{ configMap: { name: 'peer' } }, { secret: { name: 'porter', optional: true } }] },
  },
];
const peerMounts = [...nodeMounts, { name: 'peer', mountPath: '/peer', readOnly: true }];

/** Runs peer.cjs. */
export const peer = (...ports: number[]): Container => ({
  name: 'main',
  command: ['/node/node', '/peer/peer.cjs', ...ports.map(String)],
  volumeMounts: peerMounts,
  ports: [
    { name: 'http', containerPort: ports[0]! },
    ...(ports[1] ? [{ name: 'other', containerPort: ports[1] }] : []),
  ],
  readinessProbe: { httpGet: { port: ports[0]!, path: '/name' }, periodSeconds: 1 },
});

/** What the pods run; to be there before them. */
export async function installPeer(access: ClusterAccess): Promise<void> {
  const read = (file: string) => [file, readFileSync(join(import.meta.dirname, file), 'utf8')];
  const data = Object.fromEntries(['peer.cjs', 'dig.cjs'].map(read));
  const { code, text } = await access.request('POST', access.path('configmaps'), { metadata: { name: 'peer' }, data });
  assert.ok(code === 201 || code === 409, text);
}

export function peersOf(c: () => ClusterAccess) {
  const speak = (name: string, node: string, app: string, more: object = {}, ports = [8080]) =>
    c().pod(
      name,
      { nodeName: node, terminationGracePeriodSeconds: 1, volumes: peerVolumes, containers: [peer(...ports)], ...more },
      { labels: { app } },
    );
  const client = (name: string, node: string) => speak(name, node, 'client');
  const service = (name: string, spec: Partial<Service['spec']>) =>
    c().create<Service>('services', { metadata: { name }, spec });

  /** What a peer is told when it asks that often, from one of its addresses. */
  const dial = (from: string, to: string, times = 1, source = ''): Promise<string[]> =>
    c().ask('GET', `${c().path('pods', from)}/proxy/dial?times=${times}&from=${source}&to=${encodeURIComponent(to)}`);
  const resolved = (from: string, name: string, type = 'A') =>
    c().ask('GET', `${c().path('pods', from)}/proxy/dns?type=${type}&name=${encodeURIComponent(name)}`);
  /** Waits until that is what the name server says. */
  const resolves = async (from: string, name: string, type: string, wanted: unknown) => {
    let last: unknown;
    await eventually(`${type} of ${name}`, async () => {
      last = await resolved(from, name, type);
      return isDeepStrictEqual(last, wanted);
    }).catch(() => assert.deepEqual(last, wanted, name));
  };
  /** Asks until all of these have answered. */
  const answers = async (from: string, to: string, ...wanted: string[]) => {
    const seen = new Set<string>();
    await eventually(
      `${wanted} at ${to}`,
      async () => {
        for (const text of await dial(from, to, 4)) seen.add(text);
        return wanted.every(w => seen.has(w));
      },
      25_000,
    ).catch(error => assert.fail(`${error}: ${[...seen]}`));
  };
  /** Asks until 15 answers in a row came from these alone, from each of them. */
  const onlyAnswer = async (from: string, to: string, ...wanted: string[]) => {
    let said: string[] = [];
    await eventually(`only ${wanted} at ${to}`, async () => {
      said = await dial(from, to, 15);
      return isDeepStrictEqual(new Set(said), new Set(wanted));
    }).catch(error => assert.fail(`${error}: ${said}`));
  };
  /** Asks until the address is refused or, over UDP, silent. The kernel says little of this a second, so ask once. */
  const nobodyAnswers = (from: string, to: string) =>
    eventually(
      `nobody at ${to}`,
      async () => (await dial(from, to))[0] === (to.startsWith('udp:') ? 'timeout' : 'ECONNREFUSED'),
    );
  /** Asks until so many in a row came from one. */
  const oneAnswers = (from: string, to: string) =>
    eventually(`one at ${to}`, async () => {
      const said = await dial(from, to, 15);
      return new Set(said).size === 1 && !/^[A-Z]|timeout/.test(said[0]!);
    });
  /** Ready, all of them. */
  const ready = (...names: string[]) => Promise.all(names.map(n => c().ready(n)));
  return { speak, client, service, dial, resolved, resolves, answers, onlyAnswer, nobodyAnswers, oneAnswers, ready };
}
