import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noCpuOptions } from '../kubelet/cpu/kernel/cpu-policy.ts';
import { defaultTopologySettings } from '../kubelet/topology/topology-manager.ts';
import { kubeletSettings } from './kubelet-configuration.ts';

const head = { apiVersion: 'kubelet.config.k8s.io/v1beta1', kind: 'KubeletConfiguration' };
const managers = (given: object) => kubeletSettings({ ...head, ...given }).options.managers;

test('managers that are to do something are set up, with their options', () => {
  assert.equal(
    managers({ cpuManagerPolicy: 'none', memoryManagerPolicy: 'None', topologyManagerPolicy: '' }),
    undefined,
  );
  const given = {
    ...{ cpuManagerPolicy: 'static', cpuManagerReconcilePeriod: '5s', reservedSystemCPUs: '0-1' },
    cpuManagerPolicyOptions: { 'full-pcpus-only': 'true' },
    ...{ memoryManagerPolicy: 'Static', reservedMemory: [{ numaNode: 0, limits: { memory: '1Gi' } }] },
    ...{ topologyManagerPolicy: 'restricted', topologyManagerScope: 'pod' },
    topologyManagerPolicyOptions: { 'prefer-closest-numa-nodes': 'true', 'max-allowable-numa-nodes': '12' },
    featureGates: { DisableCPUQuotaWithExclusiveCPUs: false },
  };
  assert.deepEqual(managers(given), {
    ...{ cpuPolicy: 'static', cpuOptions: { ...noCpuOptions, fullPcpusOnly: true }, cpuReconcileMs: 5000 },
    ...{ reservedSystemCpus: '0-1', quotaOnExclusiveCpus: true },
    ...{ memoryPolicy: 'Static', reservedMemory: [{ numaNode: 0, limits: { memory: '1Gi' } }] },
    topology: { policy: 'restricted', scope: 'pod', closest: true, maxNodes: 12 },
  });
  assert.deepEqual(managers({ topologyManagerPolicy: 'best-effort' })?.topology, {
    ...defaultTopologySettings,
    policy: 'best-effort',
  });
});

test('what does not go together is named', () => {
  const enough = { systemReserved: { cpu: '1' } };
  const cases: [object, RegExp][] = [
    [{ cpuManagerPolicy: 'dynamic' }, /^cpuManagerPolicy: Invalid value: "dynamic": must be one of "none", "static"$/],
    [{ cpuManagerPolicy: 'static' }, /requires systemreserved.cpu \+ kubereserved.cpu to be greater than zero$/],
    [{ cpuManagerPolicyOptions: { 'full-pcpus-only': 'true' } }, /^None policy: received unsupported options=/],
    [
      { ...enough, cpuManagerPolicy: 'static', cpuManagerPolicyOptions: { 'align-by-socket': 'true' } },
      /^CPU Manager Policy Alpha-level Options not enabled, but option "align-by-socket" provided$/,
    ],
    [
      {
        ...{ ...enough, cpuManagerPolicy: 'static', cpuManagerPolicyOptions: { 'align-by-socket': 'true' } },
        ...{ topologyManagerPolicy: 'single-numa-node', featureGates: { CPUManagerPolicyAlphaOptions: true } },
      },
      /align-by-socket cannot be used with topologyManagerPolicy single-numa-node$/,
    ],
    [{ topologyManagerPolicyOptions: { near: 'true' } }, /^unknown Topology Manager Policy option: "near"$/],
    [
      { topologyManagerPolicyOptions: { 'max-allowable-numa-nodes': '4' } },
      /^the minimum value of "max-allowable-numa-nodes" should not be less than 8$/,
    ],
    [{ reservedMemory: [{ numaNode: 0, limits: { memory: '0' } }] }, /reserved memory may not be zero for NUMA node 0/],
    [{ reservedMemory: [{ numaNode: -1 }] }, /^reservedMemory\[0\]\.numaNode: Invalid value: -1/],
  ];
  for (const [given, message] of cases) assert.throws(() => managers(given), { message }, JSON.stringify(given));
});
