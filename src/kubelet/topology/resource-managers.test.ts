// Kubelets with managers of CPUs, memory and topology, on machines of several NUMA nodes.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import type { Draft } from '../../api/meta.ts';
import { coreV1 } from '../../api/refs.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import { VirtualClock } from '../../base/clock.ts';
import { seededRandom } from '../../base/random.ts';
import type { ContainerRuntime } from '../../cri/runtime.ts';
import { simulatedRuntime } from '../../cri/simulated.ts';
import type { LinuxContainerResources } from '../../cri/type.ts';
import { noCpuOptions } from '../cpu/kernel/cpu-policy.ts';
import { startTestNode, type TestNode, type TestNodeOptions } from '../test-node.ts';
import type { ManagerSettings } from './resource-managers.ts';
import { testTopology } from './test-topology.ts';
import { defaultTopologySettings } from './topology-manager.ts';

let node: TestNode;
afterEach(() => node.stop());

const gi = 2 ** 30;
// Node 0 has CPUs 0-3, node 1 has 4-7; no second threads.
const topology = testTopology({ sockets: 2, coresPerNode: 4, memoryBytes: 4 * gi });

/** What containers were made or changed to, by name: the newest last. */
let placed: Record<string, LinuxContainerResources[]>;

function watched(runtime: ContainerRuntime): ContainerRuntime {
  const names = new Map<string, string>();
  placed = {};
  const note = (name: string, linux: LinuxContainerResources | undefined) => {
    placed[name] ??= [];
    placed[name].push(linux ?? {});
  };
  return new Proxy(runtime, {
    get(target, key) {
      if (key === 'CreateContainer')
        return async (request: Parameters<ContainerRuntime['CreateContainer']>[0]) => {
          const made = await target.CreateContainer(request);
          const name = request.config?.metadata?.name ?? '';
          names.set(made.container_id ?? '', name);
          note(name, request.config?.linux?.resources);
          return made;
        };
      if (key === 'UpdateContainerResources')
        return async (request: Parameters<ContainerRuntime['UpdateContainerResources']>[0]) => {
          note(names.get(request.container_id ?? '') ?? '', request.linux);
          return target.UpdateContainerResources(request);
        };
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

async function start(managers: ManagerSettings, more: Partial<TestNodeOptions> = {}): Promise<void> {
  const runtime = watched(simulatedRuntime({ clock: new VirtualClock(), random: seededRandom(2) }));
  node = await startTestNode({
    ...{ managers, topology, runtime, systemReserved: { cpu: '1' }, evictionHard: {} },
    machine,
    ...more,
  });
}

const machine = {
  ...{ machineId: 'm', systemUuid: 's', bootId: 'b', kernelVersion: '6', osImage: 'Test', operatingSystem: 'linux' },
  ...{
    architecture: 'amd64',
    cores: 8,
    memoryBytes: 8 * gi,
    swapBytes: 0,
    ephemeralStorageBytes: 100 * gi,
    hugepages: {},
  },
};

const podOf = (name: string, cpu?: string, memory = '64Mi', spec: object = {}): Draft<Pod> =>
  ({
    metadata: { name },
    spec: {
      containers: [
        {
          ...{ name, image: 'i' },
          ...(cpu ? { resources: { limits: { cpu, memory }, requests: { cpu, memory } } } : {}),
        },
      ],
      ...spec,
    },
  }) as Draft<Pod>;

const cpusOf = (name: string) => placed[name]?.at(-1)?.cpuset_cpus;
const phase = async (name: string) => (await node.getPod(name)).status;
const state = async () => JSON.parse((await node.host.readFile('/var/lib/kubelet/cpu_manager_state')) ?? '{}');
const metric = async (name: string) =>
  (await node.kubelet.metrics.own.text())
    .split('\n')
    .find(line => line.startsWith(name))
    ?.split(' ')
    .at(-1);

test('whole CPUs of a Guaranteed pod are its own: others make room at once, and get them back', async () => {
  await start({ cpuPolicy: 'static' });
  assert.deepEqual(await state(), { policyName: 'static', defaultCpuSet: '0-7', checksum: (await state()).checksum });
  await node.createPod(podOf('shared'));
  assert.equal(cpusOf('shared'), '0-7');
  const { metadata } = await node.createPod(podOf('pinned', '2'));
  assert.equal((await phase('pinned'))?.phase, 'Running');
  // CPU 0 is the system's: it may be shared, and is nobody's own.
  assert.deepEqual([cpusOf('pinned'), cpusOf('shared')], ['1-2', '0,3-7']);
  assert.deepEqual([placed.pinned![0]!.cpu_quota, placed.shared![0]!.cpu_quota], [0, 0]);
  assert.deepEqual((await state()).entries, { [metadata.uid]: { pinned: '1-2' } });
  await node.createPod(podOf('fraction', '1500m'));
  assert.deepEqual([cpusOf('fraction'), placed.fraction![0]!.cpu_quota], ['0,3-7', 150_000]);
  assert.equal(await metric('kubelet_cpu_manager_shared_pool_size_millicores'), '5000');
  assert.equal(await metric('kubelet_cpu_manager_exclusive_cpu_allocation_count'), '2');
  assert.equal(await metric('kubelet_cpu_manager_allocation_per_numa{numa_node="0"}'), '2');

  await node.restart();
  assert.deepEqual((await state()).entries, { [metadata.uid]: { pinned: '1-2' } });
  await node.deletePod('pinned', 0);
  await node.pass(15_000);
  assert.equal(cpusOf('shared'), '0-7');
  assert.equal((await state()).entries, undefined);
});

test('a pod for which there are not enough is turned away', async () => {
  await start({ cpuPolicy: 'static' }, { machine: { ...machine, cores: 100 } });
  await node.createPod(podOf('pinned', '8'));
  const { phase: ended, reason, message } = (await phase('pinned'))!;
  assert.deepEqual([ended, reason], ['Failed', 'UnexpectedAdmissionError']);
  assert.equal(
    message,
    'Pod was rejected: Allocate failed due to not enough cpus available to satisfy request: requested=8, available=7, which is unexpected',
  );
  assert.equal(await metric('kubelet_cpu_manager_pinning_errors_total'), '1');
  assert.equal((await state()).defaultCpuSet, '0-7');
});

test('init containers leave their CPUs to those after them, sidecars keep theirs', async () => {
  await start({ cpuPolicy: 'static', reservedSystemCpus: '7' });
  const resources = (cpu: string) => ({ limits: { cpu, memory: '1Mi' }, requests: { cpu, memory: '1Mi' } });
  const initContainers = [
    { name: 'init', image: 'i', resources: resources('3') },
    { name: 'side', image: 'i', restartPolicy: 'Always', resources: resources('1') },
  ];
  const { metadata } = await node.createPod(podOf('p', '2', '1Mi', { initContainers }));
  assert.deepEqual((await state()).entries[metadata.uid], { init: '4-6', side: '4', p: '5-6' });
});

test("with whole cores only, half of one is refused; reserved CPUs can be nobody's", async () => {
  const threads = testTopology({ coresPerNode: 4, threads: 2 });
  const cpuOptions = { ...noCpuOptions, fullPcpusOnly: true, strictReservation: true };
  await start({ cpuPolicy: 'static', cpuOptions, reservedSystemCpus: '0,4' }, { topology: threads });
  assert.equal((await state()).defaultCpuSet, '1-3,5-7');
  await node.createPod(podOf('odd', '3'));
  const { reason, message } = (await phase('odd'))!;
  assert.equal(reason, 'SMTAlignmentError');
  assert.equal(message, 'Pod was rejected: SMT Alignment Error: requested 3 cpus not multiple cpus per core = 2');
  await node.createPod(podOf('even', '4'));
  assert.equal(cpusOf('even'), '1-2,5-6');
  await node.createPod(podOf('more', '4'));
  assert.match((await phase('more'))!.message!, /available physical CPUs = 2, requested CPUs = 4, CPUs per core = 2$/);
  const aligned = 'kubelet_container_aligned_compute_resources';
  assert.equal(await metric(`${aligned}_count{boundary="physical_cpu",scope="container"}`), '1');
  assert.equal(await metric(`${aligned}_failure_count{boundary="physical_cpu",scope="container"}`), '2');
});

const policy = (name: 'restricted' | 'single-numa-node' | 'best-effort', scope: 'container' | 'pod' = 'container') => ({
  topology: { ...defaultTopologySettings, policy: name, scope },
});

test('CPUs and memory come from one NUMA node, or the pod is turned away', async () => {
  const settings = {
    cpuPolicy: 'static' as const,
    memoryPolicy: 'Static' as const,
    ...{ reservedSystemCpus: '0', ...policy('single-numa-node') },
    reservedMemory: [{ numaNode: 0, limits: { memory: '1Gi' } }],
  } satisfies ManagerSettings;
  await start(settings, { systemReserved: { memory: '1Gi' } });
  // Node 0 has three CPUs and three gibibytes left, node 1 four of both.
  await node.createPod(podOf('a', '2', '3500Mi'));
  assert.deepEqual([cpusOf('a'), placed.a![0]!.cpuset_mems], ['4-5', '1']);
  await node.createPod(podOf('b', '3', '1Gi'));
  assert.deepEqual([cpusOf('b'), placed.b![0]!.cpuset_mems], ['1-3', '0']);
  // CPUs are left on node 1, memory on node 0.
  await node.createPod(podOf('c', '2', '1Gi'));
  const { reason, message } = (await phase('c'))!;
  assert.deepEqual(
    [reason, message],
    ['TopologyAffinityError', 'Pod was rejected: Resources cannot be allocated with Topology locality'],
  );
  assert.ok(
    (await node.events('c')).includes('TopologyAffinityError: Resources cannot be allocated with Topology locality'),
  );
  assert.equal(await metric('kubelet_topology_manager_admission_requests_total'), '3');
  assert.equal(await metric('kubelet_topology_manager_admission_errors_total'), '1');
  assert.equal(await metric('kubelet_memory_manager_pinning_requests_total'), '2');
});

test('a pod as a whole on one node, or each of its containers', async () => {
  const container = (name: string) => ({ ...podOf(name, '3').spec!.containers![0]! });
  const spec = { containers: [container('x'), container('y')] };
  await start({ cpuPolicy: 'static', reservedSystemCpus: '0', ...policy('restricted') });
  await node.createPod(podOf('each', undefined, '', spec));
  assert.deepEqual([cpusOf('x'), cpusOf('y')], ['1-3', '4-6']);
  await node.stop();
  await start({ cpuPolicy: 'static', reservedSystemCpus: '0', ...policy('single-numa-node', 'pod') });
  await node.createPod(podOf('whole', undefined, '', spec));
  assert.equal((await phase('whole'))!.reason, 'TopologyAffinityError');
});

test('pods with CPUs of their own keep them: no resize', async () => {
  await start({ cpuPolicy: 'static' });
  const pod = await node.createPod(podOf('pinned', '2'));
  const { resources: _, ...container } = pod.spec.containers[0]!;
  const resources = { limits: { cpu: '3', memory: '64Mi' }, requests: { cpu: '3', memory: '64Mi' } };
  const body = { spec: { containers: [{ ...container, resources }] } };
  await node.client.patch(coreV1.pods, { namespace: 'default', name: 'pinned' }, {
    type: 'strategic',
    body,
    subresource: 'resize',
  } as never);
  await node.pass(1000);
  const condition = (await phase('pinned'))!.conditions!.find(c => c.type === 'PodResizePending')!;
  assert.deepEqual(
    [condition.reason, condition.message],
    ['Infeasible', 'Resize is infeasible for Guaranteed Pods alongside CPU Manager static policy'],
  );
});
