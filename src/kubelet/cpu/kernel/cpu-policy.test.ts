import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../../api/type/core-v1.ts';
import { cpuPolicyOptions, exclusiveCpus, exclusiveCpusOfPod, noCpuOptions } from './cpu-policy.ts';

const off = { alpha: false, beta: true };
const on = { alpha: true, beta: true };

test('options of the policy, those that clash and those whose gate is off', () => {
  assert.deepEqual(cpuPolicyOptions({ 'full-pcpus-only': 'true', 'strict-cpu-reservation': 'false' }, off), {
    ...noCpuOptions,
    fullPcpusOnly: true,
  });
  assert.deepEqual(cpuPolicyOptions({ 'align-by-socket': '1' }, on), { ...noCpuOptions, alignBySocket: true });
  for (const [given, message, gates = on] of [
    [{ 'full-pcpus': 'true' }, 'unknown CPU Manager Policy option: "full-pcpus"'],
    [{ 'full-pcpus-only': 'yes' }, 'bad value for option "full-pcpus-only": "yes" is no boolean'],
    [
      { 'align-by-socket': 'true' },
      'CPU Manager Policy Alpha-level Options not enabled, but option "align-by-socket" provided',
      off,
    ],
    [
      { 'distribute-cpus-across-numa': 'true' },
      'CPU Manager Policy Beta-level Options not enabled, but option "distribute-cpus-across-numa" provided',
      { alpha: false, beta: false },
    ],
    [
      { 'full-pcpus-only': 'true', 'distribute-cpus-across-cores': 'true' },
      'static policy options distribute-cpus-across-cores and full-pcpus-only can not be used at the same time',
    ],
  ] as const)
    assert.throws(() => cpuPolicyOptions(given as Record<string, string>, gates), { message });
});

const resources = (cpu: string) => ({ limits: { cpu, memory: '1Mi' }, requests: { cpu, memory: '1Mi' } });
const podOf = (spec: object) => ({ metadata: {}, spec }) as Pod;

test('whole CPUs of Guaranteed pods are exclusive; init containers end before others begin, sidecars do not', () => {
  const container = (cpu: string) => ({ name: 'c', resources: resources(cpu) });
  const of = (cpu: string, spec: object = {}) => {
    const pod = podOf({ containers: [container(cpu)], ...spec });
    return exclusiveCpus(pod, pod.spec.containers[0]!);
  };
  assert.deepEqual([of('2'), of('1500m'), of('2000m')], [2, 0, 2]);
  assert.equal(of('2', { containers: [{ name: 'c', resources: { requests: { cpu: '2' } } }] }), 0);
  assert.equal(of('2', { resources: resources('2') }), 0);
  const pod = podOf({
    initContainers: [
      { name: 'i', resources: resources('5') },
      { name: 's', restartPolicy: 'Always', resources: resources('1') },
      { name: 'j', resources: resources('2') },
    ],
    containers: [container('2'), container('500m')],
  });
  assert.equal(exclusiveCpusOfPod(pod), 5);
  assert.equal(exclusiveCpusOfPod(podOf({ ...pod.spec, initContainers: pod.spec.initContainers!.slice(1) })), 3);
});
