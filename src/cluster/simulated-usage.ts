// What a node without containers tells of processor and memory.
import type { Counters, UsageReading } from '../apiserver/usage/kernel/reading.ts';
import type { Clock } from '../base/clock.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import { podNameLabel, podNamespaceLabel, readContainerMarks } from '../kubelet/kernel/label.ts';

/** Reads the runtime's containers when called; the node's own counters are theirs together. */
export function simulatedUsage(
  runtime: Pick<ContainerRuntime, 'ListContainers' | 'ListContainerStats'>,
  clock: Clock,
): () => Promise<UsageReading> {
  const startMs = clock.now();
  const seen = new Map<string, number>();
  let totalNanoseconds = 0;
  return async () => {
    const filter = { state: { state: 'CONTAINER_RUNNING' as const } };
    const [{ containers = [] }, { stats = [] }] = await Promise.all([
      runtime.ListContainers({ filter }),
      runtime.ListContainerStats({}),
    ]);
    const createdMs = new Map(containers.map(c => [c.id, Number(c.created_at ?? 0) / 1e6]));
    const pods = new Map<string, Map<string, Counters>>();
    let memoryBytes = 0;
    const ended = new Set(seen.keys());
    for (const { attributes: a, cpu, memory } of stats) {
      const id = a?.id ?? '';
      const used = Number(cpu?.usage_core_nano_seconds?.value ?? 0);
      totalNanoseconds += Math.max(0, used - (seen.get(id) ?? 0));
      seen.set(id, used);
      ended.delete(id);
      const bytes = Number(memory?.working_set_bytes?.value ?? 0);
      memoryBytes += bytes;
      const name = readContainerMarks(a?.labels, a?.annotations)?.name ?? a?.metadata?.name ?? '';
      const pod = `${a?.labels?.[podNamespaceLabel]}/${a?.labels?.[podNameLabel]}`;
      pods
        .getOrInsertComputed(pod, () => new Map())
        .set(name, {
          atMs: clock.now(),
          cpuNanoseconds: used,
          memoryBytes: bytes,
          startMs: Math.floor(createdMs.get(id) ?? 0),
        });
    }
    for (const id of ended) seen.delete(id);
    return { node: { atMs: clock.now(), cpuNanoseconds: totalNanoseconds, memoryBytes, startMs }, pods };
  };
}
