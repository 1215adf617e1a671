// What ends a kubelet's pods before their machine ends, put together from its options.
import type { Pod } from '../api/type/core-v1.ts';
import type { Host } from './host/host.ts';
import type { KubeletMetrics } from './kubelet-metrics.ts';
import type { NodeManager } from './node/node-manager.ts';
import type { KubeletOptions } from './option.ts';
import type { PodPaths } from './pod-path.ts';
import { ShutdownManager } from './shutdown/shutdown-manager.ts';
import type { VolumeManager } from './volume/volume-manager.ts';
import type { Verdict } from './worker-context.ts';

interface ShutdownOwner {
  readonly options: KubeletOptions;
  readonly paths: PodPaths;
  readonly metrics: KubeletMetrics;
  activePods(): readonly Pod[];
  evict(pod: Pod, verdict: Verdict, graceSeconds?: number): Promise<void> | undefined;
}

interface ShutdownParts {
  readonly host: Host;
  readonly node: NodeManager;
  readonly volumes: VolumeManager;
}

const lookMs = 200;

export function makeShutdown(
  owner: ShutdownOwner,
  { host, node, volumes }: ShutdownParts,
): ShutdownManager | undefined {
  const { shutdown, clock, log } = owner.options;
  if (!shutdown) return undefined;
  return new ShutdownManager({
    ...{ ...shutdown, root: owner.paths.root, host, clock, log, metrics: owner.metrics.own },
    activePods: () => owner.activePods(),
    evict: (pod, verdict, grace) => owner.evict(pod, verdict, grace),
    async unmounted({ metadata }, signal) {
      while (!signal.aborted && volumes.mounted(metadata.uid ?? '').size)
        await clock.sleep(lookMs, signal).catch(() => {});
    },
    onChange(begins) {
      if (begins) node.tell('Shutdown', 'Shutdown manager detected shutdown event');
      node.hasten();
    },
  });
}
