// CPUs and memory of real containers' own, as their kernel tells them; the API server is a fake.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { cloneDeep } from '../../api/meta.ts';
import { coreV1 } from '../../api/refs.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import { busyboxImage } from '../../cri/test-containerd.ts';
import { formatCpus, parseCpus, sortedCpus } from '../cpu/kernel/cpu-set.ts';
import { type RootNode, startRootNode } from '../test-root-node.ts';
import { defaultTopologySettings } from './topology-manager.ts';

const online = parseCpus(readFileSync('/sys/devices/system/cpu/online', 'utf8').trim());
const [first = 0, ...others] = sortedCpus(online);
let node: RootNode;

before(async () => {
  node = await startRootNode(() => ({
    evictionHard: {},
    systemReserved: { memory: '64Mi' },
    managers: {
      ...{ cpuPolicy: 'static', memoryPolicy: 'Static', reservedSystemCpus: String(first) },
      reservedMemory: [{ numaNode: 0, limits: { memory: '64Mi' } }],
      topology: { ...defaultTopologySettings, policy: 'restricted' },
    },
  }));
});
after(() => node?.dispose());

async function create(name: string, cpu?: string): Promise<void> {
  const amounts = { cpu: cpu ?? '', memory: '32Mi' };
  const container = {
    ...{ name: 'c', image: busyboxImage, imagePullPolicy: 'Never', command: ['/bin/busybox', 'sleep', '3600'] },
    ...(cpu ? { resources: { limits: amounts, requests: amounts } } : {}),
  };
  const spec = { nodeName: 'node-a', terminationGracePeriodSeconds: 0, containers: [container] };
  await node.client.create(
    coreV1.pods,
    cloneDeep({ metadata: { name, namespace: 'default' }, spec } as unknown as Pod),
  );
}

/** What the kernel lets the container use. */
async function allowed(pod: string, what: 'Cpus' | 'Mems'): Promise<string | undefined> {
  const container_id = node.kubelet.container(node.get(pod)!, 'c')?.id;
  if (!container_id) return undefined;
  const cmd = ['/bin/busybox', 'grep', `${what}_allowed_list`, '/proc/self/status'];
  const { stdout } = await node.containerd.runtime.ExecSync({ container_id, cmd });
  return Buffer.from(stdout ?? [])
    .toString()
    .split(':')[1]
    ?.trim();
}

test('a container has a CPU for itself, and those beside it run on the others', {
  skip: others.length === 0,
}, async () => {
  const own = String(others[0]);
  const rest = formatCpus(online.difference(new Set([others[0]!])));
  await create('shared');
  await node.until('all CPUs', async () => (await allowed('shared', 'Cpus')) === formatCpus(online));
  await create('pinned', '1');
  await node.until('a CPU of its own', async () => (await allowed('pinned', 'Cpus')) === own);
  assert.equal(await allowed('pinned', 'Mems'), '0');
  await node.until('the others', async () => (await allowed('shared', 'Cpus')) === rest);

  await node.restart();
  const state = () => JSON.parse(readFileSync(join(node.root, 'kubelet/cpu_manager_state'), 'utf8'));
  assert.deepEqual(Object.values(state().entries), [{ c: own }]);
  await node.until('what it had', async () => (await allowed('pinned', 'Cpus')) === own);
  await create('second', String(others.length));
  const refused = await node.until(
    'a refusal',
    async () => node.get('second')?.status?.phase === 'Failed' && node.get('second'),
  );
  assert.equal(refused.status?.reason, 'TopologyAffinityError');

  await node.client.delete(coreV1.pods, { namespace: 'default', name: 'pinned' }, { gracePeriodSeconds: 0 });
  await node.until('all CPUs again', async () => (await allowed('shared', 'Cpus')) === formatCpus(online));
});
