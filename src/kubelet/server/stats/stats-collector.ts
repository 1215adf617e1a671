// Measures the node, its pods and containers: cgroups where they are known, the runtime for the rest.
import { readlinkSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parseQuantity } from '../../../api/quantity.ts';
import type { Pod } from '../../../api/type/core-v1.ts';
import type { Clock } from '../../../base/clock.ts';
import type { Cgroups } from '../../../cri/cgroup.ts';
import type { CgroupStats, DiskStats } from '../../../cri/kernel/cgroup-stats.ts';
import type { ContainerStats } from '../../../cri/type.ts';
import { listContainerStats } from '../../container-stats.ts';
import type { Host } from '../../host/host.ts';
import { podUidLabel } from '../../kernel/label.ts';
import type { ObservedContainer } from '../../kernel/observed.ts';
import { qosClassOf } from '../../kernel/qos.ts';
import type { Kubelet } from '../../kubelet.ts';
import {
  type ContainerSample,
  type FilesystemSample,
  type NetworkSample,
  type NodeSample,
  type PodSample,
  type ResourceSample,
  readNetDev,
  type VolumeSample,
} from './kernel/sample.ts';
import { containerKey, type Earlier, nodeKey, podKey, podsKey } from './kernel/summary.ts';

export interface StatsCollectorOptions {
  readonly kubelet: Kubelet;
  readonly clock: Clock;
  readonly host: Host;
  /** Absent: pods and the node have no figures of their own. */
  readonly cgroups?: Cgroups;
}

// Rates are over at least this, as cAdvisor's housekeeping has it.
const rateMs = 10_000;
const freshMs = 1000;

export class StatsCollector {
  readonly #o: StatsCollectorOptions;
  readonly #startedAtMs: number;
  #latest: Promise<NodeSample> | undefined;
  #latestMs = Number.NEGATIVE_INFINITY;
  /** Two moments at least `rateMs` apart: the rates are those since the older one. */
  #older = new Map<string, ResourceSample>();
  #newer = new Map<string, ResourceSample>();
  #newerMs = Number.NEGATIVE_INFINITY;
  readonly #devices = new Map<string, string>();

  constructor(options: StatsCollectorOptions) {
    this.#o = options;
    this.#startedAtMs = options.clock.now();
  }

  readonly earlier: Earlier = { of: key => this.#older.get(key) };

  /** Takes a sample now and then, so that rates are known when asked for. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.collect().catch(() => {});
      await this.#o.clock.sleep(rateMs, signal).catch(() => {});
    }
  }

  /** At most a second old. */
  collect(): Promise<NodeSample> {
    const nowMs = this.#o.clock.monotonic();
    if (this.#latest && nowMs - this.#latestMs < freshMs) return this.#latest;
    this.#latestMs = nowMs;
    const latest = this.#measure().then(sample => {
      this.#remember(sample);
      return sample;
    });
    latest.catch(() => {
      if (this.#latest === latest) this.#latest = undefined;
    });
    this.#latest = latest;
    return latest;
  }

  #remember(sample: NodeSample): void {
    const nowMs = this.#o.clock.monotonic();
    if (nowMs - this.#newerMs < rateMs / 2) return;
    const all = new Map<string, ResourceSample>();
    const add = (key: string, r: ResourceSample | undefined) => void (r && all.set(key, r));
    add(nodeKey, sample.resources);
    add(podsKey, sample.podResources);
    for (const pod of sample.pods) {
      add(podKey(pod), pod.resources);
      for (const c of pod.containers) add(containerKey(c), c.resources);
    }
    this.#older = this.#newerMs === Number.NEGATIVE_INFINITY ? all : this.#newer;
    this.#newer = all;
    this.#newerMs = nowMs;
  }

  async #measure(): Promise<NodeSample> {
    const { kubelet, clock, cgroups } = this.#o;
    const capacity = kubelet.node()?.status?.capacity ?? {};
    const [stats, filesystem, imageFilesystem, network] = await Promise.all([
      listContainerStats(kubelet.runtime),
      this.#disk(kubelet.rootDirectory),
      this.#imageDisk(),
      netDev('/proc/net/dev'),
    ]);
    const byPod = Map.groupBy(stats, s => s.attributes?.labels?.[podUidLabel] ?? '');
    return {
      atMs: clock.now(),
      nodeName: kubelet.nodeName,
      startedAtMs: this.#startedAtMs,
      cores: parseQuantity(capacity.cpu ?? '0').toNumber(),
      memoryBytes: parseQuantity(capacity.memory ?? '0').toNumber(),
      ...present('resources', this.#cgroup('/')),
      ...present('podResources', cgroups && this.#cgroup(cgroups.parent)),
      network,
      ...present('filesystem', filesystem),
      ...present('imageFilesystem', imageFilesystem),
      pods: await Promise.all(kubelet.pods().map(pod => this.#pod(pod, byPod.get(pod.metadata.uid ?? '') ?? []))),
    };
  }

  async #pod(pod: Pod, stats: readonly ContainerStats[]): Promise<PodSample> {
    const { kubelet, cgroups, host } = this.#o;
    const { uid = '', name = '', namespace = '' } = pod.metadata;
    const path = cgroups?.podPath(qosClassOf(pod), uid);
    const logs = join(kubelet.podLogsDirectory, `${namespace}_${name}_${uid}`);
    const running = kubelet.observed(pod)?.containers.filter(c => c.state === 'running') ?? [];
    const containers = stats.flatMap(s => {
      const observed = running.find(c => c.id === s.attributes?.id);
      return observed ? [{ s, observed }] : [];
    });
    const pid = path && !pod.spec.hostNetwork ? cgroups!.process(path) : undefined;
    return {
      uid,
      name,
      namespace,
      startedAtMs: Math.min(...containers.map(c => c.observed.createdAtMs), this.#o.clock.now()),
      ...present('resources', path && this.#cgroup(path)),
      network: pid ? await netDev(`/proc/${pid}/net/dev`) : [],
      containers: await Promise.all(
        containers.map(async ({ s, observed }) =>
          containerSample(
            s,
            observed,
            await host.usage(join(logs, observed.name)).catch(() => 0),
            path && this.#cgroup(`${path}/${observed.id}`),
          ),
        ),
      ),
      volumes: [...(await this.#volumes(pod)), ...(await this.#figures(pod))],
    };
  }

  async #figures(pod: Pod): Promise<readonly VolumeSample[]> {
    const found = await this.#o.kubelet.volumeFigures(pod);
    return found.map(({ name, claim, figures: { abnormal: _, ...filesystem } }) => ({
      ...{ name, usedBytes: filesystem.usedBytes, ephemeral: false, filesystem },
      ...(claim ? { claim } : {}),
    }));
  }

  #volumes(pod: Pod) {
    const { kubelet, host } = this.#o;
    const empty = (pod.spec.volumes ?? []).filter(v => v.emptyDir);
    return Promise.all(
      empty.map(async v => {
        const path = join(
          kubelet.rootDirectory,
          'pods',
          pod.metadata.uid ?? '',
          'volumes/kubernetes.io~empty-dir',
          v.name,
        );
        const usedBytes = await host.usage(path).catch(() => 0);
        return { name: v.name, usedBytes, ephemeral: v.emptyDir?.medium !== 'Memory' };
      }),
    );
  }

  #cgroup(path: string): ResourceSample | undefined {
    const s = this.#o.cgroups?.stats(path);
    return (
      s && {
        atMs: this.#o.clock.now(),
        cpuNanoseconds: s.cpuUsageNanoseconds,
        workingSetBytes: s.memoryWorkingSetBytes,
        usageBytes: s.memoryUsageBytes,
        rssBytes: s.memoryRssBytes,
        pageFaults: s.pageFaults,
        majorPageFaults: s.majorPageFaults,
        ...present('limitBytes', s.memoryLimitBytes),
        ...present('processes', s.pids),
        ...present('cacheBytes', s.memoryCacheBytes),
        ...present('swapBytes', s.memorySwapBytes),
        ...present('throttling', s.throttling),
        ...present('disks', s.disks && this.#named(s.disks)),
        ...present('pressure', pressureOf(s)),
      }
    );
  }

  // A device keeps its number while it is there.
  #named(disks: readonly DiskStats[]): readonly DiskStats[] {
    return disks.map(disk => ({
      ...disk,
      device: this.#devices.getOrInsertComputed(disk.device, () => deviceFile(disk.device)),
    }));
  }

  async #disk(path: string): Promise<FilesystemSample | undefined> {
    const d = await this.#o.host.disk(path).catch(() => undefined);
    return (
      d && {
        availableBytes: d.availableBytes,
        capacityBytes: d.capacityBytes,
        usedBytes: Math.max(0, d.capacityBytes - d.availableBytes),
        inodes: d.inodes,
        inodesFree: d.inodesFree,
        inodesUsed: d.inodes - d.inodesFree,
      }
    );
  }

  async #imageDisk(): Promise<FilesystemSample | undefined> {
    const info = await this.#o.kubelet.runtime.ImageFsInfo({}).catch(() => undefined);
    const [images] = info?.image_filesystems ?? [];
    const path = images?.fs_id?.mountpoint;
    const disk = path ? await this.#disk(path) : undefined;
    return disk && { ...disk, usedBytes: images?.used_bytes?.value ?? 0 };
  }
}

const present = <K extends string, V>(key: K, value: V | undefined | ''): Partial<Record<K, Exclude<V, ''>>> =>
  (value === undefined || value === '' ? {} : { [key]: value }) as Partial<Record<K, Exclude<V, ''>>>;

const pressureOf = ({ cpuPressure: cpu, memoryPressure: memory, ioPressure: io }: CgroupStats) =>
  cpu || memory || io ? { ...present('cpu', cpu), ...present('memory', memory), ...present('io', io) } : undefined;

/** As the runtime measures it, and what only the group tells. */
function containerSample(
  s: ContainerStats,
  observed: ObservedContainer,
  logBytes: number,
  group: ResourceSample | undefined | '',
): ContainerSample {
  const { cpu, memory, writable_layer: layer } = s;
  return {
    id: observed.id,
    name: observed.name,
    image: observed.image,
    startedAtMs: observed.startedAtMs,
    resources: {
      atMs: Math.floor((cpu?.timestamp ?? 0) / 1e6),
      cpuNanoseconds: cpu?.usage_core_nano_seconds?.value ?? 0,
      workingSetBytes: memory?.working_set_bytes?.value ?? 0,
      ...present('usageBytes', memory?.usage_bytes?.value || undefined),
      ...present('rssBytes', memory?.rss_bytes?.value || undefined),
      ...present('pageFaults', memory?.page_faults?.value || undefined),
      ...present('majorPageFaults', memory?.major_page_faults?.value || undefined),
      ...(group && {
        ...present('limitBytes', group.limitBytes),
        ...present('processes', group.processes),
        ...present('cacheBytes', group.cacheBytes),
        ...present('swapBytes', group.swapBytes),
        ...present('throttling', group.throttling),
        ...present('disks', group.disks),
        ...present('pressure', group.pressure),
      }),
    },
    rootfsUsedBytes: layer?.used_bytes?.value ?? 0,
    rootfsInodesUsed: layer?.inodes_used?.value ?? 0,
    logBytes,
  };
}

/** Of a device by its numbers; empty where the kernel does not tell. */
function deviceFile(numbers: string): string {
  try {
    return `/dev/${basename(readlinkSync(`/sys/dev/block/${numbers}`))}`;
  } catch {
    return '';
  }
}

const netDev = async (path: string): Promise<NetworkSample[]> =>
  readNetDev(await readFile(path, 'utf8').catch(() => ''));
