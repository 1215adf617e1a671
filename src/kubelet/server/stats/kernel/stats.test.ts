import assert from 'node:assert/strict';
import { test } from 'node:test';
import { containerMetrics, resourceMetrics } from './exposition.ts';
import { type NodeSample, nanoCores, type ResourceSample, readNetDev } from './sample.ts';
import { summaryOf } from './summary.ts';

const at = (atMs: number, cpuNanoseconds: number): ResourceSample => ({ atMs, cpuNanoseconds, workingSetBytes: 1000 });

test('rates need two moments of the same counter', () => {
  assert.equal(nanoCores(at(0, 0), at(2000, 1e9)), 5e8);
  assert.equal(nanoCores(undefined, at(1, 1)), undefined);
  assert.equal(nanoCores(at(1, 1), at(1, 2)), undefined);
  assert.equal(nanoCores(at(0, 5), at(1, 4)), undefined);
});

const netDevText = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
  cni0:       7       1    0    0    0     0          0         0        8       1    0    0    0     0       0          0
  eth0:    1422      11    2    3    0     0          0         0      586       7    4    5    0     0       0          0
`;

test('reads what the kernel says of interfaces', () => {
  const [eth0, cni0, ...rest] = readNetDev(netDevText);
  assert.deepEqual(eth0, {
    name: 'eth0',
    rxBytes: 1422,
    rxPackets: 11,
    rxErrors: 2,
    rxDropped: 3,
    txBytes: 586,
    txPackets: 7,
    txErrors: 4,
    txDropped: 5,
  });
  assert.equal(cni0?.name, 'cni0');
  assert.deepEqual([rest, readNetDev('')], [[], []]);
});

const disk = { availableBytes: 60, capacityBytes: 100, usedBytes: 40, inodes: 10, inodesFree: 7, inodesUsed: 3 };
const node: NodeSample = {
  atMs: 10_000,
  nodeName: 'n',
  startedAtMs: 0,
  cores: 2,
  memoryBytes: 5000,
  resources: at(10_000, 4e9),
  network: readNetDev(netDevText).slice(0, 1),
  filesystem: disk,
  imageFilesystem: disk,
  pods: [
    {
      uid: 'u',
      name: 'p',
      namespace: 'default',
      startedAtMs: 1000,
      resources: { ...at(10_000, 2e9), processes: 3, limitBytes: 3000 },
      network: [],
      containers: [
        {
          id: 'id1',
          name: 'c',
          image: 'i"1',
          startedAtMs: 2000,
          resources: at(9000, 1e9),
          rootfsUsedBytes: 11,
          rootfsInodesUsed: 2,
          logBytes: 5,
        },
      ],
      volumes: [
        { name: 'v', usedBytes: 100, ephemeral: true },
        { name: 'm', usedBytes: 1000, ephemeral: false },
      ],
    },
  ],
};
const earlier = {
  of: (key: string) => (key === 'container/id1' ? at(8000, 5e8) : key === 'node' ? at(0, 0) : undefined),
};
const plain = (value: unknown) => JSON.parse(JSON.stringify(value));

test('the summary', () => {
  const summary = plain(summaryOf(node, earlier));
  const [pod] = summary.pods;
  const [container] = pod.containers;
  assert.deepEqual(summary.node.cpu, { time: '1970-01-01T00:00:10Z', usageNanoCores: 4e8, usageCoreNanoSeconds: 4e9 });
  assert.deepEqual(summary.node.memory, { time: '1970-01-01T00:00:10Z', availableBytes: 4000, workingSetBytes: 1000 });
  assert.deepEqual(summary.node.network.interfaces[0], {
    name: 'eth0',
    rxBytes: 1422,
    rxErrors: 2,
    txBytes: 586,
    txErrors: 4,
  });
  assert.deepEqual(pod.podRef, { name: 'p', namespace: 'default', uid: 'u' });
  assert.deepEqual(pod.cpu, { time: '1970-01-01T00:00:10Z', usageCoreNanoSeconds: 2e9 });
  assert.equal(pod.memory.availableBytes, 2000);
  assert.equal(pod['ephemeral-storage'].usedBytes, 116);
  assert.deepEqual(pod.process_stats, { process_count: 3 });
  assert.deepEqual(container.cpu, { time: '1970-01-01T00:00:09Z', usageNanoCores: 5e8, usageCoreNanoSeconds: 1e9 });
  assert.deepEqual(
    [container.rootfs.usedBytes, container.rootfs.inodesUsed, container.logs.inodesUsed],
    [11, 2, undefined],
  );
  const small = plain(summaryOf(node, earlier, true));
  assert.deepEqual(Object.keys(small.pods[0]), ['podRef', 'startTime', 'containers', 'cpu', 'memory']);
  assert.deepEqual(Object.keys(small.pods[0].containers[0]), ['name', 'startTime', 'cpu', 'memory']);
  assert.equal(small.node.fs, undefined);
});

test('the expositions', () => {
  const resource = resourceMetrics(node);
  assert.match(resource, /^container_cpu_usage_seconds_total\{container="c",namespace="default",pod="p"\} 1 9000$/m);
  assert.match(resource, /^node_cpu_usage_seconds_total 4 10000$/m);
  assert.match(resource, /^pod_memory_working_set_bytes\{namespace="default",pod="p"\} 1000 10000$/m);
  assert.match(resource, /^resource_scrape_error 0\n$/m);
  const containers = containerMetrics(node);
  assert.match(
    containers,
    /^container_fs_usage_bytes\{container="c",id="id1",image="i\\"1",name="id1",namespace="default",pod="p"\} 11 9000$/m,
  );
  assert.match(containers, /^machine_cpu_cores 2$/m);
  assert.doesNotMatch(containers, /container_network/);
});

test('throttling, disks, cache and swap of containers', () => {
  const throttling = {
    quotaUs: 50_000,
    periodUs: 100_000,
    periods: 10,
    throttledPeriods: 3,
    throttledNanoseconds: 5e8,
  };
  const disks = [{ device: '/dev/sda', readBytes: 4096, writtenBytes: 512, reads: 2, writes: 1 }];
  const [pod] = node.pods;
  const [container] = pod!.containers;
  const resources = { ...container!.resources, throttling, disks, cacheBytes: 40, swapBytes: 4 };
  const text = containerMetrics({ ...node, pods: [{ ...pod!, containers: [{ ...container!, resources }] }] });
  const value = (name: string) => new RegExp(`^${name}\\{container="c",[^}]*\\} (\\S+) 9000$`, 'm').exec(text)?.[1];
  assert.deepEqual(
    ['periods_total', 'throttled_periods_total', 'throttled_seconds_total'].map(n => value(`container_cpu_cfs_${n}`)),
    ['10', '3', '0.5'],
  );
  assert.deepEqual(
    ['reads_bytes', 'reads', 'writes_bytes', 'writes'].map(n => value(`container_fs_${n}_total`)),
    ['4096', '2', '512', '1'],
  );
  assert.match(text, /^container_fs_reads_total\{.*device="\/dev\/sda"\}/m);
  assert.deepEqual(
    ['spec_cpu_quota', 'spec_cpu_period', 'memory_cache', 'memory_swap'].map(n => value(`container_${n}`)),
    ['50000', '100000', '40', '4'],
  );
  assert.doesNotMatch(containerMetrics(node), /cfs|spec_cpu|fs_reads/);
});

test('pressure is told for processor, memory and input/output, where the kernel keeps account', () => {
  const some = { avg10: 1.5, avg60: 0.2, avg300: 0.01, total: 2_500_000 };
  const pressure = { cpu: { some }, io: { some, full: { ...some, total: 1 } } };
  const machine = { ...node, resources: { ...at(10_000, 4e9), pressure }, pods: [] };
  const summary = JSON.parse(JSON.stringify(summaryOf(machine, earlier))).node;
  assert.deepEqual(summary.cpu.psi, { full: { total: 0, avg10: 0, avg60: 0, avg300: 0 }, some });
  assert.deepEqual(Object.keys(summary.io), ['time', 'psi']);
  assert.equal(summary.io.psi.full.total, 1);
  assert.equal('psi' in summary.memory, false);
  assert.deepEqual(Object.keys(summary).slice(3, 7), ['cpu', 'memory', 'io', 'network']);
  const small = JSON.parse(JSON.stringify(summaryOf(machine, earlier, true))).node;
  assert.deepEqual([small.io, small.cpu.psi.some], [undefined, some]);
  const text = containerMetrics(machine);
  assert.match(text, /^container_pressure_cpu_waiting_seconds_total\{.*id="\/".*\} 2\.5 10000$/m);
  assert.match(text, /^container_pressure_io_stalled_seconds_total\{.*id="\/".*\} 0\.000001 10000$|1e-06 10000$/m);
  assert.doesNotMatch(text, /container_pressure_memory/);
});
