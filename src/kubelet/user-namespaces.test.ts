import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerConfig, PodSandboxConfig } from '../cri/type.ts';
import { startTestNode, type TestNode } from './test-node.ts';

const handlers = [{ name: '', features: { user_namespaces: true } }];
const spec = (hostUsers: boolean) => ({
  hostUsers,
  volumes: [{ name: 'data', emptyDir: {} }],
  containers: [{ name: 'app', image: 'example.com/app:1', volumeMounts: [{ name: 'data', mountPath: '/data' }] }],
});
const range = (n: number) => [{ host_id: n * 65_536, container_id: 0, length: 65_536 }];

/** What the runtime is told of each sandbox and container, by the pod's name. */
function listen({ runtime }: TestNode) {
  const sandboxes = new Map<string, PodSandboxConfig>();
  const containers = new Map<string, ContainerConfig>();
  const [sandbox, container] = [runtime.RunPodSandbox.bind(runtime), runtime.CreateContainer.bind(runtime)];
  runtime.RunPodSandbox = request => {
    sandboxes.set(request.config!.metadata!.name!, request.config!);
    return sandbox(request);
  };
  runtime.CreateContainer = request => {
    containers.set(request.sandbox_config!.metadata!.name!, request.config!);
    return container(request);
  };
  return { sandboxes, containers };
}

test('pods with user namespaces of their own have ranges of their own, over restarts', async () => {
  const t = await startTestNode({ simulate: { handlers } });
  try {
    const { sandboxes, containers } = listen(t);
    const usersOf = (name: string) => sandboxes.get(name)!.linux!.security_context!.namespace_options!.userns_options;
    for (const name of ['a', 'b']) await t.createPod({ metadata: { name }, spec: spec(false) });
    await t.createPod({ metadata: { name: 'host' }, spec: spec(true) });
    assert.deepEqual(usersOf('a'), { mode: 'POD', uids: range(1), gids: range(1) });
    assert.deepEqual(usersOf('b'), { mode: 'POD', uids: range(2), gids: range(2) });
    assert.equal(usersOf('host'), undefined);
    const { mounts, linux } = containers.get('b')!;
    assert.deepEqual(linux!.security_context!.namespace_options!.userns_options, usersOf('b'));
    assert.deepEqual(
      mounts!.map(m => [m.container_path, m.uidMappings?.[0], m.gidMappings?.[0]]),
      [
        ['/data', range(2)[0], range(2)[0]],
        ['/etc/hosts', undefined, undefined],
        ['/dev/termination-log', undefined, undefined],
      ],
    );
    assert.ok(containers.get('host')!.mounts!.every(m => !m.uidMappings && !m.gidMappings));
    const { uid } = (await t.getPod('b')).metadata;
    const kept = [{ hostId: 131_072, containerId: 0, length: 65_536 }];
    assert.deepEqual(JSON.parse((await t.host.readFile(`/var/lib/kubelet/pods/${uid}/userns`))!), {
      uidMappings: kept,
      gidMappings: kept,
    });
    await t.restart();
    await t.deletePod('a');
    await t.pass(1000);
    for (const name of ['c', 'd']) await t.createPod({ metadata: { name }, spec: spec(false) });
    assert.deepEqual(usersOf('c')?.uids, range(1), 'that of the pod that is gone');
    assert.deepEqual(usersOf('d')?.uids, range(3));
  } finally {
    await t.stop();
  }
});

test('ranges may be longer', async () => {
  const t = await startTestNode({ simulate: { handlers }, userNamespaceIdsPerPod: 131_072 });
  try {
    const { sandboxes } = listen(t);
    await t.createPod({ metadata: { name: 'a' }, spec: spec(false) });
    const { uids } = sandboxes.get('a')!.linux!.security_context!.namespace_options!.userns_options!;
    assert.deepEqual(uids, [{ host_id: 131_072, container_id: 0, length: 131_072 }]);
  } finally {
    await t.stop();
  }
});
