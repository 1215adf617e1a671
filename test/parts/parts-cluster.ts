// An API server, and each component beside it as a program of its own behind a faulty proxy of its own.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { coordinationV1 } from '../../src/api/refs.ts';
import { systemClock } from '../../src/base/clock.ts';
import { systemRandom } from '../../src/base/random.ts';
import { freePort } from '../../src/base/test-free-port.ts';
import { httpClient } from '../../src/client/http-client.ts';
import { ensurePki } from '../../src/cluster/pki.ts';
import { FaultyProxy, type ProxyOptions } from './faulty-proxy.ts';
import { type Part, startPart, writeKubeconfig } from './part-process.ts';

export interface PartsCluster {
  readonly client: ReturnType<typeof httpClient>;
  readonly parts: Map<string, { part: Part; proxy: FaultyProxy; restarts: number; ending: boolean }>;
  add(name: string): Promise<FaultyProxy>;
  /** Ends all that were added, and forgets them. */
  clear(): Promise<void>;
  stop(): Promise<void>;
}

const users: Readonly<Record<string, string>> = {
  controllers: 'system:kube-controller-manager',
  scheduler: 'system:kube-scheduler',
};

const leaseNames = new Set(['kube-controller-manager', 'kube-scheduler']);

export async function partsCluster(more: object = {}): Promise<PartsCluster> {
  const directory = mkdtempSync(join(tmpdir(), 'k8ts-parts-'));
  const port = await freePort();
  const url = `https://127.0.0.1:${port}`;
  const pkiDirectory = join(directory, 'pki');
  const pki = await ensurePki(pkiDirectory, {
    clock: systemClock,
    random: systemRandom,
    serverNames: [],
    serverAddresses: ['127.0.0.1'],
    serviceClusterIp: '10.96.0.1',
  });
  const config = join(directory, 'server.json');
  writeFileSync(
    config,
    JSON.stringify({
      cluster: 'parts',
      pkiDirectory,
      storeDirectory: join(directory, 'store'),
      listen: { host: '127.0.0.1', port },
      advertise: { address: '127.0.0.1', port },
      serverNames: [],
      serverAddresses: ['127.0.0.1'],
      podCidr: '10.244.0.0/16',
      serviceCidr: '10.96.0.0/12',
      clusterDomain: 'cluster.local',
      components: ['simulated nodes'],
      simulatedNodes: 3,
      behaviours: [
        {
          apiVersion: 'k8ts.dev/v1alpha1',
          kind: 'PodBehaviour',
          metadata: { name: 'work' },
          spec: { selector: { images: ['work'] }, runs: [{ duration: '2s', exitCode: 0 }] },
        },
      ],
      maxPods: 110,
      ...more,
    }),
  );
  const server = startPart('server', ['server', '--config', config]);
  const { certificatePem: cert, keyPem: key } = pki.admin;
  const ca = pki.ca.certificatePem;
  const client = httpClient({ server: url, ca, cert, key });
  const endMs = systemClock.monotonic() + 60_000;
  for (;;) {
    const ready = await client.raw('/readyz').then(
      () => true,
      () => false,
    );
    if (ready) break;
    if (server.child.exitCode !== null || systemClock.monotonic() > endMs) {
      await server.stop('SIGKILL');
      throw new Error(`no server: ${server.said()}`);
    }
    await systemClock.sleep(50);
  }
  const parts: PartsCluster['parts'] = new Map();
  const proxyOptions: ProxyOptions = {
    server: url,
    serving: { cert: pki.apiserver.certificatePem, key: pki.apiserver.keyPem },
    ca,
    frontProxy: { cert: pki.frontProxyClient.certificatePem, key: pki.frontProxyClient.keyPem },
  };
  const end = async () => {
    const gone = [...parts.values()];
    parts.clear();
    for (const entry of gone) entry.ending = true;
    await Promise.all(gone.map(p => p.part.stop('SIGKILL')));
    await Promise.all(gone.map(p => p.proxy.stop()));
  };
  return {
    client,
    parts,
    async add(name) {
      const kind = name.split('-')[0]!;
      const proxy = new FaultyProxy(proxyOptions);
      const { certificatePem, keyPem } = await pki.issueClient({ commonName: users[kind]! });
      const identity = { ca, cert: certificatePem, key: keyPem };
      const kubeconfig = writeKubeconfig(directory, name, await proxy.listen(), identity);
      const all = [kind, '--kubeconfig', kubeconfig, '--status-port', '0'];
      if (kind === 'controllers')
        all.push(
          ...['--cluster-signing-cert-file', join(pkiDirectory, 'ca.crt')],
          ...['--cluster-signing-key-file', join(pkiDirectory, 'ca.key')],
          ...['--service-account-private-key-file', join(pkiDirectory, 'sa.key')],
        );
      const entry = { part: startPart(name, all), proxy, restarts: 0, ending: false };
      parts.set(name, entry);
      // As a kubelet keeps a static pod.
      const keep = () => {
        // Closed: all it said is here.
        entry.part.child.once('close', (code, signal) => {
          if (entry.ending) return;
          entry.restarts++;
          const before = entry.part.said();
          const next = startPart(name, all);
          entry.part = { ...next, said: () => `${before}--- ended with ${code ?? signal}\n${next.said()}` };
          keep();
        });
      };
      keep();
      return proxy;
    },
    async clear() {
      await end();
      // Killed, they could not let go of their leases: who comes next would wait until these have expired.
      const leases = coordinationV1.leases;
      for (const { metadata } of (await client.list(leases, { namespace: 'kube-system' })).items)
        if (leaseNames.has(metadata.name)) await client.delete(leases, metadata);
    },
    async stop() {
      client.close();
      await end();
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
