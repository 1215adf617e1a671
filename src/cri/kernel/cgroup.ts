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

export interface PressureData {
  readonly avg10: number;
  readonly avg60: number;
  readonly avg300: number;
  /** Microseconds. */
  readonly total: number;
}
export interface Pressure {
  readonly some?: PressureData;
  readonly full?: PressureData;
}

export interface CgroupStats {
  readonly cpuUsageNanoseconds: number;
  readonly memoryUsageBytes: number;
  /** Usage without the file pages that can be dropped at once; what eviction and `kubectl top` look at. */
  readonly memoryWorkingSetBytes: number;
  readonly memoryRssBytes: number;
  readonly pageFaults: number;
  readonly majorPageFaults: number;
  /** Absent when there is no limit. */
  readonly memoryLimitBytes?: number;
  /** Tasks, threads included; absent at the root. */
  readonly pids?: number;
  /** Version 2 only, and only where the kernel keeps account. */
  readonly cpuPressure?: Pressure;
  readonly memoryPressure?: Pressure;
  readonly ioPressure?: Pressure;
}

/** Reads a file of the group in a controller's hierarchy; undefined when it is not there. */
export type ReadCgroupFile = (
  controller: 'cpu' | 'cpuacct' | 'memory' | 'pids' | 'io',
  file: string,
) => string | undefined;

/** Undefined when the group does not exist. */
export function readStats(version: CgroupVersion, read: ReadCgroupFile): CgroupStats | undefined {
  return version === 'v2' ? readV2(read) : readV1(read);
}

// Kernels say "no limit" with the largest page-aligned number.
const v1Unlimited = 2 ** 62;

function readV1(read: ReadCgroupFile): CgroupStats | undefined {
  const cpu = read('cpuacct', 'cpuacct.usage');
  const usage = read('memory', 'memory.usage_in_bytes');
  if (cpu === undefined && usage === undefined) return undefined;
  const memory = keyed(read('memory', 'memory.stat'));
  const used = number(usage);
  const max = number(read('memory', 'memory.limit_in_bytes'));
  const pids = read('pids', 'pids.current');
  return {
    cpuUsageNanoseconds: number(cpu),
    memoryUsageBytes: used,
    memoryWorkingSetBytes: Math.max(0, used - (memory.get('total_inactive_file') ?? 0)),
    memoryRssBytes: memory.get('total_rss') ?? 0,
    pageFaults: memory.get('total_pgfault') ?? 0,
    majorPageFaults: memory.get('total_pgmajfault') ?? 0,
    ...(max > 0 && max < v1Unlimited && { memoryLimitBytes: max }),
    ...(pids !== undefined && { pids: number(pids) }),
  };
}

function readV2(read: ReadCgroupFile): CgroupStats | undefined {
  const cpu = read('cpu', 'cpu.stat');
  if (cpu === undefined) return undefined;
  const memory = keyed(read('memory', 'memory.stat'));
  const current = read('memory', 'memory.current');
  // The root group has no memory.current.
  const used = current === undefined ? (memory.get('anon') ?? 0) + (memory.get('file') ?? 0) : number(current);
  const max = read('memory', 'memory.max')?.trim();
  const pids = read('pids', 'pids.current');
  const pressure = {
    cpuPressure: parsePressure(read('cpu', 'cpu.pressure')),
    memoryPressure: parsePressure(read('memory', 'memory.pressure')),
    ioPressure: parsePressure(read('io', 'io.pressure')),
  };
  return {
    cpuUsageNanoseconds: (keyed(cpu).get('usage_usec') ?? 0) * 1000,
    memoryUsageBytes: used,
    memoryWorkingSetBytes: Math.max(0, used - (memory.get('inactive_file') ?? 0)),
    memoryRssBytes: memory.get('anon') ?? 0,
    pageFaults: memory.get('pgfault') ?? 0,
    majorPageFaults: memory.get('pgmajfault') ?? 0,
    ...(max && max !== 'max' && { memoryLimitBytes: number(max) }),
    ...(pids !== undefined && { pids: number(pids) }),
    ...Object.fromEntries(Object.entries(pressure).filter(([, value]) => value)),
  };
}

const number = (text: string | undefined) => Number(text?.trim() || 0);

function keyed(text: string | undefined): Map<string, number> {
  const out = new Map<string, number>();
  for (const line of text?.split('\n') ?? []) {
    const space = line.indexOf(' ');
    if (space > 0) out.set(line.slice(0, space), Number(line.slice(space + 1)));
  }
  return out;
}

/** `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, one line a kind. */
export function parsePressure(text: string | undefined): Pressure | undefined {
  if (!text) return undefined;
  const out: { some?: PressureData; full?: PressureData } = {};
  for (const line of text.split('\n')) {
    const m = /^(some|full) avg10=([\d.]+) avg60=([\d.]+) avg300=([\d.]+) total=(\d+)/.exec(line);
    if (m)
      out[m[1] as 'some' | 'full'] = {
        avg10: Number(m[2]),
        avg60: Number(m[3]),
        avg300: Number(m[4]),
        total: Number(m[5]),
      };
  }
  return out;
}
