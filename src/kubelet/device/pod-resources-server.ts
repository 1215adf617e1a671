// Which devices the pods of this node have, for monitoring agents: podresources v1.
import { join } from 'node:path';
import type { Container, Pod } from '../../api/type/core-v1.ts';
import { type GrpcServer, serveGrpc } from '../../cri/grpc-server.ts';
import { type PackageDescriptor, type ServiceMethod, serviceMethods } from '../../cri/grpc-service.ts';
import { RuntimeError } from '../../cri/runtime-error.ts';
import type { Host } from '../host/host.ts';
import { isSidecar } from '../kernel/restart-policy.ts';
import type { MemoryBlock } from '../memory/kernel/memory-state.ts';
import type { DeviceManager } from './device-manager.ts';
import type { DraManager } from './dra-manager.ts';
import type { OfferedDevice } from './kernel/device-book.ts';
import descriptor from './pod-resources-v1.json' with { type: 'json' };

/** Who has which CPUs and whose memory. */
export interface PlacedResources {
  cpuIds(uid: string, container: string): readonly number[];
  memoryBlocks(uid: string, container: string): readonly MemoryBlock[];
  allocatableCpus(): readonly number[];
  allocatableMemory(): readonly MemoryBlock[];
}

export interface PodResourcesOptions {
  /** `<kubelet root>/pod-resources` */
  readonly directory: string;
  readonly host: Host;
  readonly plugins: DeviceManager;
  readonly dra: DraManager;
  /** Absent: containers have no CPUs or memory of their own. */
  readonly managers?: PlacedResources;
  pods(): readonly Pod[];
}

export const podResourcesMethods = (): readonly ServiceMethod[] =>
  serviceMethods('v1', descriptor as PackageDescriptor, ['PodResourcesLister']);

export async function servePodResources(o: PodResourcesOptions): Promise<GrpcServer> {
  const socket = join(o.directory, 'kubelet.sock');
  await o.host.makeDirectory(o.directory, 0o750);
  await o.host.remove(socket);
  return serveGrpc(socket, podResourcesMethods(), {
    List: () => ({ pod_resources: o.pods().map(p => podResources(o, p)) }),
    GetAllocatableResources: () => ({
      devices: o.plugins.book.resources.flatMap(resource =>
        o.plugins.book
          .devices(resource)
          .filter(d => d.healthy)
          .flatMap(d => containerDevices(resource, [d])),
      ),
      cpu_ids: o.managers?.allocatableCpus() ?? [],
      memory: containerMemory(o.managers?.allocatableMemory() ?? []),
    }),
    Get: ({ pod_name: name, pod_namespace: namespace }: { pod_name: string; pod_namespace: string }) => {
      const pod = o.pods().find(p => p.metadata.name === name && p.metadata.namespace === namespace);
      if (!pod) throw new RuntimeError('Get', 'NotFound', `pod ${name} in namespace ${namespace} not found`);
      return { pod_resources: podResources(o, pod) };
    },
  });
}

function podResources(o: PodResourcesOptions, pod: Pod): object {
  const { name, namespace } = pod.metadata;
  const containers = [...(pod.spec.initContainers ?? []).filter(isSidecar), ...pod.spec.containers];
  return { name, namespace, containers: containers.map(c => containerResources(o, pod, c)) };
}

function containerResources(o: PodResourcesOptions, pod: Pod, container: Container): object {
  const { plugins, dra, managers } = o;
  const { uid = '' } = pod.metadata;
  const held = plugins.book.ofContainer(uid, container.name);
  return {
    name: container.name,
    devices: held.flatMap(({ resource, ids }) =>
      containerDevices(
        resource,
        ids.map(id => plugins.book.device(resource, id) ?? { id, healthy: false, numaNodes: [] }),
      ),
    ),
    cpu_ids: managers?.cpuIds(uid, container.name) ?? [],
    memory: containerMemory(managers?.memoryBlocks(uid, container.name) ?? []),
    dynamic_resources: dra.claimsOf(pod, container).map(({ entry, devices }) => ({
      claim_name: entry.name,
      claim_namespace: entry.namespace,
      claim_resources: devices.map(d => ({
        cdi_devices: d.cdiDevices.map(name => ({ name })),
        driver_name: d.driver,
        pool_name: d.pool,
        device_name: d.device,
        ...(d.shareId ? { share_id: d.shareId } : {}),
      })),
    })),
  };
}

const containerMemory = (blocks: readonly MemoryBlock[]): readonly object[] =>
  blocks.map(b => ({
    ...{ memory_type: b.type, size: b.size },
    topology: { nodes: b.numaAffinity.map(ID => ({ ID })) },
  }));

/** Together as far as they lie on the same NUMA nodes. */
function containerDevices(resource: string, devices: readonly OfferedDevice[]): readonly object[] {
  const groups = Map.groupBy(devices, d => d.numaNodes.join());
  return [...groups.values()].map(group => ({
    resource_name: resource,
    device_ids: group.map(d => d.id),
    ...(group[0]!.numaNodes.length ? { topology: { nodes: group[0]!.numaNodes.map(ID => ({ ID })) } } : {}),
  }));
}
