// Images of a registry that asks for a password, on a real containerd.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { writeImage } from '../../../examples/guestbook/images.ts';
import { coreV1 } from '../../api/refs.ts';
import { writeTar } from '../../cri/tar.ts';
import { type RootNode, startRootNode } from '../test-root-node.ts';

const registry = '127.0.0.1:5055';
const image = `${registry}/team/private:1`;
let node: RootNode;
let server: ChildProcess;

before(async () => {
  node = await startRootNode();
  const directory = join(node.root, 'images');
  mkdirSync(directory);
  const files = [{ name: 'bin/' }, { name: 'bin/busybox', content: readFileSync('/bin/busybox'), mode: 0o755 }];
  writeImage(directory, 'team/private:1', [writeTar(files)], { Cmd: ['/bin/busybox', 'sleep', '3600'] });
  const inside = `--net=${node.containerd.networkNamespace}`;
  const script = join(import.meta.dirname, 'test-registry.ts');
  server = spawn('nsenter', [inside, process.execPath, script, directory, '5055', 'right'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(server.stdout!, 'data');
});

after(async () => {
  server?.kill('SIGKILL');
  await node?.dispose();
});

const makeSecret = (name: string, password: string) => {
  const auths = { [registry]: { auth: btoa(`user:${password}`) } };
  return node.client.create(coreV1.secrets, {
    metadata: { name, namespace: 'default' },
    type: 'kubernetes.io/dockerconfigjson',
    data: { '.dockerconfigjson': btoa(JSON.stringify({ auths })) },
  });
};

/** How the pod's container is once it runs or has been refused. */
async function outcome(name: string, secret: string | undefined, imagePullPolicy: 'Always' | 'IfNotPresent' | 'Never') {
  await node.client.create(coreV1.pods, {
    metadata: { name, namespace: 'default' },
    spec: {
      nodeName: 'node-a',
      terminationGracePeriodSeconds: 0,
      ...(secret ? { imagePullSecrets: [{ name: secret }] } : {}),
      containers: [{ name: 'app', image, imagePullPolicy }],
    },
    status: { phase: 'Pending' },
  });
  return node.until(`${name} started or refused`, async () => {
    const { waiting, running } = node.get(name)?.status?.containerStatuses?.[0]?.state ?? {};
    return running ? 'running' : waiting?.reason?.startsWith('Err') && waiting.reason;
  });
}

test('an image that a secret has brought is for who can show the same, over a restart of the kubelet', async () => {
  await makeSecret('right', 'right');
  await makeSecret('wrong', 'wrong');
  await makeSecret('same', 'right');
  assert.equal(await outcome('none-yet', undefined, 'IfNotPresent'), 'ErrImagePull');
  assert.equal(await outcome('first', 'right', 'IfNotPresent'), 'running');
  assert.equal(await outcome('none', undefined, 'IfNotPresent'), 'ErrImagePull');
  assert.equal(await outcome('wrong', 'wrong', 'IfNotPresent'), 'ErrImagePull');
  assert.equal(await outcome('anew', 'right', 'Always'), 'running');
  await node.restart();
  server.kill('SIGKILL');
  assert.equal(await outcome('always', 'right', 'Always'), 'ErrImagePull', 'the registry is asked, whatever is there');
  assert.equal(await outcome('again', 'right', 'IfNotPresent'), 'running');
  assert.equal(await outcome('same', 'same', 'Never'), 'running');
  assert.equal(await outcome('never', 'wrong', 'Never'), 'ErrImageNeverPull');
  const records = join(node.root, 'kubelet/image_manager');
  assert.deepEqual([readdirSync(join(records, 'pulled')).length, readdirSync(join(records, 'pulling'))], [1, []]);
});
