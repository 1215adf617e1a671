// Control groups, versions 1 and 2: which files to write and how to read them. Nothing here touches a file.

/** hybrid: version 1 holds the controllers that matter and is used; a version 2 tree is mounted beside it. */
export type CgroupVersion = 'v1' | 'v2' | 'hybrid';
export interface CgroupLayout {
  readonly version: CgroupVersion;
  /** Mount point of the version 2 tree. */
  readonly unified?: string;
  /** Mount points of version 1, by controller; named hierarchies as `name=systemd`. */
  readonly v1: ReadonlyMap<string, string>;
}

const v1Controllers = new Set(
  'blkio cpu cpuacct cpuset devices freezer hugetlb memory misc net_cls net_prio perf_event pids rdma'.split(' '),
);

/** Reads /proc/self/mountinfo. Undefined when no control groups are mounted. */
export function cgroupLayout(mountinfo: string): CgroupLayout | undefined {
  const v1 = new Map<string, string>();
  let unified: string | undefined;
  for (const line of mountinfo.split('\n')) {
    const separator = line.indexOf(' - ');
    if (separator < 0) continue;
    const mountPoint = line.split(' ')[4]!;
    const [type, , options = ''] = line.slice(separator + 3).split(' ');
    if (type === 'cgroup2') unified ??= mountPoint;
    if (type !== 'cgroup') continue;
    for (const option of options.split(','))
      if (v1Controllers.has(option) || option.startsWith('name=')) if (!v1.has(option)) v1.set(option, mountPoint);
  }
  if (v1.has('cpu') || v1.has('memory')) return { version: unified ? 'hybrid' : 'v1', unified, v1 };
  return unified ? { version: 'v2', unified, v1: new Map() } : undefined;
}

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

/** `/kubepods/burstable/pod<uid>` as the cgroupfs driver lays it out; guaranteed pods lie directly below the parent. */
export function podCgroupPath(parent: string, qos: QosClass, uid: string): string {
  return `${qosCgroupPath(parent, qos)}/pod${uid}`;
}

export function qosCgroupPath(parent: string, qos: QosClass): string {
  return qos === 'Guaranteed' ? parent : `${parent}/${qos.toLowerCase()}`;
}

/** What is absent stays as it is; -1 lifts a limit. */
export interface CgroupResources {
  readonly cpuShares?: number;
  readonly cpuQuotaUs?: number;
  /** 100000 when a quota comes without. */
  readonly cpuPeriodUs?: number;
  readonly memoryLimitBytes?: number;
  readonly pidsLimit?: number;
}

export interface CgroupWrite {
  /** Whose hierarchy the file lies in; version 2 has one for all. */
  readonly controller: 'cpu' | 'memory' | 'pids';
  readonly file: string;
  readonly value: string;
}

const defaultPeriodUs = 100_000;

/** Version 1's 2..262144 to version 2's 1..10000, as Kubernetes maps a pod's shares (KEP-2254). */
export function cpuWeight(shares: number): number {
  if (shares >= 262_144) return 10_000;
  return 1 + Math.floor(((Math.max(2, shares) - 2) * 9999) / 262_142);
}

/** The files to write for the resources, in order. */
export function planWrites(version: CgroupVersion, resources: CgroupResources): CgroupWrite[] {
  return version === 'v2' ? planV2(resources) : planV1(resources);
}

function planV1(r: CgroupResources): CgroupWrite[] {
  const writes: CgroupWrite[] = [];
  if (r.cpuShares !== undefined)
    writes.push({ controller: 'cpu', file: 'cpu.shares', value: String(Math.max(2, r.cpuShares)) });
  if (r.cpuQuotaUs !== undefined) {
    writes.push({ controller: 'cpu', file: 'cpu.cfs_period_us', value: String(r.cpuPeriodUs ?? defaultPeriodUs) });
    writes.push({ controller: 'cpu', file: 'cpu.cfs_quota_us', value: String(r.cpuQuotaUs) });
  }
  if (r.memoryLimitBytes !== undefined)
    writes.push({ controller: 'memory', file: 'memory.limit_in_bytes', value: String(r.memoryLimitBytes) });
  if (r.pidsLimit !== undefined) writes.push({ controller: 'pids', file: 'pids.max', value: limit(r.pidsLimit) });
  return writes;
}

function planV2(r: CgroupResources): CgroupWrite[] {
  const writes: CgroupWrite[] = [];
  if (r.cpuShares !== undefined)
    writes.push({ controller: 'cpu', file: 'cpu.weight', value: String(cpuWeight(r.cpuShares)) });
  if (r.cpuQuotaUs !== undefined) {
    const period = r.cpuPeriodUs ?? defaultPeriodUs;
    writes.push({ controller: 'cpu', file: 'cpu.max', value: `${limit(r.cpuQuotaUs)} ${period}` });
  }
  if (r.memoryLimitBytes !== undefined)
    writes.push({ controller: 'memory', file: 'memory.max', value: limit(r.memoryLimitBytes) });
  if (r.pidsLimit !== undefined) writes.push({ controller: 'pids', file: 'pids.max', value: limit(r.pidsLimit) });
  return writes;
}

const limit = (value: number) => (value < 0 ? 'max' : String(value));
