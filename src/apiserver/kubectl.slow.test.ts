// The stock kubectl against the API server: what the official suite does with it, where no node is needed.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { kubectlFor } from './test-request.ts';
import { startTestServer, type TestServer } from './test-server.ts';

let server: TestServer;
let kubectl: ReturnType<typeof kubectlFor>;
before(async () => {
  server = await startTestServer();
  kubectl = kubectlFor(server);
  await kubectl.run(['create', 'serviceaccount', 'default']);
});
after(async () => {
  kubectl.cleanup();
  await server.stop();
});

async function run(args: string, input?: string): Promise<string> {
  const { code, out, err } = await kubectl.run(args.split(' '), input);
  assert.equal(code, 0, `kubectl ${args}: ${err}`);
  return out + err;
}
const json = (object: object) => JSON.stringify(object);
const pod = (name: string, labels = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels },
  spec: { containers: [{ name: 'c', image: 'registry.example/web:1' }] },
});
const deployment = (image: string) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'httpd' },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: 'httpd' } },
    template: { metadata: { labels: { app: 'httpd' } }, spec: { containers: [{ name: 'c', image }] } },
  },
});
const rc = {
  apiVersion: 'v1',
  kind: 'ReplicationController',
  metadata: { name: 'agnhost', labels: { app: 'agnhost' } },
  spec: {
    replicas: 1,
    selector: { app: 'agnhost' },
    template: {
      metadata: { labels: { app: 'agnhost' } },
      spec: { containers: [{ name: 'c', image: 'registry.example/web:1', ports: [{ containerPort: 6379 }] }] },
    },
  },
};

test('[sig-cli] Kubectl client Kubectl api-versions should check if v1 is in available api versions', async () => {
  const versions = (await run('api-versions')).trim().split('\n');
  assert.ok(versions.includes('v1'));
  assert.ok(versions.includes('apps/v1'));
  assert.match(await run('api-resources --verbs=list -o name'), /^deployments\.apps$/m);
});

test('[sig-cli] Kubectl client Kubectl cluster-info should check if Kubernetes control plane services is included in cluster-info', async () => {
  const out = (await run('cluster-info')).replace(/\x1b\[[\d;]*m/g, '');
  assert.match(out, /Kubernetes control plane is running at https:\/\//);
});

test('[sig-cli] Kubectl client Kubectl version should check is all data is printed', async () => {
  const out = await run('version');
  for (const line of ['Client Version: v1', 'Kustomize Version: v', 'Server Version: v1.36'])
    assert.ok(out.includes(line), out);
});

test('[sig-cli] Kubectl client Kubectl diff should check if kubectl diff finds a difference for Deployments', async () => {
  await run('create -f -', json(deployment('httpd:1')));
  const { code, out } = await kubectl.run(['diff', '-f', '-'], json(deployment('busybox:2')));
  assert.equal(code, 1);
  assert.match(out, /^-.*image: httpd:1$/m);
  assert.match(out, /^\+.*image: busybox:2$/m);
  const same = await kubectl.run(['diff', '-f', '-'], json(deployment('httpd:1')));
  assert.equal(same.code, 0, same.out + same.err);
});

test('[sig-cli] Kubectl client Kubectl server-side dry-run should check if kubectl can dry-run update Pods', async () => {
  await run('run dry --image=registry.example/web:1 --labels=run=dry');
  await run('patch pod dry --dry-run=server -p {"spec":{"containers":[{"name":"dry","image":"other"}]}}');
  assert.equal(await run('get pod dry -o jsonpath={.spec.containers[0].image}'), 'registry.example/web:1');
});

test("[sig-cli] Kubectl client Kubectl replace should update a single-container pod's image", async () => {
  await run('run swap --image=registry.example/web:1');
  const read = JSON.parse(await run('get pod swap -o json'));
  read.spec.containers[0].image = 'busybox';
  await run('replace -f -', json(read));
  assert.equal(await run('get pod swap -o jsonpath={.spec.containers[0].image}'), 'busybox');
});

test('[sig-cli] Kubectl client Kubectl run pod should create a pod from an image when restart is Never', async () => {
  await run('run once --restart=Never --image=registry.example/web:1');
  assert.equal(await run('get pod once -o jsonpath={.spec.restartPolicy}'), 'Never');
  await run('delete pod once --wait=false');
});

test('[sig-cli] Kubectl client Kubectl label should update the label on a resource', async () => {
  await run('create -f -', json(pod('pause', { name: 'pause' })));
  await run('label pods pause testing-label=testing-label-value');
  assert.match(await run('get pod pause -L testing-label'), /testing-label-value/);
  await run('label pods pause testing-label-');
  assert.doesNotMatch(await run('get pod pause -L testing-label'), /testing-label-value/);
  await run('annotate pods pause a=b');
  assert.equal(await run('get pod pause -o jsonpath={.metadata.annotations.a}'), 'b');
});

test('[sig-cli] Kubectl client Kubectl patch should add annotations for pods in rc', async () => {
  await run('create -f -', json(rc));
  await run('create -f -', json(pod('of-rc', { app: 'agnhost' })));
  await run('patch pod of-rc -p {"metadata":{"annotations":{"x":"y"}}}');
  assert.equal(await run('get pod of-rc -o jsonpath={.metadata.annotations.x}'), 'y');
});

test('[sig-cli] Kubectl client Kubectl expose should create services for rc', async () => {
  await run('expose rc agnhost --name=rm2 --port=1234 --target-port=6379');
  assert.equal(
    await run('get service rm2 -o jsonpath={.spec.ports[0].port}:{.spec.ports[0].targetPort}:{.spec.selector.app}'),
    '1234:6379:agnhost',
  );
  await run('expose service rm2 --name=rm3 --port=2345 --target-port=6379');
  assert.equal(await run('get service rm3 -o jsonpath={.spec.ports[0].port}'), '2345');
});

test('[sig-cli] Kubectl client Kubectl describe should check if kubectl describe prints relevant information for rc and pods', async () => {
  const described = await run('describe rc agnhost');
  for (const text of [
    /^Name:\s+agnhost/m,
    /^Namespace:\s+default/m,
    /^Selector:\s+app=agnhost/m,
    /^Replicas:\s+0 current \/ 1 desired/m,
    /Pod Template:/,
    /Image:\s+registry\.example\/web:1/,
    /Events:/,
  ])
    assert.match(described, text);
  assert.match(await run('describe pod of-rc'), /^Labels:\s+app=agnhost/m);
  assert.match(await run('describe namespace default'), /^Status:\s+Active/m);
  assert.match(await run('describe service rm2'), /^TargetPort:\s+6379\/TCP/m);
});

test('scaling, apply and its last configuration, server-side apply, tokens and rights', async () => {
  await run('scale rc agnhost --replicas=3');
  assert.equal(await run('get rc agnhost -o jsonpath={.spec.replicas}'), '3');
  await run('apply -f -', json({ ...deployment('a'), metadata: { name: 'applied' } }));
  assert.match(await run('apply -f -', json({ ...deployment('b'), metadata: { name: 'applied' } })), /configured/);
  assert.match(await run('apply view-last-applied deployment applied -o json'), /"image": "b"/);
  assert.match(
    await run('apply --server-side -f -', json({ ...deployment('b'), metadata: { name: 'server-side' } })),
    /serverside-applied/,
  );
  assert.match(await run('create token default --duration=20m'), /^[\w-]+\.[\w-]+\.[\w-]+\n?$/);
  const list = await run('auth can-i --list');
  assert.match(list, /^\*\.\*\s+\[\]\s+\[\]\s+\[\*\]/m);
  assert.equal((await run('auth can-i delete pods')).trim(), 'yes');
  assert.match(await run('auth whoami'), /kubernetes-admin/);
  assert.match(await run('explain deployment.spec.strategy --api-version=apps/v1'), /rollingUpdate/);
  const { out } = await kubectl.run(['get', 'componentstatuses']);
  assert.match(out, /etcd-0\s+Healthy/);
});

function proxy(...args: string[]): Promise<{ child: ChildProcess; line: string }> {
  const child = spawn('kubectl', [`--kubeconfig=${kubectl.config}`, 'proxy', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.stdout!.once('data', data => resolve({ child, line: String(data) }));
  });
}
const fetchApi = (where: object) =>
  new Promise<string>((resolve, reject) => {
    request({ ...where, path: '/api/' }, async message => {
      let text = '';
      for await (const chunk of message) text += chunk;
      resolve(text);
    })
      .on('error', reject)
      .end();
  });

test('[sig-cli] Kubectl client Proxy server should support proxy with --port 0', async () => {
  const { child, line } = await proxy('-p', '0', '--disable-filter');
  try {
    const port = Number(/:(\d+)\s*$/.exec(line)![1]);
    assert.match(await fetchApi({ host: '127.0.0.1', port }), /"APIVersions"/);
  } finally {
    child.kill();
  }
});

test('[sig-cli] Kubectl client Proxy server should support --unix-socket=/path', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'k8ts-proxy-'));
  const socketPath = join(folder, 'test');
  const { child } = await proxy(`--unix-socket=${socketPath}`);
  try {
    assert.match(await fetchApi({ socketPath }), /"APIVersions"/);
  } finally {
    child.kill();
    rmSync(folder, { recursive: true, force: true });
  }
});
