import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coreV1 } from '../api/refs.ts';
import { startTestNode, type TestNode } from './test-node.ts';
import { VolumeManager } from './volume/volume-manager.ts';

const container = { name: 'app', image: 'example.com/app:1' };

/** By reason. */
const rejections = async (t: TestNode) =>
  [
    ...(await t.kubelet.metrics.own.text()).matchAll(/^kubelet_admission_rejections_total\{reason="(.*)"\} (\d+)$/gm),
  ].map(([, reason, count]) => `${reason} ${count}`);

test('a pod that the node turns away shows why, and no containers', async () => {
  const t = await startTestNode();
  try {
    const securityContext = { sysctls: [{ name: 'kernel.msgmax', value: '1' }] };
    await t.createPod({ metadata: { name: 'unsafe' }, spec: { securityContext, containers: [container] } });
    const { startTime, conditions, ...status } = (await t.getPod('unsafe')).status!;
    assert.deepEqual(status, {
      observedGeneration: 1,
      phase: 'Failed',
      reason: 'SysctlForbidden',
      message: 'Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted',
      qosClass: 'BestEffort',
    });
    assert.ok(startTime);
    assert.deepEqual(
      (conditions ?? []).filter(c => c.type !== 'PodScheduled'),
      [],
    );
    assert.deepEqual(await t.events('unsafe'), ['SysctlForbidden: forbidden sysctl: "kernel.msgmax" not allowlisted']);
    await t.deletePod('unsafe');
    await t.pass(1000);
    assert.equal(await t.podExists('unsafe'), false);
  } finally {
    await t.stop();
  }
});

test('a pod that was deleted at once makes room at once, though its containers still end', async () => {
  const t = await startTestNode({ simulate: { behaviour: () => ({ ignoresTerm: true }) } });
  const resources = { requests: { cpu: '3' } };
  const spec = { terminationGracePeriodSeconds: 30, containers: [{ ...container, resources }] };
  try {
    await t.createPod({ metadata: { name: 'victim' }, spec });
    await t.client.delete(coreV1.pods, { namespace: 'default', name: 'victim' }, { gracePeriodSeconds: 0 });
    await t.createPod({ metadata: { name: 'preemptor' }, spec });
    assert.equal((await t.getPod('preemptor')).status?.phase, 'Running', (await t.events('preemptor')).join('\n'));
  } finally {
    await t.stop();
  }
});

for (const [user_namespaces, why] of [
  [undefined, 'runtime handlers are not set'],
  [false, 'RuntimeClass handler "" does not support user namespaces'],
  [true, undefined],
] as const)
  test(`a pod that wants a user namespace of its own, where the runtime says ${user_namespaces} of them`, async () => {
    const handlers = user_namespaces === undefined ? [] : [{ name: '', features: { user_namespaces } }];
    const t = await startTestNode({ simulate: { handlers } });
    try {
      const created = { metadata: { name: 'own' }, spec: { hostUsers: false, containers: [container] } };
      await t.createPod(created);
      const events = await t.events('own');
      const wanted = why
        ? `FailedCreatePodSandBox: Failed to create pod sandbox: ${why}`
        : 'Started: Container started';
      assert.ok(events.includes(wanted), events.join('\n'));
      assert.equal((await t.getPod('own')).status?.phase, why ? 'Pending' : 'Running');
    } finally {
      await t.stop();
    }
  });

test('a pod whose volumes the node cannot have is turned away, one that runs is not', async ({ mock }) => {
  const t = await startTestNode();
  try {
    await t.createPod({ metadata: { name: 'runs' }, spec: { containers: [container] } });
    mock.method(VolumeManager.prototype, 'foreseeable', async () => false);
    mock.method(VolumeManager.prototype, 'sync', async () => ({ ready: false, exhausted: 'no slot is left' }));
    await t.createPod({ metadata: { name: 'late' }, spec: { containers: [container] } });
    const { phase, reason, message, containerStatuses } = (await t.getPod('late')).status!;
    assert.deepEqual(
      [phase, reason, message, containerStatuses],
      ['Failed', 'VolumeAttachmentLimitExceeded', 'Pod was rejected: no slot is left', undefined],
    );
    assert.deepEqual(await t.events('late'), ['VolumeAttachmentLimitExceeded: no slot is left']);
    assert.deepEqual(await rejections(t), ['VolumeAttachmentLimitExceeded 1']);
    await t.pass(200_000);
    assert.equal((await t.getPod('runs')).status?.phase, 'Running');
  } finally {
    await t.stop();
  }
});

test('pods that are turned away are counted, for the lack of what others have named under one name', async () => {
  const t = await startTestNode();
  try {
    const [one, two] = ['example.com/one', 'example.com/two'];
    await t.client.patch(
      coreV1.nodes,
      { name: 'node-a' },
      { type: 'merge', body: { status: { capacity: { [one]: '1', [two]: '1' } } } },
      { subresource: 'status' },
    );
    await t.pass(20_000);
    for (const [name, resource] of Object.entries({ a: one, b: two, c: 'cpu' })) {
      const resources = { requests: { [resource]: '9' }, limits: { [resource]: '9' } };
      await t.createPod({ metadata: { name }, spec: { containers: [{ ...container, resources }] } });
      assert.equal((await t.getPod(name)).status?.reason, `OutOf${resource}`);
    }
    assert.deepEqual((await rejections(t)).sort(), ['OutOfExtendedResources 2', 'OutOfcpu 1']);
  } finally {
    await t.stop();
  }
});
