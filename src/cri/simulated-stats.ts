// What simulated containers use, as their behaviour says. Times are nanoseconds since 1970.
import type { SimulatedContainer } from './simulated-container.ts';
import type * as cri from './type.ts';

export function containerStats(container: SimulatedContainer, timestamp: number): cri.ContainerStats {
  const { metadata, labels = {}, annotations = {} } = container.config;
  return { attributes: { id: container.id, metadata, labels, annotations }, ...usage([container], timestamp) };
}

export function sandboxStats(
  { id, config }: { readonly id: string; readonly config: cri.PodSandboxConfig },
  containers: readonly SimulatedContainer[],
  timestamp: number,
): cri.PodSandboxStats {
  const { metadata, labels = {}, annotations = {} } = config;
  return {
    attributes: { id, metadata, labels, annotations },
    linux: { ...usage(containers, timestamp), containers: containers.map(c => containerStats(c, timestamp)) },
  };
}

function usage(
  containers: readonly SimulatedContainer[],
  timestamp: number,
): { cpu: cri.CpuUsage; memory: cri.MemoryUsage } {
  const running = containers.filter(c => c.state === 'CONTAINER_RUNNING');
  const bytes = { value: running.reduce((sum, c) => sum + (c.behaviour.memoryBytes ?? 1 << 20), 0) };
  return {
    cpu: { timestamp, usage_core_nano_seconds: { value: containers.reduce((sum, c) => sum + c.cpuUsage(), 0) } },
    memory: { timestamp, working_set_bytes: bytes, usage_bytes: bytes, rss_bytes: bytes },
  };
}
