import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { VirtualClock } from '../base/clock.ts';
import { Cgroups } from './cgroup.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'k8ts-cgroup-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const file = (path: string, text: string) => {
  mkdirSync(join(root, path, '..'), { recursive: true });
  writeFileSync(join(root, path), text);
};
const content = (path: string) => readFileSync(join(root, path), 'utf8');
const cgroups = () =>
  new Cgroups({
    parent: '/kubepods-a',
    clock: new VirtualClock(),
    layout: { version: 'v2', unified: root, v1: new Map() },
  });

test('creating a group hands controllers down from the root and sets limits', () => {
  file('cgroup.controllers', 'cpuset cpu io memory pids\n');
  file('cgroup.subtree_control', 'memory\n');
  file('kubepods-a/cgroup.controllers', 'cpu memory pids\n');
  file('kubepods-a/cgroup.subtree_control', '\n');
  const path = cgroups().podPath('Guaranteed', 'u1');
  cgroups().create(path, { cpuShares: 2, memoryLimitBytes: 4096 });
  assert.equal(content('cgroup.subtree_control'), '+cpuset +cpu +io +pids');
  assert.equal(content('kubepods-a/cgroup.subtree_control'), '+cpu +memory +pids');
  assert.equal(content('kubepods-a/podu1/cpu.weight'), '1');
  assert.equal(content('kubepods-a/podu1/memory.max'), '4096');
});

test('a controller that cannot be handed down is missed only when pods need it', () => {
  file('cgroup.controllers', 'rdma misc\n');
  mkdirSync(join(root, 'cgroup.subtree_control'));
  cgroups().create('/kubepods-a', {});
  assert.ok(existsSync(join(root, 'kubepods-a')));
  file('cgroup.controllers', 'cpu rdma\n');
  assert.throws(() => cgroups().create('/kubepods-a', {}), /write "\+cpu" to .*cgroup\.subtree_control: EISDIR/);
});

// In the format of a version 2 kernel, for a pod with one container.
test('stats are read from a version 2 tree', () => {
  const at = 'kubepods-a/burstable/podu2';
  file(`${at}/cpu.stat`, 'usage_usec 5203119\nuser_usec 3000000\nsystem_usec 2203119\nnr_periods 0\n');
  file(`${at}/memory.current`, '73404416\n');
  file(`${at}/memory.stat`, 'anon 41943040\nfile 29360128\ninactive_file 8388608\npgfault 912\npgmajfault 3\n');
  file(`${at}/memory.max`, '134217728\n');
  file(`${at}/pids.current`, '4\n');
  file(`${at}/cpu.pressure`, 'some avg10=0.00 avg60=0.11 avg300=0.02 total=9001\n');
  assert.deepEqual(cgroups().stats('/kubepods-a/burstable/podu2'), {
    cpuUsageNanoseconds: 5_203_119_000,
    memoryUsageBytes: 73_404_416,
    memoryWorkingSetBytes: 65_015_808,
    memoryRssBytes: 41_943_040,
    pageFaults: 912,
    majorPageFaults: 3,
    memoryCacheBytes: 29_360_128,
    memoryLimitBytes: 134_217_728,
    pids: 4,
    cpuPressure: { some: { avg10: 0, avg60: 0.11, avg300: 0.02, total: 9001 } },
  });
  assert.equal(cgroups().stats('/kubepods-a/podnone'), undefined);
  file('cpu.stat', 'usage_usec 7\n');
  file('memory.stat', 'anon 100\nfile 50\ninactive_file 20\n');
  assert.equal(cgroups().stats('/')!.memoryWorkingSetBytes, 130);
});

test('pods are listed by class and removed with what lies below', async () => {
  for (const path of ['podg', 'burstable/podb', 'besteffort/pode/c1', 'burstable/other'])
    mkdirSync(join(root, 'kubepods-a', path), { recursive: true });
  mkdirSync(join(root, 'system.slice/podx'), { recursive: true });
  assert.deepEqual(
    cgroups()
      .pods()
      .map(p => `${p.qos} ${p.uid}`),
    ['Guaranteed g', 'Burstable b', 'BestEffort e'],
  );
  await cgroups().remove('/kubepods-a/besteffort/pode');
  assert.equal(existsSync(join(root, 'kubepods-a/besteffort/pode')), false);
  await cgroups().remove('/kubepods-a/besteffort/pode');
});

test('nothing outside the parent is touched', async () => {
  for (const path of ['/', '/kubepods-b', '/kubepods-a/../x', '/system.slice'])
    await assert.rejects(async () => cgroups().remove(path), /not below/);
});
