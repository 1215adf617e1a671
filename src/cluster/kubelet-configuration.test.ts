import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { kubeletSettings, readKubeletConfiguration } from './kubelet-configuration.ts';

const head = { apiVersion: 'kubelet.config.k8s.io/v1beta1', kind: 'KubeletConfiguration' };
const settings = (given: object) => kubeletSettings({ ...head, ...given });
const options = (given: object) => settings(given).options;

test('fields become what they are called in a kubelet', () => {
  const { options, server, podPidsLimit, withoutEffect, given } = settings({
    maxPods: 50,
    podPidsLimit: 1024,
    imageMinimumGCAge: '5m',
    imageMaximumGCAge: '24h',
    containerLogMaxSize: '5Mi',
    containerLogMaxFiles: 3,
    crashLoopBackOff: { maxContainerRestartPeriod: '30s' },
    systemReserved: { cpu: '100m', memory: '1Gi' },
    registerWithTaints: [{ key: 'a', value: 'b', effect: 'NoSchedule' }],
    seccompDefault: true,
    singleProcessOOMKill: true,
    memorySwap: { swapBehavior: 'LimitedSwap' },
    userNamespaces: { idsPerPod: 131_072 },
    enableDebuggingHandlers: false,
    enableSystemLogQuery: true,
    cgroupDriver: 'systemd',
    syncFrequency: '0s',
  });
  assert.deepEqual(options, {
    maxPods: 50,
    imageMinimumGcAgeMs: 300_000,
    imageMaximumGcAgeMs: 86_400_000,
    containerLogMaxSizeBytes: 5 * 2 ** 20,
    containerLogMaxFiles: 3,
    maxContainerBackOffMs: 30_000,
    systemReserved: { cpu: '100m', memory: '1Gi' },
    registerWithTaints: [{ key: 'a', value: 'b', effect: 'NoSchedule' }],
    seccompDefault: true,
    singleProcessOomKill: true,
    swapBehavior: 'LimitedSwap',
    userNamespaceIdsPerPod: 131_072,
    eviction: {},
  });
  assert.deepEqual([server, podPidsLimit], [{ debugging: false, logQueries: true }, 1024]);
  assert.deepEqual(withoutEffect, ['cgroupDriver', 'syncFrequency']);
  assert.deepEqual([given.containerLogMaxSize, given.cgroupDriver], ['5Mi', undefined]);
});

test('what is left out or zero is the default', () => {
  assert.deepEqual(settings({ podPidsLimit: -1, imageMaximumGCAge: '0s', maxPods: null }), {
    ...{ options: { eviction: {} }, server: {}, withoutEffect: [] },
    given: { podPidsLimit: -1, imageMaximumGCAge: '0s', maxPods: null },
  });
});

test('eviction', () => {
  const soft = {
    evictionSoft: { 'memory.available': '1Gi' },
    evictionSoftGracePeriod: { 'memory.available': '1m30s' },
  };
  assert.deepEqual(
    options({ ...soft, evictionMaxPodGracePeriod: 60, evictionPressureTransitionPeriod: '1m' }).eviction,
    {
      soft: { 'memory.available': '1Gi' },
      softGraceMs: { 'memory.available': 90_000 },
      transitionMs: 60_000,
      maxPodGraceSeconds: 60,
    },
  );
  const evictionHard = { 'memory.available': '5%' };
  assert.deepEqual(options({ evictionHard }).evictionHard, evictionHard);
  assert.deepEqual(options({ evictionHard, mergeDefaultEvictionSettings: true }).evictionHard, {
    'memory.available': '5%',
    'nodefs.available': '10%',
    'nodefs.inodesFree': '5%',
    'imagefs.available': '15%',
    'imagefs.inodesFree': '5%',
  });
});

test('CPUs that are named take the place of amounts of them', () => {
  const given = { systemReserved: { cpu: '100m', memory: '1Gi' }, kubeReserved: { cpu: '1', memory: '2Gi' } };
  const { systemReserved, kubeReserved } = options({ ...given, reservedSystemCPUs: '0-2,8,1' });
  assert.deepEqual([systemReserved, kubeReserved], [{ cpu: '4', memory: '1Gi' }, { memory: '2Gi' }]);
  assert.deepEqual(options({ ...given, reservedSystemCPUs: '' }).kubeReserved, given.kubeReserved);
});

test('images are pulled one by one, so many at once, or all', () => {
  assert.equal(options({ serializeImagePulls: true }).parallelImagePulls, 1);
  assert.equal(options({ serializeImagePulls: false }).parallelImagePulls, Number.POSITIVE_INFINITY);
  assert.equal(options({ serializeImagePulls: false, maxParallelImagePulls: 3 }).parallelImagePulls, 3);
  assert.equal(options({ maxParallelImagePulls: 3 }).parallelImagePulls, 3);
});

test('the status of the node is told as often as it is made, unless both are named', () => {
  const told = (given: object) => options(given).nodeStatusReportMs;
  assert.equal(told({}), undefined);
  assert.equal(told({ nodeStatusUpdateFrequency: '20s' }), 20_000);
  assert.equal(told({ nodeStatusUpdateFrequency: '20s', nodeStatusReportFrequency: '1m' }), 60_000);
});

test('limits and checks of the node', () => {
  const {
    options: all,
    holdPods,
    oomScoreAdj,
  } = settings({
    ...{ registryPullQPS: 5, eventRecordQPS: 50, eventBurst: 70, oomScoreAdj: -500, podLogsDir: '/var/log/k8s-pods' },
    ...{ enforceNodeAllocatable: ['none'], failCgroupV1: true, protectKernelDefaults: true, containerLogMaxWorkers: 4 },
    ...{ localStorageCapacityIsolation: false, cpuCFSQuotaPeriod: '10ms' },
  });
  assert.deepEqual(all, {
    ...{
      imagePullRate: { qps: 5, burst: 10 },
      eventRate: { qps: 50, burst: 70 },
      podLogsDirectory: '/var/log/k8s-pods',
    },
    ...{ failCgroupV1: true, protectKernelDefaults: true, containerLogWorkers: 4, localStorageIsolation: false },
    ...{ cpuPeriodUs: 10_000, eviction: {} },
  });
  assert.deepEqual([holdPods, oomScoreAdj], [false, -500]);
  assert.deepEqual(settings({ registryPullQPS: 0, eventBurst: 5, enforceNodeAllocatable: ['pods'] }).options, {
    eviction: {},
  });
  const cases: [object, RegExp][] = [
    [
      { cpuCFSQuotaPeriod: '10ms', featureGates: { CustomCPUCFSQuotaPeriod: false } },
      /requires feature gate CustomCPUCFSQuotaPeriod$/,
    ],
    [{ cpuCFSQuotaPeriod: '2s' }, /must be between 1ms and 1sec, inclusive$/],
    [{ podLogsDir: 'logs' }, /must be absolute and normalized$/],
    [
      { enforceNodeAllocatable: ['pods', 'system-reserved'] },
      /^enforceNodeAllocatable: Invalid value: "system-reserved"/,
    ],
    [{ enforceNodeAllocatable: ['pods', 'none'] }, /"none" stands alone$/],
    [{ oomScoreAdj: 2000 }, /^oomScoreAdj: Invalid value: 2000/],
    [{ registryPullQPS: -1 }, /^registryPullQPS: Invalid value: -1/],
  ];
  for (const [given, message] of cases) assert.throws(() => settings(given), { message }, JSON.stringify(given));
});

test('traces go where they are asked', () => {
  const tracing = { samplingRatePerMillion: 100 };
  assert.deepEqual(options({ tracing }).tracing, { endpoint: 'localhost:4317', samplingRatePerMillion: 100 });
  assert.throws(() => options({ tracing: { samplingRatePerMillion: -1 } }), /sampling rate must be positive/);
  assert.throws(() => options({ tracing: { rate: 1 } }), /unknown field "tracing.rate"/);
});

test('what is wrong is named, all of it', () => {
  const cases: [object, RegExp][] = [
    [{ maxPodz: 1 }, /^strict decoding error: unknown field "maxPodz"$/],
    [{ constructor: 1 }, /unknown field "constructor"/],
    [{ maxPods: 'many' }, /^maxPods: Invalid value: "many": must be an integer between 0 and 2147483647, inclusive$/],
    [{ imageMaximumGCAge: '1d' }, /^imageMaximumGCAge: Invalid value: "1d": time: unknown unit "d" in duration "1d"$/],
    [
      { imageMaximumGCAge: '1m' },
      /^imageMaximumGCAge: Invalid value: "1m": must be greater than imageMinimumGCAge \(2m\)$/,
    ],
    [{ imageGCHighThresholdPercent: 70 }, /^imageGCLowThresholdPercent: Invalid value: 80: must be less than/],
    [{ serializeImagePulls: true, maxParallelImagePulls: 2 }, /^maxParallelImagePulls: .*unless serializeImagePulls/],
    [
      { evictionSoft: { 'memory.available': '1Gi' } },
      /^evictionSoft: grace period must be specified .* memory.available$/,
    ],
    [{ evictionHard: { memory: '1Gi' } }, /^evictionHard: Invalid value: "memory": unknown eviction signal$/],
    [{ evictionHard: { 'nodefs.available': 'x' } }, /must be a quantity or a percentage$/],
    [{ crashLoopBackOff: { maxContainerRestartPeriod: '10m' } }, /must be between 1s and 300s$/],
    [{ memorySwap: { swapBehavior: 'Some' } }, /^memorySwap\.swapBehavior: Invalid value: "Some": must be one of/],
    [{ reservedSystemCPUs: '3-1' }, /^reservedSystemCPUs: Invalid value: "3-1": unable to parse/],
    [{ userNamespaces: { idsPerPod: 65_537 } }, /must be a multiple of 65536$/],
    [{ featureGates: { Nothing: true } }, /unrecognized feature gate: Nothing/],
    [{ imagePullCredentialsVerificationPolicy: 'Sometimes' }, /unknown policy "Sometimes"/],
    [{ maxPods: -1, port: 0 }, /^\n\* maxPods: .*\n\* port: /],
  ];
  for (const [given, message] of cases) assert.throws(() => settings(given), { message }, JSON.stringify(given));
  assert.throws(() => kubeletSettings({ kind: 'Pod' }), /no kind "Pod" is registered/);
});

test('a file is named in what is wrong with it', t => {
  const directory = mkdtempSync(join(tmpdir(), 'k8ts-kubelet-configuration-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'kubelet.yaml');
  writeFileSync(file, `apiVersion: ${head.apiVersion}\nkind: ${head.kind}\nmaxPods: 7\n`);
  assert.equal(readKubeletConfiguration(file).options.maxPods, 7);
  writeFileSync(file, 'maxPods: 7\n');
  assert.throws(() => readKubeletConfiguration(file), { message: new RegExp(`^reading ${file}: no kind`) });
});
