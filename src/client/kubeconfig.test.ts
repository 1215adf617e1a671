import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { VirtualClock } from '../base/clock.ts';
import { accessTo, inClusterAccess, loadKubeconfig } from './kubeconfig.ts';

const folder = mkdtempSync(join(tmpdir(), 'k8ts-kubeconfig-'));
after(() => rmSync(folder, { recursive: true }));
const write = (name: string, text: string) => {
  mkdirSync(join(folder, name, '..'), { recursive: true });
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const base64 = (text: string) => Buffer.from(text).toString('base64');

const first = write(
  'first/config',
  `apiVersion: v1
kind: Config
current-context: dev
clusters:
- name: dev
  cluster: {server: 'https://10.0.0.1:6443', certificate-authority: ca.crt, tls-server-name: kubernetes}
contexts:
- name: dev
  context: {cluster: dev, user: admin, namespace: team}
- name: files
  context: {cluster: dev, user: files}
users:
- name: admin
  user: {client-certificate-data: ${base64('CERT')}, client-key-data: ${base64('KEY')}, as: jane, as-groups: [a]}
- name: files
  user: {tokenFile: token}
- name: both
  user: {token: given, username: u, password: p}
`,
);
write('first/ca.crt', 'CA');
const second = write(
  'second/config',
  `current-context: other
clusters:
- name: dev
  cluster: {server: https://ignored}
- name: other
  cluster: {server: https://other, insecure-skip-tls-verify: true}
contexts:
- name: other
  context: {cluster: other, user: both}
`,
);

describe('kubeconfig', () => {
  it('resolves data and files beside the file', () => {
    const { tls, ...access } = accessTo(loadKubeconfig({ path: first }), new VirtualClock());
    assert.deepEqual(tls?.(), { ca: 'CA', cert: 'CERT', key: 'KEY' });
    assert.deepEqual(access, {
      server: 'https://10.0.0.1:6443',
      namespace: 'team',
      ca: 'CA',
      serverName: 'kubernetes',
      cert: 'CERT',
      key: 'KEY',
      impersonate: { user: 'jane', groups: ['a'] },
    });
  });

  it('merges the files of KUBECONFIG, the first wins', () => {
    const env = { KUBECONFIG: `${first}:/does/not/exist:${second}` };
    const config = loadKubeconfig({ env });
    assert.equal(config['current-context'], 'dev');
    assert.equal(config.clusters.length, 2);
    const clock = new VirtualClock();
    assert.equal(accessTo(config, clock).server, 'https://10.0.0.1:6443');
    assert.deepEqual(accessTo(config, clock, { context: 'other', namespace: 'x' }), {
      server: 'https://other',
      namespace: 'x',
      insecureSkipTlsVerify: true,
      token: 'given',
      basic: { username: 'u', password: 'p' },
    });
    assert.throws(() => accessTo(config, clock, { context: 'none' }), /context "none" does not exist/);
    assert.throws(() => accessTo(config, clock, { user: 'none' }), /auth info "none" does not exist/);
  });

  it('looks in the home folder', () => {
    write('home/.kube/config', 'current-context: home\n');
    assert.equal(loadKubeconfig({ env: { HOME: join(folder, 'home') } })['current-context'], 'home');
    const none = loadKubeconfig({ env: { HOME: join(folder, 'nobody') } });
    assert.throws(() => accessTo(none, new VirtualClock()), /no configuration has been provided/);
  });

  it('reads a token file again after a minute', async () => {
    const clock = new VirtualClock();
    const file = write('first/token', 'one\n');
    const { token } = accessTo(loadKubeconfig({ path: first }), clock, { context: 'files' });
    assert.ok(typeof token === 'function');
    assert.equal(await token(), 'one');
    write('first/token', 'two');
    assert.equal(await token(), 'one');
    await clock.advance(60_000);
    assert.equal(await token(), 'two');
    rmSync(file);
    await clock.advance(60_000);
    assert.equal(await token(), 'two');
  });

  it('asks a plugin, and again when its token has expired', async () => {
    const clock = new VirtualClock();
    const version = 'client.authentication.k8s.io/v1';
    const plugin = write(
      'exec/plugin',
      `#!/bin/sh
n=$(cat "$COUNT" 2>/dev/null || echo 0); n=$((n+1)); echo $n > "$COUNT"
echo '{"kind":"ExecCredential","apiVersion":"${version}","status":{"token":"t'$n'","expirationTimestamp":"2026-01-01T01:00:00Z"}}'
`,
    );
    chmodSync(plugin, 0o755);
    const exec = { apiVersion: version, command: './plugin', env: [{ name: 'COUNT', value: join(folder, 'count') }] };
    const path = write(
      'exec/config',
      JSON.stringify({
        clusters: [{ name: 'c', cluster: { server: 'https://x' } }],
        users: [{ name: 'u', user: { exec } }],
        contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
        'current-context': 'c',
      }),
    );
    const { token } = accessTo(loadKubeconfig({ path }), clock);
    assert.ok(typeof token === 'function');
    assert.equal(await token(), 't1');
    assert.equal(await token('t0'), 't1');
    assert.equal(await token('t1'), 't2');
    await clock.advance(3_600_000);
    assert.equal(await token(), 't3');
    const missing = { ...exec, command: '/nowhere/plugin', installHint: 'install it' };
    const config = loadKubeconfig({ path });
    config.users[0]!.user.exec = missing;
    assert.throws(() => accessTo(config, clock), /executable \/nowhere\/plugin not found\n\ninstall it/);
  });

  it('finds the cluster from inside a pod', async () => {
    const clock = new VirtualClock();
    const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' };
    write('pod/token', 'secret');
    write('pod/ca.crt', 'CA');
    write('pod/namespace', 'mine');
    const access = inClusterAccess(clock, env, join(folder, 'pod'));
    assert.equal(access?.server, 'https://[fd00::1]:443');
    assert.equal(access?.namespace, 'mine');
    assert.equal(access?.ca, 'CA');
    const token = access!.token as (refused?: string) => string;
    assert.equal(token(), 'secret');
    write('pod/token', 'renewed');
    assert.equal(token(), 'secret');
    assert.equal(token('secret'), 'renewed');
    assert.equal(inClusterAccess(clock, {}, join(folder, 'pod')), undefined);
  });
});
