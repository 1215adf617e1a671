import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { Pod } from '../api/type/core-v1.ts';
import { VirtualClock } from '../base/clock.ts';
import { Cgroups } from '../cri/cgroup.ts';
import { linuxPodCgroups, shareOfPods } from './linux-cgroups.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'k8ts-pod-cgroup-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const content = (path: string) => readFileSync(join(root, 'kubepods', path), 'utf8');
const pod = (uid: string, requests?: Record<string, string>, limits = requests): Pod =>
  ({
    metadata: { uid },
    spec: { containers: [{ name: 'c', ...(requests ? { resources: { requests, limits } } : {}) }] },
  }) as unknown as Pod;

test('classes and pods weigh what they ask for, in a version 2 tree', async () => {
  const cgroups = new Cgroups({
    parent: '/kubepods',
    clock: new VirtualClock(),
    layout: { version: 'v2', unified: root, v1: new Map() },
  });
  const pods = linuxPodCgroups(cgroups, { allocatable: { cpuMilli: 2000, memoryBytes: 2 ** 30 }, podPidsLimit: 100 });
  assert.equal(pods.version, 2);
  await pods.prepare();
  assert.deepEqual([content('cpu.weight'), content('memory.max')], ['79', '1073741824']);
  assert.equal(pods.limitsSwap(), false);
  writeFileSync(join(root, 'kubepods/memory.swap.max'), 'max');
  assert.equal(pods.limitsSwap(), true);
  assert.deepEqual([content('burstable/cpu.weight'), content('besteffort/cpu.weight')], ['1', '1']);

  await pods.ensure(pod('b1', { cpu: '500m' }, {}));
  await pods.ensure(pod('b2', { cpu: '1500m', memory: '1Mi' }, { cpu: '2', memory: '64Mi' }));
  await pods.ensure(pod('g', { cpu: '500m', memory: '64Mi' }));
  await pods.ensure(pod('e'));
  assert.equal(content('burstable/cpu.weight'), '79', 'of both burstable pods');
  assert.equal(content('burstable/podb1/cpu.weight'), '20');
  assert.equal(existsSync(join(root, 'kubepods/burstable/podb1/cpu.max')), false);
  assert.deepEqual(
    [content('burstable/podb2/cpu.max'), content('burstable/podb2/memory.max')],
    ['200000 100000', '67108864'],
  );
  assert.deepEqual([content('podg/cpu.weight'), content('podg/cpu.max')], ['20', '50000 100000']);
  assert.equal(content('besteffort/pode/cpu.weight'), '1');
  assert.deepEqual([content('besteffort/pode/pids.max'), existsSync(join(root, 'kubepods/pids.max'))], ['100', false]);

  await pods.ensure(pod('b1', { cpu: '1' }, {}));
  assert.equal(content('burstable/cpu.weight'), '98', 'after a resize');

  // Shrinking: the new request beside the limit that is still in force.
  await pods.ensure(pod('g', { cpu: '300m', memory: '48Mi' }, { cpu: '300m', memory: '64Mi' }));
  assert.equal(content('podg/cpu.max'), '30000 100000');
  assert.equal(existsSync(join(root, 'kubepods/burstable/podg')), false, 'a pod keeps its class');
  assert.equal(content('burstable/cpu.weight'), '98');
});

test('pods share what is not reserved', () => {
  const machine = { cpuMilli: 2000, memoryBytes: 2 ** 30 };
  assert.deepEqual(shareOfPods(machine, [undefined, {}]), machine);
  assert.deepEqual(
    shareOfPods(machine, [
      { cpu: '100m', memory: '1Mi' },
      { cpu: '1', 'ephemeral-storage': '1Gi' },
    ]),
    { cpuMilli: 900, memoryBytes: 2 ** 30 - 2 ** 20 },
  );
});

test('huge pages are for those that ask for them', async () => {
  const parent = join(root, 'kubepods');
  for (const uid of ['podh', 'besteffort/podn']) {
    mkdirSync(join(parent, uid), { recursive: true });
    for (const file of ['2MB.max', '2MB.rsvd.max', '1GB.max', '2MB.current'])
      writeFileSync(join(parent, uid, `hugetlb.${file}`), 'max');
  }
  const clock = new VirtualClock();
  const layout = { version: 'v2', unified: root, v1: new Map() } as const;
  const pods = linuxPodCgroups(new Cgroups({ parent: '/kubepods', clock, layout }));
  await pods.ensure(pod('h', { cpu: '1', memory: '64Mi', 'hugepages-2Mi': '8Mi' }));
  await pods.ensure(pod('n'));
  const of = (uid: string) =>
    ['2MB.max', '2MB.rsvd.max', '1GB.max', '2MB.current'].map(f => content(`${uid}/hugetlb.${f}`));
  assert.deepEqual(of('podh'), ['8388608', '8388608', '0', 'max']);
  assert.deepEqual(of('besteffort/podn'), ['0', '0', '0', 'max']);
});
