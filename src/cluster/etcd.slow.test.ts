// Two control planes on one etcd: processes as `k8ts server` starts them, one of which is killed.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { mainScript } from '../../bin/entry.js';
import type { Draft } from '../api/meta.ts';
import { coordinationV1, coreV1, discoveryV1 } from '../api/refs.ts';
import type { ConfigMap, Service } from '../api/type/core-v1.ts';
import { systemClock } from '../base/clock.ts';
import { freePort } from '../base/test-free-port.ts';
import type { Client } from '../client/client.ts';
import { httpClient } from '../client/http-client.ts';
import { type EtcdProcess, missingEtcd, startEtcd } from '../store/test-etcd.ts';
import type { ServerConfig } from './role.ts';
import { untilWithin } from './test-until.ts';

const missing = await missingEtcd();
const main = mainScript();
const until = untilWithin(40_000);

interface Plane {
  readonly client: Client & { close(): void };
  readonly process: ChildProcess;
  readonly address: string;
}

class Planes {
  readonly directory = mkdtempSync(join(tmpdir(), 'k8ts-planes-'));
  readonly etcd: EtcdProcess;
  readonly planes: Plane[] = [];
  #output = '';

  constructor(etcd: EtcdProcess) {
    this.etcd = etcd;
  }

  async start(name: string, address: string): Promise<Plane> {
    const pkiDirectory = join(this.directory, name, 'pki');
    // Keys are shared as files are: copied.
    if (this.planes[0]) cpSync(join(this.directory, 'a', 'pki'), pkiDirectory, { recursive: true });
    const port = await freePort();
    const config: ServerConfig = {
      cluster: 'test',
      pkiDirectory,
      storeDirectory: join(this.directory, name, 'store'),
      listen: { host: '127.0.0.1', port },
      advertise: { address, port: 6443 },
      serverNames: [],
      serverAddresses: [address],
      podCidr: '10.244.0.0/16',
      serviceCidr: '10.96.0.0/16',
      clusterDomain: 'cluster.local',
      simulatedNodes: 0,
      maxPods: 110,
    };
    const file = join(this.directory, `${name}.json`);
    writeFileSync(file, JSON.stringify(config));
    const args = [main, 'server', '--config', file, '--etcd-servers', this.etcd.url, '--etcd-prefix', '/two'];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    child.stderr!.on('data', (chunk: Buffer) => {
      this.#output = (this.#output + chunk.toString()).slice(-20_000);
    });
    child.on('exit', code => {
      // Nobody ends it but a kill.
      if (code !== null) process.stderr.write(`${name} ended with ${code}: ${this.#output}\n`);
    });
    const read = (file: string) => readFileSync(join(pkiDirectory, file), 'utf8');
    const client = await until(`the keys of ${name}`, async () =>
      httpClient({
        server: `https://127.0.0.1:${port}`,
        ca: read('ca.crt'),
        cert: read('admin.crt'),
        key: read('admin.key'),
        userAgent: 'test',
      }),
    );
    const plane = { client, process: child, address };
    this.planes.push(plane);
    await until(`${name} to serve: ${this.#output}`, async () => {
      if (child.exitCode !== null) throw new Error(`${name} ended: ${this.#output}`);
      return (await client.list(coordinationV1.leases, { namespace: 'kube-system' })).items.length > 0;
    });
    return plane;
  }

  async remove(): Promise<void> {
    for (const { client, process: child } of this.planes) {
      client.close();
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    await this.etcd.remove();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

const leaderOf = async (client: Client, name: string) =>
  (await client.get(coordinationV1.leases, { namespace: 'kube-system', name })).spec?.holderIdentity;

const service = (name: string, port?: number) => ({
  metadata: { name, namespace: 'default' },
  spec: { type: 'NodePort' as const, ports: [{ port: 80, ...(port ? { nodePort: port } : {}) }] },
});

async function seesWrites(a: Client, b: Client): Promise<void> {
  const seen: string[] = [];
  const watch = b.watch(
    coreV1.configmaps,
    { namespace: 'default' },
    {
      onEvent(type, { metadata }) {
        if (metadata.name === 'seen') seen.push(`${type} ${metadata.name}`);
      },
      onClose: () => seen.push('closed'),
    },
  );
  const key = { namespace: 'default', name: 'seen' };
  const made = await a.create(coreV1.configmaps, { metadata: key, data: { a: '1' } });
  // A read through the other server is never older than the write.
  const read = await b.get(coreV1.configmaps, key);
  assert.deepEqual(read, made);
  const changed = await b.update(coreV1.configmaps, { ...read, data: { a: '2' } } as Draft<ConfigMap>);
  await assert.rejects(a.update(coreV1.configmaps, { ...made, data: { a: '3' } } as Draft<ConfigMap>), { code: 409 });
  assert.deepEqual((await a.get(coreV1.configmaps, key)).metadata, changed.metadata);
  await b.delete(coreV1.configmaps, key);
  await assert.rejects(a.get(coreV1.configmaps, key), { code: 404 });
  await until('the watch', async () => seen.length >= 3);
  assert.deepEqual(seen, ['ADDED seen', 'MODIFIED seen', 'DELETED seen']);
  watch.stop();
}

async function allocatesOnce(a: Client, b: Client): Promise<void> {
  const makes = Array.from({ length: 60 }, (_, i) => (i % 2 ? a : b).create(coreV1.services, service(`s${i}`)));
  const made = (await Promise.all(makes)) as Service[];
  const ips = made.map(s => s.spec.clusterIP);
  const ports = made.map(s => s.spec.ports![0]!.nodePort);
  assert.equal(new Set(ips).size, made.length);
  assert.equal(new Set(ports).size, made.length);
  // The same number at both: one gets it.
  const races = await Promise.allSettled([a, b].map((c, i) => c.create(coreV1.services, service(`race${i}`, 30_001))));
  assert.deepEqual(races.map(r => r.status).sort(), ['fulfilled', 'rejected']);
  assert.match(String((races.find(r => r.status === 'rejected') as { reason: unknown }).reason), /already allocated/);
  // What is deleted through one can be had through the other.
  const winner = races[0]!.status === 'fulfilled' ? 'race0' : 'race1';
  await a.delete(coreV1.services, { namespace: 'default', name: winner });
  await b.create(coreV1.services, service('next', 30_001));
}

test('two control planes on one etcd', { skip: missing, timeout: 180_000 }, async t => {
  const planes = new Planes(await startEtcd());
  t.after(() => planes.remove());
  const a = await planes.start('a', '192.0.2.1');
  const b = await planes.start('b', '192.0.2.2');

  await t.test('what is written through one is read and watched through the other', () =>
    seesWrites(a.client, b.client),
  );
  await t.test('no address and no node port is given twice', () => allocatesOnce(a.client, b.client));
  await t.test('both are endpoints of the kubernetes service', async () => {
    await until('two endpoints', async () => {
      const slice = await a.client.get(discoveryV1.endpointslices, { namespace: 'default', name: 'kubernetes' });
      const addresses = (slice.endpoints ?? []).flatMap(e => e.addresses);
      return addresses.join() === '192.0.2.1,192.0.2.2';
    });
  });
  await t.test('a quota holds across both', async () => {
    await a.client.create(coreV1.resourcequotas, {
      metadata: { name: 'few', namespace: 'default' },
      spec: { hard: { 'count/secrets': '5' } },
    });
    await until('the quota to be counted', async () => {
      const quota = await b.client.get(coreV1.resourcequotas, { namespace: 'default', name: 'few' });
      return quota.status?.hard?.['count/secrets'];
    });
    const tries = Array.from({ length: 12 }, (_, i) =>
      (i % 2 ? a : b).client.create(coreV1.secrets, { metadata: { name: `secret${i}`, namespace: 'default' } }),
    );
    const done = await Promise.allSettled(tries);
    assert.equal(done.filter(d => d.status === 'fulfilled').length, 5);
  });
  await t.test('when one is killed the other leads, and answers alone for the API', async () => {
    const first = await until('a leader', () => leaderOf(b.client, 'kube-controller-manager'));
    a.process.kill('SIGKILL');
    await until('another leader', async () => {
      const now = await leaderOf(b.client, 'kube-controller-manager');
      return now && now !== first;
    });
    // Its controllers work.
    await b.client.create(coreV1.namespaces, { metadata: { name: 'after' } });
    await until('the account of a namespace', () =>
      b.client.get(coreV1.serviceaccounts, { namespace: 'after', name: 'default' }),
    );
    await until('one endpoint', async () => {
      const slice = await b.client.get(discoveryV1.endpointslices, { namespace: 'default', name: 'kubernetes' });
      return slice.endpoints?.flatMap(e => e.addresses).join() === '192.0.2.2';
    });
  });
  await t.test('etcd comes back after a crash: nothing acknowledged is lost, the server goes on', async () => {
    const acknowledged: string[] = [];
    let stop = false;
    const write = async (who: number) => {
      for (let i = 0; !stop; i++) {
        const name = `load-${who}-${i}`;
        const made = b.client.create(coreV1.configmaps, { metadata: { name, namespace: 'default' } });
        await made.then(
          () => acknowledged.push(name),
          () => systemClock.sleep(20),
        );
      }
    };
    const writers = Promise.all(Array.from({ length: 8 }, (_, who) => write(who)));
    await until('some writes', async () => acknowledged.length > 50);
    await planes.etcd.kill();
    await planes.etcd.start();
    const before = acknowledged.length;
    await until('writes after the restart', async () => acknowledged.length > before + 50);
    stop = true;
    await writers;
    const { items } = await b.client.list(coreV1.configmaps, { namespace: 'default' });
    const there = new Set(items.map(i => i.metadata.name));
    assert.deepEqual(
      acknowledged.filter(name => !there.has(name)),
      [],
    );
  });
});
