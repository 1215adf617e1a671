import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { Pod } from '../../api/type/core-v1.ts';
import { systemClock } from '../../base/clock.ts';
import { GrpcChannel } from '../../cri/grpc.ts';
import type { GrpcServer } from '../../cri/grpc-server.ts';
import { grpcClient } from '../../cri/grpc-service.ts';
import { linuxHost } from '../host/linux-host.ts';
import type { DeviceManager } from './device-manager.ts';
import type { DraManager } from './dra-manager.ts';
import { DeviceBook } from './kernel/device-book.ts';
import { podResourcesMethods, servePodResources } from './pod-resources-server.ts';

let directory: string;
let server: GrpcServer;
let channel: GrpcChannel;
let calls: Record<'List' | 'Get' | 'GetAllocatableResources', (request: object) => Promise<object>>;

const spec = {
  initContainers: [{ name: 'init' }, { name: 'side', restartPolicy: 'Always' }],
  containers: [{ name: 'c' }],
};
const pod = { metadata: { name: 'p', namespace: 'default', uid: 'u' }, spec } as unknown as Pod;
const claim = {
  entry: { name: 'claim', namespace: 'default' },
  devices: [{ driver: 'd.example.com', pool: 'pool', device: 'x', requests: [], cdiDevices: ['a/b=c'] }],
};

const managers = {
  cpuIds: (uid: string, container: string) => (uid === 'u' && container === 'c' ? [2, 3] : []),
  memoryBlocks: (_uid: string, container: string) =>
    container === 'c' ? [{ numaAffinity: [0, 1], type: 'memory', size: 2 ** 33 }] : [],
  allocatableCpus: () => [1, 2, 3],
  allocatableMemory: () => [{ numaAffinity: [0], type: 'hugepages-2Mi', size: 2 ** 21 }],
};

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'k8ts-podresources-'));
  const book = new DeviceBook();
  const device = (id: string, numaNodes: number[], healthy = true) => ({ id, numaNodes, healthy });
  book.offer('example.com/gpu', [device('g1', [0]), device('g2', [1]), device('g3', [0]), device('bad', [0], false)]);
  const held = { podUid: 'u', container: 'c', resource: 'example.com/gpu', ids: ['g1', 'g2', 'g3'], allocation: {} };
  book.assign(held);
  server = await servePodResources({
    ...{ directory, host: linuxHost(), plugins: { book } as unknown as DeviceManager, pods: () => [pod] },
    managers,
    dra: { claimsOf: (_: Pod, c: { name: string }) => (c.name === 'side' ? [claim] : []) } as unknown as DraManager,
  });
  channel = new GrpcChannel(join(directory, 'kubelet.sock'), systemClock);
  calls = grpcClient(channel, podResourcesMethods(), 5000);
});
afterEach(async () => {
  channel.close();
  await server.close();
  rmSync(directory, { recursive: true, force: true });
});

const nothing = { devices: [], cpu_ids: [], memory: [], dynamic_resources: [] };
const memory = (memory_type: string, size: number, ...nodes: number[]) => ({
  ...{ memory_type, size },
  topology: { nodes: nodes.map(ID => ({ ID })) },
});
const gpus = (device_ids: readonly string[], node: number) => ({
  ...{ resource_name: 'example.com/gpu', device_ids },
  topology: { nodes: [{ ID: node }] },
});
const expected = {
  ...{ name: 'p', namespace: 'default', cpu_ids: [], memory: [] },
  containers: [
    {
      ...nothing,
      name: 'side',
      dynamic_resources: [
        {
          ...{ claim_name: 'claim', claim_namespace: 'default' },
          claim_resources: [
            {
              ...{ cdi_devices: [{ name: 'a/b=c' }], driver_name: 'd.example.com', pool_name: 'pool' },
              device_name: 'x',
            },
          ],
        },
      ],
    },
    {
      ...{ ...nothing, name: 'c', devices: [gpus(['g1', 'g3'], 0), gpus(['g2'], 1)] },
      ...{ cpu_ids: [2, 3], memory: [memory('memory', 2 ** 33, 0, 1)] },
    },
  ],
};
const plain = (value: object) => JSON.parse(JSON.stringify(value));

test('agents see what the containers of pods have, sidecars included', async () => {
  const list: any = plain(await calls.List({}));
  delete list.pod_resources[0].containers[0].dynamic_resources[0].claim_resources[0].share_id;
  assert.deepEqual(list, { pod_resources: [expected] });
  const one: any = plain(await calls.Get({ pod_name: 'p', pod_namespace: 'default' }));
  assert.equal(one.pod_resources.name, 'p');
  await assert.rejects(calls.Get({ pod_name: 'q', pod_namespace: 'default' }), {
    message: 'rpc error: code = NotFound desc = pod q in namespace default not found',
  });
});

test('agents see what could be given out: what is healthy, device by device', async () => {
  assert.deepEqual(plain(await calls.GetAllocatableResources({})), {
    devices: [gpus(['g1'], 0), gpus(['g2'], 1), gpus(['g3'], 0)],
    cpu_ids: [1, 2, 3],
    memory: [memory('hugepages-2Mi', 2 ** 21, 0)],
  });
});
