import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cgroupLayout, cpuWeight, parsePressure, planWrites, podCgroupPath, readStats } from './cgroup.ts';

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

test('pressure is read a line a kind', () => {
  assert.equal(parsePressure(undefined), undefined);
  assert.deepEqual(parsePressure('some avg10=1.50 avg60=0.20 avg300=0.00 total=77\n'), {
    some: { avg10: 1.5, avg60: 0.2, avg300: 0, total: 77 },
  });
});
