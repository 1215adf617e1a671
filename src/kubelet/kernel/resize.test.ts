import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node, Pod, ResourceRequirements } from '../../api/type/core-v1.ts';
import { PodResources } from '../pod-resources.ts';
import { rejectionOf, resizeProblemOf } from './admission.ts';
import type { ObservedPod } from './observed.ts';
import { changedResources, memoryProblem, shrinksMemory, withGrants } from './resize.ts';
import { forbiddenSysctl } from './sysctl.ts';

const pod = (resources: ResourceRequirements, more: object = {}): Pod =>
  ({
    metadata: { name: 'p', uid: 'u' },
    spec: { containers: [{ name: 'c', image: 'i', resources }], ...more },
    status: {},
  }) as unknown as Pod;
const cpu = (requests: string, limits = requests): ResourceRequirements => ({
  requests: { cpu: requests, 'example.com/x': '1' },
  limits: { cpu: limits },
});
const observed = (id: string) => ({ containers: [{ id, name: 'c', state: 'running' }] }) as unknown as ObservedPod;

test('resources are compared by value', () => {
  assert.deepEqual(changedResources({ requests: { cpu: '0.2' } }, { requests: { cpu: '200m' } }), []);
  assert.deepEqual(
    changedResources({ limits: { memory: '1Gi', cpu: '1' } }, { limits: { memory: '1025Mi', cpu: '1' } }),
    ['memory'],
  );
});

test('a pod with its grants keeps what else it asks, and is itself when nothing differs', () => {
  const asked = pod(cpu('2'));
  assert.equal(withGrants(asked, new Map([['c', cpu('2000m')]])), asked);
  const granted = withGrants(asked, new Map([['c', { requests: { cpu: '1' } }]]));
  assert.deepEqual(granted.spec.containers[0]!.resources, { requests: { cpu: '1', 'example.com/x': '1' } });
});

test('a resize is granted, under way until it is in force, and then done', () => {
  const r = new PodResources();
  const before = pod(cpu('1'));
  r.observe(before, observed('a'));
  assert.deepEqual(
    r.review(before, () => undefined),
    {},
  );
  const after = pod(cpu('2'));
  const problem = { reason: 'Deferred', message: 'full' } as const;
  assert.deepEqual(
    r.review(after, () => problem),
    { problem },
  );
  assert.deepEqual(
    r.review(after, () => problem),
    {},
    'told once',
  );
  assert.deepEqual(
    r.conditions(after, observed('a')).map(c => [c.type, c.reason]),
    [['PodResizePending', 'Deferred']],
  );
  assert.equal(r.granted(after).spec.containers[0]!.resources?.requests?.cpu, '1');
  assert.deepEqual(
    r.review(after, () => undefined),
    { begun: true },
  );
  assert.equal(r.granted(after), after);
  assert.equal(r.completed(after, observed('a')), false);
  r.fail('no');
  assert.deepEqual(r.conditions(after, observed('a')), [
    { type: 'PodResizeInProgress', status: 'True', reason: 'Error', message: 'no' },
  ]);
  r.apply('a', after, cpu('2'));
  assert.deepEqual(r.conditions(after, observed('a')), []);
  assert.equal(r.completed(after, observed('a')), true);
  assert.equal(r.completed(after, observed('a')), false);
});

test('a kubelet that has just started goes on from what is published', () => {
  const asked = pod(cpu('2'));
  const status = {
    containerStatuses: [
      {
        name: 'c',
        containerID: 'x://a',
        state: { running: {} },
        resources: cpu('1'),
        allocatedResources: cpu('1').requests,
      },
    ],
  };
  const r = new PodResources();
  const seen = { ...asked, status } as unknown as Pod;
  r.observe(seen, observed('a'));
  assert.equal(r.granted(seen).spec.containers[0]!.resources?.limits?.cpu, '1');
  assert.deepEqual(
    r.review(seen, () => undefined),
    { begun: true },
  );
  assert.equal(r.conditions(seen, observed('a'))[0]?.type, 'PodResizeInProgress');
});

test('why a node does not take a pod, or give it more', () => {
  const input = (p: Pod, others: readonly Pod[] = []) => ({
    pod: p,
    others,
    allocatable: { cpu: '2', memory: '1Gi', pods: '10' },
    node: undefined as Node | undefined,
    operatingSystem: 'linux',
  });
  assert.deepEqual(resizeProblemOf(input(pod(cpu('3')))), {
    reason: 'Infeasible',
    message: "Node didn't have enough capacity: cpu, requested: 3000, capacity: 2000",
  });
  assert.deepEqual(resizeProblemOf(input(pod(cpu('1500m')), [pod(cpu('1'))])), {
    reason: 'Deferred',
    message: "Node didn't have enough resource: cpu, requested: 1500, used: 1000, capacity: 2000",
  });
  assert.equal(resizeProblemOf(input(pod(cpu('1')), [pod(cpu('1'))])), undefined);
  const port = (hostIP: string, protocol = 'TCP') =>
    pod({}, { containers: [{ name: 'c', ports: [{ hostPort: 80, hostIP, protocol }] }] });
  const clash = (a: Pod, b: Pod) => rejectionOf(input(a, [b]))?.reason;
  assert.equal(clash(port(''), port('10.0.0.1')), 'NodePorts');
  assert.equal(clash(port('10.0.0.1'), port('10.0.0.1')), 'NodePorts');
  assert.equal(clash(port('10.0.0.1'), port('127.0.0.1')), undefined);
  assert.equal(clash(port('', 'UDP'), port('')), undefined);
});

test('a pod is turned away where groups, or AppArmor, cannot be enforced as it asks', () => {
  const reject = (spec: object, more: object = {}) =>
    rejectionOf({
      ...{ pod: pod({}, spec), others: [], allocatable: {}, node: undefined, operatingSystem: 'linux', ...more },
    });
  const strict = { securityContext: { supplementalGroupsPolicy: 'Strict' } };
  assert.deepEqual(reject(strict), {
    reason: 'SupplementalGroupsPolicyNotSupported',
    message: 'Pod was rejected: SupplementalGroupsPolicy=Strict is not supported in this node',
  });
  const features = { supplementalGroupsPolicy: true };
  const able = { metadata: { name: 'n' }, spec: {}, status: { features } } as unknown as Node;
  assert.equal(reject(strict, { node: able }), undefined);
  assert.equal(reject({ securityContext: { supplementalGroupsPolicy: 'Merge' } }), undefined);
  const profile = (type: string) => ({ securityContext: { appArmorProfile: { type } } });
  const refused = {
    reason: 'AppArmor',
    message: 'Pod was rejected: Cannot enforce AppArmor: AppArmor is not enabled on the host',
  };
  assert.deepEqual(reject(profile('RuntimeDefault')), refused);
  assert.deepEqual(reject({ containers: [{ name: 'c', ...profile('Localhost') }] }), refused);
  assert.equal(reject(profile('Unconfined')), undefined);
  assert.equal(reject(profile('Localhost'), { appArmor: true }), undefined);
});

test('sysctls: safe ones, allowed ones, and those of a namespace shared with the host', () => {
  const of = (name: string, more: object = {}) =>
    pod({}, { securityContext: { sysctls: [{ name, value: '1' }] }, ...more });
  assert.equal(forbiddenSysctl(of('net.ipv4.tcp_syncookies')), undefined);
  assert.equal(forbiddenSysctl(of('net/ipv4/tcp_syncookies')), undefined);
  assert.equal(forbiddenSysctl(of('kernel.msgmax')), 'forbidden sysctl: "kernel.msgmax" not allowlisted');
  assert.equal(forbiddenSysctl(of('kernel.msgmax'), ['kernel.msg*']), undefined);
  assert.equal(
    forbiddenSysctl(of('net.ipv4.tcp_syncookies', { hostNetwork: true })),
    'forbidden sysctl: "net.ipv4.tcp_syncookies" not allowed with host net enabled',
  );
  assert.equal(
    forbiddenSysctl(of('kernel.shm_rmid_forced', { hostIPC: true })),
    'forbidden sysctl: "kernel.shm_rmid_forced" not allowed with host ipc enabled',
  );
});

test('a pod runs only where its affinity and its tolerations let it', () => {
  const node = {
    metadata: { name: 'n', labels: { zone: 'a' } },
    spec: { taints: [{ key: 'k', effect: 'NoExecute' }] },
  } as unknown as Node;
  const reason = (spec: object) => {
    const allocatable = { pods: '10' };
    return rejectionOf({ pod: pod({}, spec), others: [], allocatable, node, operatingSystem: 'linux' })?.reason;
  };
  const zone = (value: string) => ({
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: 'zone', operator: 'In', values: [value] }] }],
        },
      },
    },
  });
  const tolerations = [{ key: 'k', operator: 'Exists' }];
  assert.equal(reason({ ...zone('b'), tolerations }), 'NodeAffinity');
  assert.equal(reason({ nodeSelector: { zone: 'b' }, tolerations }), 'NodeAffinity');
  assert.equal(reason(zone('a')), 'TaintToleration');
  assert.equal(reason({ ...zone('a'), tolerations }), undefined);
});

test('a memory limit stays above what is used', () => {
  const limit = (memory: string) => ({ limits: { memory } });
  assert.deepEqual(
    [
      shrinksMemory(limit('2Mi'), limit('1Mi')),
      shrinksMemory({}, limit('1Mi')),
      shrinksMemory(limit('1Mi'), limit('1024Ki')),
    ],
    [true, true, false],
  );
  assert.equal(memoryProblem('c', limit('1Mi'), 1000), undefined);
  assert.equal(
    memoryProblem('c', limit('1Mi'), 2 << 20),
    'cannot decrease memory limits: attempting to set container "c" memory limit (1048576) below current usage (2097152)',
  );
});
