// What the kernel's files say of a group of processes, in version 1 and 2 of control groups.
import type { CgroupVersion } from './cgroup.ts';

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

export interface Throttling {
  readonly quotaUs: number;
  readonly periodUs: number;
  readonly periods: number;
  readonly throttledPeriods: number;
  readonly throttledNanoseconds: number;
}

export interface DiskStats {
  /** `major:minor` */
  readonly device: string;
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly reads: number;
  readonly writes: number;
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
  /** Page cache; swapped out. Absent where the kernel keeps no account of swap. */
  readonly memoryCacheBytes?: number;
  readonly memorySwapBytes?: number;
  /** Of groups with a limit of processor time. */
  readonly throttling?: Throttling;
  /** By device; absent where the controller is. */
  readonly disks?: readonly DiskStats[];
  /** Version 2 only, and only where the kernel keeps account. */
  readonly cpuPressure?: Pressure;
  readonly memoryPressure?: Pressure;
  readonly ioPressure?: Pressure;
}

/** Reads a file of the group in a controller's hierarchy; undefined when it is not there. */
export type ReadCgroupFile = (
  controller: 'cpu' | 'cpuacct' | 'memory' | 'pids' | 'io' | 'blkio',
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
    ...present('memoryCacheBytes', memory.get('total_cache')),
    ...present('memorySwapBytes', memory.get('total_swap')),
    ...(max > 0 && max < v1Unlimited && { memoryLimitBytes: max }),
    ...(pids !== undefined && { pids: number(pids) }),
    ...present('throttling', throttlingV1(read)),
    ...present('disks', disksV1(read)),
  };
}

function throttlingV1(read: ReadCgroupFile): Throttling | undefined {
  const quotaUs = number(read('cpu', 'cpu.cfs_quota_us'));
  if (quotaUs <= 0) return undefined;
  const stat = keyed(read('cpu', 'cpu.stat'));
  return {
    quotaUs,
    periodUs: number(read('cpu', 'cpu.cfs_period_us')),
    periods: stat.get('nr_periods') ?? 0,
    throttledPeriods: stat.get('nr_throttled') ?? 0,
    throttledNanoseconds: stat.get('throttled_time') ?? 0,
  };
}

function disksV1(read: ReadCgroupFile): DiskStats[] | undefined {
  const bytes = read('blkio', 'blkio.throttle.io_service_bytes_recursive');
  if (bytes === undefined) return undefined;
  const counts = byDevice(read('blkio', 'blkio.throttle.io_serviced_recursive'));
  return [...byDevice(bytes)].map(([device, b]) => ({
    device,
    readBytes: b.get('Read') ?? 0,
    writtenBytes: b.get('Write') ?? 0,
    reads: counts.get(device)?.get('Read') ?? 0,
    writes: counts.get(device)?.get('Write') ?? 0,
  }));
}

/** `8:0 Read 4096`, one line a device and word. */
function byDevice(text: string | undefined): Map<string, Map<string, number>> {
  const out = new Map<string, Map<string, number>>();
  for (const line of text?.split('\n') ?? []) {
    const m = /^(\d+:\d+) (\w+) (\d+)$/.exec(line);
    if (m) out.getOrInsertComputed(m[1]!, () => new Map()).set(m[2]!, Number(m[3]));
  }
  return out;
}

function readV2(read: ReadCgroupFile): CgroupStats | undefined {
  const cpu = read('cpu', 'cpu.stat');
  if (cpu === undefined) return undefined;
  const memory = keyed(read('memory', 'memory.stat'));
  const current = read('memory', 'memory.current');
  // The root group has no memory.current.
  const used = current === undefined ? (memory.get('anon') ?? 0) + (memory.get('file') ?? 0) : number(current);
  const max = read('memory', 'memory.max')?.trim();
  const swap = read('memory', 'memory.swap.current');
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
    ...present('memoryCacheBytes', memory.get('file')),
    ...present('memorySwapBytes', swap === undefined ? undefined : number(swap)),
    ...present('throttling', throttlingV2(read, keyed(cpu))),
    ...present('disks', disksV2(read('io', 'io.stat'))),
    ...(max && max !== 'max' && { memoryLimitBytes: number(max) }),
    ...(pids !== undefined && { pids: number(pids) }),
    ...Object.fromEntries(Object.entries(pressure).filter(([, value]) => value)),
  };
}

function throttlingV2(read: ReadCgroupFile, stat: ReadonlyMap<string, number>): Throttling | undefined {
  const [quota = 'max', period] = read('cpu', 'cpu.max')?.trim().split(' ') ?? [];
  if (quota === 'max') return undefined;
  return {
    quotaUs: Number(quota),
    periodUs: Number(period),
    periods: stat.get('nr_periods') ?? 0,
    throttledPeriods: stat.get('nr_throttled') ?? 0,
    throttledNanoseconds: (stat.get('throttled_usec') ?? 0) * 1000,
  };
}

/** `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0`, one line a device. */
function disksV2(text: string | undefined): DiskStats[] | undefined {
  if (text === undefined) return undefined;
  return text.split('\n').flatMap(line => {
    const [device, ...pairs] = line.trim().split(' ');
    if (!device || !pairs.length) return [];
    const of = Object.fromEntries(pairs.map(pair => pair.split('=')));
    const value = (key: string) => Number(of[key] ?? 0);
    return [
      {
        device,
        readBytes: value('rbytes'),
        writtenBytes: value('wbytes'),
        reads: value('rios'),
        writes: value('wios'),
      },
    ];
  });
}

const present = <K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> =>
  (value === undefined ? {} : { [key]: value }) as Partial<Record<K, V>>;

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
