// Two control planes on one etcd, of which the one that leads does not serve jobs. Each has a host name of its own, which
// is what it is known by.
// Runs beside others: processes on loopback with an etcd and files of their own.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { mainScript } from '../../bin/entry.js';
import { type Caller, caller, mergePatch, type Reply } from '../apiserver/test-caller.ts';
import { freePort } from '../base/test-free-port.ts';
import { type EtcdProcess, missingEtcd, startEtcd } from '../store/test-etcd.ts';
import type { ServerConfig } from './role.ts';
import { untilWithin } from './test-until.ts';

const missing = await missingEtcd();
const until = untilWithin(60_000);
const jobs = '/apis/batch/v1/namespaces/x/jobs';

interface Plane {
  readonly process: ChildProcess;
  readonly api: Caller;
}

async function startPlane(directory: string, etcd: EtcdProcess, name: string, ...flags: string[]): Promise<Plane> {
  const pkiDirectory = join(directory, name, 'pki');
  if (name !== 'a') cpSync(join(directory, 'a', 'pki'), pkiDirectory, { recursive: true });
  const port = await freePort();
  const config: ServerConfig = {
    ...{ cluster: 'test', pkiDirectory, storeDirectory: join(directory, name, 'store') },
    listen: { host: '127.0.0.1', port },
    advertise: { address: name === 'a' ? '127.0.0.2' : '127.0.0.3', port: 6443 },
    ...{ serverNames: [], serverAddresses: ['127.0.0.1'], podCidr: '10.244.0.0/16', serviceCidr: '10.96.0.0/16' },
    ...{ clusterDomain: 'cluster.local', simulatedNodes: 0, maxPods: 110 },
  };
  const file = join(directory, `${name}.json`);
  writeFileSync(file, JSON.stringify(config));
  const peer = [`--peer-ca-file=${join(pkiDirectory, 'ca.crt')}`, '--peer-advertise-ip=127.0.0.1'];
  const server = [mainScript(), 'server', '--config', file, '--etcd-servers', etcd.url, ...peer, ...flags];
  const named = ['-u', 'sh', '-c', `hostname peer-${name}; exec "$@"`, 'sh', process.execPath, ...server];
  const child = spawn('unshare', [...named, `--peer-advertise-port=${port}`], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr!.on('data', chunk => {
    said = (said + chunk).slice(-20_000);
  });
  const api = await until(`${name} to serve`, async () => {
    if (child.exitCode !== null) throw new Error(said);
    const [ca, cert, key] = ['ca.crt', 'admin.crt', 'admin.key'].map(f => readFileSync(join(pkiDirectory, f), 'utf8'));
    const made = caller({ url: `https://127.0.0.1:${port}`, ca: ca!, cert: cert!, key: key! });
    if ((await made.send('GET', '/readyz').catch(() => undefined))?.code === 200) return made;
    made.close();
    return undefined;
  });
  return { process: child, api };
}

const answers = (api: Caller, path: string, code: number): Promise<Reply> =>
  until(`${path} to be ${code}`, async () => {
    const reply = await api.send('GET', path);
    return reply.code === code && reply;
  });

test('controllers of a server that lacks a kind leave nothing of it behind', { skip: missing }, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'k8ts-peers-'));
  const etcd = await startEtcd();
  const planes: Plane[] = [];
  try {
    // Who starts first leads.
    const lacking = await startPlane(directory, etcd, 'a', '--runtime-config=batch/v1=false');
    planes.push(lacking);
    assert.equal((await lacking.api.send('GET', jobs)).code, 404);
    const able = await startPlane(directory, etcd, 'b');
    planes.push(able);
    const { api } = lacking;
    await answers(api, jobs, 200);
    const lease = await api.send(
      'GET',
      '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-controller-manager',
    );
    assert.match(lease.object.spec.holderIdentity, /^peer-a_/);

    await api.expect(201, 'POST', '/api/v1/namespaces', { metadata: { name: 'x' } });
    const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } };
    const metadata = { name: 'one', finalizers: ['lab.dev/held'] };
    await api.expect(201, 'POST', jobs, { metadata, spec: { suspend: true, template } });
    await api.expect(200, 'DELETE', '/api/v1/namespaces/x');
    await until('the job to be deleted', async () =>
      Boolean((await able.api.send('GET', `${jobs}/one`)).object.metadata.deletionTimestamp),
    );
    assert.equal((await api.send('GET', '/api/v1/namespaces/x')).code, 200);
    await api.expect(200, 'PATCH', `${jobs}/one`, { metadata: { finalizers: null } }, mergePatch);
    await answers(api, '/api/v1/namespaces/x', 404);
    assert.deepEqual((await able.api.send('GET', '/apis/batch/v1/jobs')).object.items, []);

    able.process.kill('SIGKILL');
    await once(able.process, 'exit');
    const { object } = await answers(api, jobs, 503);
    assert.match(object.message, /^Error while proxying request to destination apiserver: /);
    await answers(api, jobs, 404);
  } finally {
    for (const { process: child, api } of planes) {
      api.close();
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await etcd.remove();
    rmSync(directory, { recursive: true });
  }
});
