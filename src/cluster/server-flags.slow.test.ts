// `k8ts server` as a program with the flags of kube-apiserver that say what is served.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { mainScript } from '../../bin/entry.js';
import { caller, type Json } from '../apiserver/test-caller.ts';
import { systemClock } from '../base/clock.ts';
import { freePort } from '../base/test-free-port.ts';
import type { ServerConfig } from './role.ts';

const main = mainScript();
const directory = mkdtempSync(join(tmpdir(), 'k8ts-flags-'));
const pkiDirectory = join(directory, 'pki');
const file = join(directory, 'server.json');
const port = await freePort();
const config: ServerConfig = {
  ...{ cluster: 'test', pkiDirectory, storeDirectory: join(directory, 'store') },
  listen: { host: '127.0.0.1', port },
  advertise: { address: '127.0.0.1', port },
  ...{ serverNames: [], serverAddresses: [], podCidr: '10.244.0.0/16', serviceCidr: '10.96.0.0/16' },
  ...{ clusterDomain: 'cluster.local', simulatedNodes: 0, maxPods: 110 },
  runtimeConfig: { 'coordination.k8s.io/v1alpha2': false },
};
writeFileSync(file, JSON.stringify(config));
after(() => rmSync(directory, { recursive: true, force: true }));

function start(...flags: string[]) {
  const child = spawn(process.execPath, [main, 'server', '--config', file, ...flags], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk;
  });
  return { child, said: () => said };
}

test('what is unknown ends it', async () => {
  for (const [flag, why] of [
    ['--feature-gates=NoSuch=true', '--feature-gates: unrecognized feature gate: NoSuch'],
    ['--goaway-chance=0.5', '--goaway-chance can not be less than 0 or greater than 0.02'],
    ['--anonymous-auth=x', 'flag: strconv.ParseBool: parsing'],
    ['--runtime-config=nope.io/v1=true', '--runtime-config: unknown api groups nope.io/v1'],
  ] as const) {
    const { child, said } = start(flag);
    const [code] = await once(child, 'close');
    assert.equal(code, 1, said());
    assert.ok(said().includes(why), said());
  }
});

test('everything is served when all is switched on, but for what the file says by name', async () => {
  const { child, said } = start('--feature-gates=AllAlpha=true,AllBeta=true', '--runtime-config=api/all=true');
  const ended = once(child, 'close');
  try {
    const url = `https://127.0.0.1:${port}`;
    const groups = async () => {
      const [ca, cert, key] = ['ca.crt', 'admin.crt', 'admin.key'].map(f =>
        readFileSync(join(pkiDirectory, f), 'utf8'),
      );
      const api = caller({ url, ca: ca!, cert: cert!, key: key! });
      try {
        await api.expect(200, 'GET', '/readyz');
        return (await api.expect(200, 'GET', '/apis')).groups as Json[];
      } finally {
        api.close();
      }
    };
    let found: Json[] | undefined;
    const endMs = systemClock.monotonic() + 60_000;
    while (!found) {
      found = await groups().catch(() => undefined);
      assert.ok(child.exitCode === null && systemClock.monotonic() < endMs, said());
      if (!found) await systemClock.sleep(100);
    }
    const versions = found.flatMap(g => g.versions.map((v: Json) => v.groupVersion));
    for (const version of [
      'internal.apiserver.k8s.io/v1alpha1',
      'scheduling.k8s.io/v1alpha2',
      'resource.k8s.io/v1alpha3',
    ])
      assert.ok(versions.includes(version), version);
    assert.ok(versions.includes('coordination.k8s.io/v1beta1') && !versions.includes('coordination.k8s.io/v1alpha2'));
  } finally {
    child.kill('SIGTERM');
    await ended;
  }
  assert.match(said(), /Loaded 14 mutating admission controller\(s\) successfully in the following order: Namespace/);
});
