// How long the kubelet's work takes, under Kubernetes' names.
import { parseTime } from '../api/meta.ts';
import type { Pod } from '../api/type/core-v1.ts';
import { BucketCounts, bucketSamples } from '../base/bucket-counts.ts';
import type { Clock } from '../base/clock.ts';
import { CellHistogram } from '../base/metric-cells.ts';
import { defaultBuckets, type Metrics } from '../base/metrics.ts';
import type { PodCgroups } from './cgroup.ts';
import type { ObservedPod } from './kernel/observed.ts';
import type { SetUp, VolumePlugin } from './volume/volume.ts';

const startBuckets = [
  ...[0.5, 1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 45, 60, 120, 180, 240, 300, 360, 480, 600, 900, 1200, 1800, 2700, 3600],
];
const statusBuckets = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 20, 30, 45, 60];
const storageBuckets = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 25, 50, 120, 300, 600];

interface Start {
  readonly createdMs: number;
  readonly seenMs: number;
  /** Of the first worker step. */
  began: boolean;
  firstPullMs: number | undefined;
  lastPullMs: number;
}

/** A claim's volume that is set up, for its statistics. */
export interface ClaimVolume {
  readonly namespace: string;
  readonly claim: string;
  readonly path: string;
  readonly stats?: SetUp['stats'];
}

interface PlacedVolume {
  readonly plugin: string;
  readonly claim: Omit<ClaimVolume, 'path' | 'stats'> | undefined;
  /** Undefined until it is set up. */
  setUp: SetUp | undefined;
}

export class KubeletTimes {
  readonly #clock: Clock;
  readonly #starts = new Map<string, Start>();
  readonly #volumes = new Map<string, PlacedVolume>();
  readonly #start: BucketCounts;
  readonly #sli: BucketCounts;
  readonly #workerStart: BucketCounts;
  readonly #worker: CellHistogram;
  readonly #relist: BucketCounts;
  readonly #relistInterval: BucketCounts;
  readonly #status: BucketCounts;
  readonly #storage: CellHistogram;
  readonly #cgroup: CellHistogram;
  #relistedMs: number | undefined;

  constructor(metrics: Metrics, clock: Clock) {
    this.#clock = clock;
    const single = (name: string, help: string, buckets: readonly number[] = defaultBuckets) => {
      const counts = new BucketCounts(buckets);
      metrics.source(name, `[ALPHA] ${help}`, 'histogram', () => bucketSamples(name, {}, counts));
      return counts;
    };
    this.#start = single(
      'kubelet_pod_start_duration_seconds',
      'Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run',
      startBuckets,
    );
    this.#sli = single(
      'kubelet_pod_start_sli_duration_seconds',
      'Duration in seconds to start a pod, excluding time to pull images and run init containers, measured from pod creation timestamp to when all its containers are reported as started and observed via watch',
      startBuckets,
    );
    this.#workerStart = single(
      'kubelet_pod_worker_start_duration_seconds',
      'Duration in seconds from kubelet seeing a pod to starting a worker.',
    );
    this.#worker = new CellHistogram(
      metrics,
      'kubelet_pod_worker_duration_seconds',
      '[ALPHA] Duration in seconds to sync a single pod. Broken down by operation type: create, update, or sync',
      defaultBuckets,
    );
    this.#relist = single('kubelet_pleg_relist_duration_seconds', 'Duration in seconds for relisting pods in PLEG.');
    this.#relistInterval = single(
      'kubelet_pleg_relist_interval_seconds',
      'Interval in seconds between relisting in PLEG.',
    );
    metrics.source(
      'kubelet_pleg_last_seen_seconds',
      '[ALPHA] Timestamp in seconds when PLEG was last seen active.',
      'gauge',
      () =>
        this.#relistedMs === undefined
          ? []
          : [{ labels: {}, value: (clock.now() - (clock.monotonic() - this.#relistedMs)) / 1000 }],
    );
    this.#status = single(
      'kubelet_pod_status_sync_duration_seconds',
      'Duration in seconds to sync a pod status update. Measures time from detection of a change to pod status until the API is successfully updated for that pod, even if multiple intevening changes to pod status occur.',
      statusBuckets,
    );
    this.#storage = new CellHistogram(
      metrics,
      'storage_operation_duration_seconds',
      '[ALPHA] Storage operation duration',
      storageBuckets,
    );
    this.#cgroup = new CellHistogram(
      metrics,
      'kubelet_cgroup_manager_duration_seconds',
      '[ALPHA] Duration in seconds for cgroup manager operations. Broken down by method.',
      defaultBuckets,
    );
    metrics.source('volume_manager_total_volumes', '[ALPHA] Number of volumes in Volume Manager', 'gauge', () => [
      ...this.#placed('desired_state_of_world', () => true),
      ...this.#placed('actual_state_of_world', v => v.setUp !== undefined),
    ]);
  }

  /** A pod is there that was not; how long it takes to start is told of those that nobody has begun to run. */
  seen(pod: Pod): void {
    if (pod.status?.startTime) return;
    this.#starts.set(pod.metadata.uid ?? '', {
      createdMs: parseTime(pod.metadata.creationTimestamp) ?? this.#clock.now(),
      seenMs: this.#clock.monotonic(),
      began: false,
      firstPullMs: undefined,
      lastPullMs: 0,
    });
  }

  /** An image was fetched for the pod, between these moments of the monotonic clock. */
  pulled(uid: string, fromMs: number, toMs: number): void {
    const start = this.#starts.get(uid);
    if (!start) return;
    start.firstPullMs = Math.min(start.firstPullMs ?? fromMs, fromMs);
    start.lastPullMs = Math.max(start.lastPullMs, toMs);
  }

  /** A worker's step. */
  worked(uid: string, operation: 'create' | 'update' | 'sync' | 'kill', fromMs: number): void {
    const start = this.#starts.get(uid);
    if (start && !start.began) {
      start.began = true;
      this.#workerStart.observe(Math.max(0, fromMs - start.seenMs) / 1000);
    }
    this.#worker
      .cell(operation, () => ({ operation_type: operation }))
      .observe((this.#clock.monotonic() - fromMs) / 1000);
  }

  /** How far it is. */
  look(pod: Pod | undefined, { containers }: ObservedPod): void {
    const uid = pod?.metadata.uid ?? '';
    const start = this.#starts.get(uid);
    if (!pod || !start) return;
    const begun = new Set(containers.filter(c => c.startedAtMs > 0).map(c => c.name));
    if (!pod.spec.containers.every(c => begun.has(c.name))) return;
    this.#starts.delete(uid);
    const now = this.#clock.monotonic();
    this.#start.observe((now - start.seenMs) / 1000);
    const pullMs = start.firstPullMs === undefined ? 0 : start.lastPullMs - start.firstPullMs;
    const inits = new Set(pod.spec.initContainers?.filter(c => c.restartPolicy !== 'Always').map(c => c.name));
    const initMs = containers
      .filter(c => inits.has(c.name) && c.finishedAtMs > 0)
      .reduce((sum, c) => sum + (c.finishedAtMs - c.startedAtMs), 0);
    this.#sli.observe(Math.max(0, this.#clock.now() - start.createdMs - pullMs - initMs) / 1000);
  }

  readonly relisted = (fromMs: number): void => {
    const now = this.#clock.monotonic();
    this.#relist.observe((now - fromMs) / 1000);
    if (this.#relistedMs !== undefined) this.#relistInterval.observe((now - this.#relistedMs) / 1000);
    this.#relistedMs = now;
  };

  readonly statusSynced = (fromMs: number): void => this.#status.observe((this.#clock.monotonic() - fromMs) / 1000);

  /** The same plugin, its operations timed. */
  timedVolumes(plugin: VolumePlugin): VolumePlugin {
    const timed = async <T>(operation: string, run: () => Promise<T>): Promise<T> => {
      const fromMs = this.#clock.monotonic();
      let status = 'fail-unknown';
      try {
        const result = await run();
        status = 'success';
        return result;
      } finally {
        this.#storage
          .cell(`${operation} ${status} ${plugin.name}`, () => ({
            ...{ migrated: 'false', operation_name: operation, status, volume_plugin: plugin.name },
          }))
          .observe((this.#clock.monotonic() - fromMs) / 1000);
      }
    };
    return Object.setPrototypeOf(
      {
        setUp: async (pod, volume, dir) => {
          const claimName = volume.persistentVolumeClaim?.claimName;
          const claim = claimName ? { namespace: pod.metadata.namespace ?? '', claim: claimName } : undefined;
          const placed: PlacedVolume = { plugin: plugin.name, claim, setUp: undefined };
          this.#volumes.set(dir, placed);
          const setUp = await timed('volume_mount', () => plugin.setUp(pod, volume, dir));
          placed.setUp = setUp;
          return setUp;
        },
        ...(plugin.tearDown
          ? {
              tearDown: async (dir: string) => {
                await timed('volume_unmount', () => plugin.tearDown!(dir));
                this.#volumes.delete(dir);
              },
            }
          : {}),
      } satisfies Partial<VolumePlugin>,
      plugin,
    ) as VolumePlugin;
  }

  /** Nothing of the pod runs, its volumes are gone. */
  gone(uid: string): void {
    this.#starts.delete(uid);
    for (const dir of this.#volumes.keys()) if (dir.includes(`/${uid}/`)) this.#volumes.delete(dir);
  }

  /** Claims whose volumes are set up, each once. */
  claims(): ClaimVolume[] {
    const found = new Map<string, ClaimVolume>();
    for (const { claim, setUp } of this.#volumes.values())
      if (claim && setUp?.path)
        found.set(`${claim.namespace}/${claim.claim}`, { ...claim, path: setUp.path, stats: setUp.stats });
    return [...found.values()];
  }

  #placed(state: string, counts: (volume: PlacedVolume) => boolean) {
    const byPlugin = new Map<string, number>();
    for (const v of this.#volumes.values()) if (counts(v)) byPlugin.set(v.plugin, (byPlugin.get(v.plugin) ?? 0) + 1);
    return [...byPlugin].map(([plugin_name, value]) => ({ labels: { plugin_name, state }, value }));
  }

  /** The same cgroups, what is done to them timed. */
  timedCgroups(cgroups: PodCgroups): PodCgroups {
    const timed = async (operation: string, run: () => Promise<void>) => {
      const fromMs = this.#clock.monotonic();
      await run();
      const cell = this.#cgroup.cell(operation, () => ({ operation_type: operation }));
      cell.observe((this.#clock.monotonic() - fromMs) / 1000);
    };
    const made = new Set<string>();
    const own: Pick<PodCgroups, 'ensure' | 'remove'> = {
      async ensure(pod, unlimited) {
        const uid = pod.metadata.uid ?? '';
        await timed(made.has(uid) ? 'update' : 'create', () => cgroups.ensure(pod, unlimited));
        made.add(uid);
      },
      async remove(uid) {
        made.delete(uid);
        await timed('destroy', () => cgroups.remove(uid));
      },
    };
    return Object.setPrototypeOf(own, cgroups) as PodCgroups;
  }
}
