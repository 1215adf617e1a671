import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cgroupLayout, cpuWeight, planWrites, podCgroupPath } from './cgroup.ts';
import { parsePressure, readStats } from './cgroup-stats.ts';

const line = (mount: string, type: string, options: string) =>
  `33 31 0:30 / ${mount} rw,nosuid shared:9 - ${type} ${type} ${options}`;

test('a layout is told from the mounts', () => {
  assert.equal(cgroupLayout('22 1 8:1 / / rw - ext4 /dev/sda rw'), undefined);
  const v2 = cgroupLayout(line('/sys/fs/cgroup', 'cgroup2', 'rw,nsdelegate'))!;
  assert.deepEqual([v2.version, v2.unified], ['v2', '/sys/fs/cgroup']);
  const v1 = [line('/c/cpu,cpuacct', 'cgroup', 'rw,cpu,cpuacct'), line('/c/memory', 'cgroup', 'rw,memory')];
  assert.equal(cgroupLayout(v1.join('\n'))!.version, 'v1');
  assert.equal(cgroupLayout(v1.join('\n'))!.v1.get('cpuacct'), '/c/cpu,cpuacct');
  const hybrid = cgroupLayout([...v1, line('/c/unified', 'cgroup2', 'rw')].join('\n'))!;
  assert.deepEqual([hybrid.version, hybrid.unified], ['hybrid', '/c/unified']);
  // systemd's own version 1 tree alone holds no controller.
  assert.equal(
    cgroupLayout([line('/c/systemd', 'cgroup', 'rw,name=systemd'), line('/c', 'cgroup2', 'rw')].join('\n'))!.version,
    'v2',
  );
});

test('pods lie where the cgroupfs driver puts them', () => {
  assert.equal(podCgroupPath('/kubepods', 'Guaranteed', 'u'), '/kubepods/podu');
  assert.equal(podCgroupPath('/kubepods', 'Burstable', 'u'), '/kubepods/burstable/podu');
  assert.equal(podCgroupPath('/kubepods-a', 'BestEffort', 'u'), '/kubepods-a/besteffort/podu');
});

test('resources become files of either version', () => {
  const resources = { cpuShares: 1024, cpuQuotaUs: 50_000, memoryLimitBytes: 1 << 20, pidsLimit: -1 };
  const files = (version: 'v1' | 'v2') => planWrites(version, resources).map(w => `${w.file}=${w.value}`);
  assert.deepEqual(files('v1'), [
    'cpu.shares=1024',
    'cpu.cfs_period_us=100000',
    'cpu.cfs_quota_us=50000',
    'memory.limit_in_bytes=1048576',
    'pids.max=max',
  ]);
  assert.deepEqual(files('v2'), ['cpu.weight=39', 'cpu.max=50000 100000', 'memory.max=1048576', 'pids.max=max']);
  assert.deepEqual(
    planWrites('v2', { cpuQuotaUs: -1, memoryLimitBytes: -1 }).map(w => w.value),
    ['max 100000', 'max'],
  );
  assert.deepEqual(planWrites('v1', {}), []);
});

test('weights stay in range and in order', () => {
  assert.deepEqual([cpuWeight(0), cpuWeight(2), cpuWeight(262_144), cpuWeight(1e9)], [1, 1, 10_000, 10_000]);
  fc.assert(
    fc.property(fc.nat(300_000), fc.nat(300_000), (a, b) => {
      const [low, high] = [cpuWeight(Math.min(a, b)), cpuWeight(Math.max(a, b))];
      assert.ok(low >= 1 && high <= 10_000 && low <= high);
    }),
  );
});

test('an absent group has no stats, and the working set is never negative', () => {
  assert.equal(
    readStats('v1', () => undefined),
    undefined,
  );
  assert.equal(
    readStats('v2', () => undefined),
    undefined,
  );
  const files: Record<string, string> = {
    'cpu.stat': 'usage_usec 5\n',
    'memory.current': '100\n',
    'memory.stat': 'anon 60\ninactive_file 300\n',
  };
  assert.equal(readStats('v2', (_, file) => files[file])!.memoryWorkingSetBytes, 0);
});

test('throttling is told of groups with a limit, disks by device, cache and swap where they are kept', () => {
  const v1: Record<string, string> = {
    'cpuacct.usage': '7\n',
    'memory.usage_in_bytes': '100\n',
    'memory.stat': 'cache 1\ntotal_cache 40\ntotal_swap 4\n',
    'cpu.cfs_quota_us': '50000\n',
    'cpu.cfs_period_us': '100000\n',
    'cpu.stat': 'nr_periods 10\nnr_throttled 3\nthrottled_time 2500\n',
    'blkio.throttle.io_service_bytes_recursive': '8:0 Read 4096\n8:0 Write 512\n8:0 Total 4608\nTotal 4608\n',
    'blkio.throttle.io_serviced_recursive': '8:0 Read 2\n8:0 Write 1\n8:0 Total 3\nTotal 3\n',
  };
  const v2: Record<string, string> = {
    'cpu.stat': 'usage_usec 5\nnr_periods 10\nnr_throttled 3\nthrottled_usec 2\n',
    'cpu.max': '50000 100000\n',
    'memory.current': '100\n',
    'memory.stat': 'anon 60\nfile 40\n',
    'memory.swap.current': '4\n',
    'io.stat': '8:0 rbytes=4096 wbytes=512 rios=2 wios=1 dbytes=0 dios=0\n7:0 \n',
  };
  const limit = { quotaUs: 50_000, periodUs: 100_000, periods: 10, throttledPeriods: 3 };
  const disks = [{ device: '8:0', readBytes: 4096, writtenBytes: 512, reads: 2, writes: 1 }];
  for (const [version, files, throttledNanoseconds] of [
    ['v1', v1, 2500],
    ['v2', v2, 2000],
  ] as const) {
    const stats = readStats(version, (_, file) => files[file])!;
    assert.deepEqual(stats.throttling, { ...limit, throttledNanoseconds });
    assert.deepEqual(stats.disks, disks);
    assert.deepEqual([stats.memoryCacheBytes, stats.memorySwapBytes], [40, 4]);
  }
  const free = { ...v1, 'cpu.cfs_quota_us': '-1\n' };
  assert.equal(readStats('v1', (_, file) => free[file as keyof typeof free])!.throttling, undefined);
  assert.equal(readStats('v2', (_, f) => (f === 'cpu.max' ? 'max 100000\n' : v2[f]))!.throttling, undefined);
});

test('pressure is read a line a kind', () => {
  assert.equal(parsePressure(undefined), undefined);
  assert.deepEqual(parsePressure('some avg10=1.50 avg60=0.20 avg300=0.00 total=77\n'), {
    some: { avg10: 1.5, avg60: 0.2, avg300: 0, total: 77 },
  });
});
