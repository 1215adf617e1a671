import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { parse } from 'yaml';
import { readIfThere } from './host/file.ts';
import {
  kubeconfigTarget,
  kubeconfigText,
  mergeKubeconfig,
  planMerge,
  removeFromKubeconfig,
} from './kubeconfig-file.ts';

const cluster = {
  server: 'https://127.0.0.1:6443',
  certificateAuthority: 'CA',
  clientCertificate: 'CERT',
  clientKey: 'KEY',
};
let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'k8ts-kubeconfig-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

test('a new file is private and goes again', async () => {
  const env = { HOME: directory };
  const made = await mergeKubeconfig('k8ts-dev', cluster, env);
  const path = join(directory, '.kube', 'config');
  assert.deepEqual(made, { path, madeFile: true, madeDirectory: true });
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const config = parse(readFileSync(path, 'utf8'));
  assert.equal(config['current-context'], 'k8ts-dev');
  assert.deepEqual(config.contexts, [{ name: 'k8ts-dev', context: { cluster: 'k8ts-dev', user: 'k8ts-dev' } }]);
  assert.equal(config.clusters[0].cluster['certificate-authority-data'], Buffer.from('CA').toString('base64'));
  assert.deepEqual(parse(kubeconfigText('k8ts-dev', cluster)), config);
  await removeFromKubeconfig('k8ts-dev', made, env);
  assert.equal(readIfThere(path), undefined);
  assert.equal(readIfThere(join(directory, '.kube')), undefined);
});

const own = `# mine
apiVersion: v1
kind: Config
clusters:
- name: work # the office
  cluster: {server: https://work.example}
contexts:
- name: work
  context: {cluster: work, user: me}
current-context: work
users:
- name: me
  user: {token: abc}
`;

test('lists come unpacked from this machine, and packed from others', () => {
  const packed = (server: string) =>
    parse(kubeconfigText('x', { ...cluster, server })).clusters[0].cluster['disable-compression'] !== true;
  const here = ['https://127.0.0.1:6443', 'https://localhost:6443', 'https://[::1]:6443'];
  const elsewhere = ['https://10.0.0.1:6443', 'https://127.0.0.1.example:6443', 'https://localhost.example'];
  assert.deepEqual(here.map(packed), [false, false, false]);
  assert.deepEqual(elsewhere.map(packed), [true, true, true]);
});

test("the user's own entries and comments stay", async () => {
  const path = join(directory, 'config');
  writeFileSync(path, own);
  const env = { KUBECONFIG: path };
  await mergeKubeconfig('k8ts-dev', cluster, env);
  await mergeKubeconfig('k8ts-dev', { ...cluster, server: 'https://127.0.0.1:7443' }, env);
  const text = readFileSync(path, 'utf8');
  assert.match(text, /^# mine\n/);
  assert.match(text, /# the office/);
  const merged = parse(text);
  assert.equal(merged.clusters.length, 2);
  assert.equal(merged.clusters[1].cluster.server, 'https://127.0.0.1:7443');
  await removeFromKubeconfig('k8ts-dev', undefined, env);
  const left = parse(readFileSync(path, 'utf8'));
  assert.deepEqual({ ...left, 'current-context': 'work' }, parse(own));
  assert.equal(left['current-context'], '');
});

test('another current context is not ours to unset, and an absent context changes nothing', async () => {
  const path = join(directory, 'config');
  writeFileSync(path, own);
  const env = { KUBECONFIG: path };
  await removeFromKubeconfig('k8ts-dev', undefined, env);
  assert.equal(readFileSync(path, 'utf8'), own);
});

test('the first file that exists, else the last', async () => {
  const [a, b, c] = ['a', 'b', 'c'].map(n => join(directory, n)) as [string, string, string];
  const env = { KUBECONFIG: `${a}:${b}:${c}` };
  assert.equal(kubeconfigTarget(env), c);
  writeFileSync(b, '');
  assert.equal(kubeconfigTarget(env), b);
  assert.equal((await mergeKubeconfig('k8ts-dev', cluster, env)).path, b);
});

test('a file named from here is the same from everywhere', () => {
  assert.equal(planMerge({ KUBECONFIG: 'no-such-config' }).path, join(process.cwd(), 'no-such-config'));
});

test('a link stays a link', async () => {
  mkdirSync(join(directory, 'real'));
  const real = join(directory, 'real', 'config');
  writeFileSync(real, own);
  const link = join(directory, 'link');
  symlinkSync(real, link);
  await mergeKubeconfig('k8ts-dev', cluster, { KUBECONFIG: link });
  assert.equal(parse(readFileSync(real, 'utf8')).clusters.length, 2);
  assert.ok(!statSync(link, { throwIfNoEntry: true }).isSymbolicLink());
});

test('what is no kubeconfig is left alone', async () => {
  const path = join(directory, 'config');
  for (const text of ['a: [1', '- 1\n- 2\n', 'clusters: {a: b}\n', 'users: 5\n']) {
    writeFileSync(path, text);
    const said = /reading kubeconfig .*config: .*; mend it, or name another: KUBECONFIG=FILE$/;
    assert.throws(() => planMerge({ KUBECONFIG: path }), said);
    await assert.rejects(mergeKubeconfig('k8ts-dev', cluster, { KUBECONFIG: path }), said);
    assert.equal(readFileSync(path, 'utf8'), text);
  }
});

test('many at once lose nothing', async () => {
  const path = join(directory, 'config');
  writeFileSync(path, own);
  const names = Array.from({ length: 20 }, (_, i) => `k8ts-${i}`);
  await Promise.all(names.map(n => mergeKubeconfig(n, cluster, { KUBECONFIG: path })));
  assert.equal(parse(readFileSync(path, 'utf8')).contexts.length, 21);
});
