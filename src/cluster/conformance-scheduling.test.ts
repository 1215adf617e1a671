// The essence of the official suite's tests of limit ranges, scheduling and preemption.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { appsV1, coreV1, schedulingV1 } from '../api/refs.ts';
import { conformanceBench, refused, podSpec as spec } from './test-conformance.ts';

type Any = any;

const { client, until, namespace, get, remove, patch, gone, makePod } = conformanceBench('s', 14);

test('[sig-scheduling] LimitRange should create a LimitRange with defaults and ensure pod has those defaults applied.', async () => {
  const ns = await namespace();
  const limits = [
    {
      type: 'Container',
      min: { cpu: '50m', memory: '100Mi', 'ephemeral-storage': '100Gi' },
      max: { cpu: '500m', memory: '500Mi', 'ephemeral-storage': '500Gi' },
      default: { cpu: '500m', memory: '500Mi', 'ephemeral-storage': '500Gi' },
      defaultRequest: { cpu: '100m', memory: '200Mi', 'ephemeral-storage': '200Gi' },
    },
  ];
  await client.create(coreV1.limitranges, { metadata: { namespace: ns, name: 'l' }, spec: { limits } });
  const plain = await makePod(ns, 'plain');
  assert.deepEqual(plain.spec.containers[0].resources, {
    limits: limits[0]!.default,
    requests: limits[0]!.defaultRequest,
  });
  const partial = await makePod(
    ns,
    'partial',
    spec({}, { resources: { requests: { cpu: '300m', memory: '150Mi' }, limits: { cpu: '300m' } } }),
  );
  assert.deepEqual(partial.spec.containers[0].resources, {
    limits: { cpu: '300m', 'ephemeral-storage': '500Gi', memory: '500Mi' },
    requests: { cpu: '300m', 'ephemeral-storage': '200Gi', memory: '150Mi' },
  });
  await assert.rejects(
    makePod(ns, 'small', spec({}, { resources: { requests: { cpu: '10m' }, limits: { cpu: '10m' } } })),
    refused(403, /minimum cpu usage per Container is 50m, but request is 10m/),
  );
  await assert.rejects(
    makePod(ns, 'big', spec({}, { resources: { limits: { cpu: '600m' } } })),
    refused(403, /maximum cpu usage per Container is 500m, but limit is 600m/),
  );
  await patch(coreV1.limitranges, ns, 'l', { spec: { limits: [{ ...limits[0], min: { cpu: '9m' } }] } });
  await makePod(ns, 'small', spec({}, { resources: { requests: { cpu: '10m' }, limits: { cpu: '10m' } } }));
});

test('[sig-scheduling] LimitRange should list, patch and delete a LimitRange by collection', async () => {
  const [a, b] = [await namespace(), await namespace()];
  const limits = [{ type: 'Container', defaultRequest: { cpu: '50m' }, default: { cpu: '500m' } }];
  for (const ns of [a, b])
    await client.create(coreV1.limitranges, {
      metadata: { namespace: ns, name: 'l', labels: { set: a } },
      spec: { limits },
    });
  assert.equal((await client.list(coreV1.limitranges, { labelSelector: `set=${a}` })).items.length, 2);
  const patched = await client.patch(
    coreV1.limitranges,
    { namespace: a, name: 'l' },
    {
      type: 'strategic',
      body: {
        metadata: { labels: { l: 'patched' } },
        spec: { limits: [{ type: 'Container', defaultRequest: { cpu: '60m' } }] },
      },
    },
  );
  assert.equal(patched.spec.limits[0].defaultRequest.cpu, '60m');
  await client.deleteCollection(coreV1.limitranges, { namespace: a, labelSelector: 'l=patched' });
  assert.equal((await client.list(coreV1.limitranges, { labelSelector: `set=${a}` })).items.length, 1);
});

test('[sig-architecture] Conformance Tests should have at least two untainted nodes', async () => {
  const { items } = await client.list(coreV1.nodes);
  assert.ok(
    items.filter(
      (n: Any) =>
        !n.spec.taints?.length && n.status.conditions.some((c: Any) => c.type === 'Ready' && c.status === 'True'),
    ).length >= 2,
  );
});

const waiting = (ns: string, name: string) =>
  until(async () =>
    (await get(coreV1.pods, ns, name)).status.conditions?.some(
      (c: Any) => c.type === 'PodScheduled' && c.reason === 'Unschedulable',
    ),
  );
const running = (ns: string, name: string) =>
  until(async () => (await get(coreV1.pods, ns, name)).status.phase === 'Running');

test('[sig-scheduling] SchedulerPredicates [Serial] validates resource limits of pods that are allowed to run', async () => {
  const ns = await namespace();
  for (const node of (await client.list(coreV1.nodes)).items) {
    const cpu = `${Number(node.status.allocatable.cpu) * 700}m`;
    await makePod(
      ns,
      `filler-${node.metadata.name}`,
      spec({ nodeName: node.metadata.name }, { resources: { requests: { cpu } } }),
    );
  }
  await makePod(ns, 'extra', spec({}, { resources: { requests: { cpu: '4' } } }));
  await waiting(ns, 'extra');
  const events = (await client.list(coreV1.events, { namespace: ns, fieldSelector: 'reason=FailedScheduling' })).items;
  assert.match(events[0].message ?? events[0].note, /Insufficient cpu/);
  await client.deleteCollection(coreV1.pods, { namespace: ns }, { gracePeriodSeconds: 0 });
});

test('[sig-scheduling] SchedulerPredicates [Serial] validates that NodeSelector is respected if not matching', async () => {
  const ns = await namespace();
  await makePod(ns, 'p', spec({ nodeSelector: { label: 'nonempty' } }));
  await waiting(ns, 'p');
});

test('[sig-scheduling] SchedulerPredicates [Serial] validates that NodeSelector is respected if matching', async () => {
  const ns = await namespace();
  await client.patch(
    coreV1.nodes,
    { name: 'node-2' },
    { type: 'merge', body: { metadata: { labels: { color: ns } } } },
  );
  await makePod(ns, 'p', spec({ nodeSelector: { color: ns } }));
  await running(ns, 'p');
  assert.equal((await get(coreV1.pods, ns, 'p')).spec.nodeName, 'node-2');
});

test('[sig-scheduling] SchedulerPredicates [Serial] validates that there exists conflict between pods with same hostPort and protocol but one using 0.0.0.0 hostIP', async () => {
  const ns = await namespace();
  const port = (hostIP: string) =>
    spec(
      { nodeSelector: { 'kubernetes.io/hostname': 'node-1' } },
      { ports: [{ containerPort: 80, hostPort: 54322, hostIP }] },
    );
  await makePod(ns, 'p4', port('0.0.0.0'));
  await running(ns, 'p4');
  await makePod(ns, 'p5', port('127.0.0.1'));
  await waiting(ns, 'p5');
});

test('[sig-scheduling] SchedulerPreemption [Serial] validates basic preemption works', async () => {
  // [sig-scheduling] SchedulerPreemption [Serial] validates pod disruption condition is added to the preempted pod
  const ns = await namespace();
  for (const [name, value] of [
    ['low', 1],
    ['high', 1000],
  ] as const)
    await client.create(schedulingV1.priorityclasses, { metadata: { name: `${name}-${ns}` }, value });
  const big = (priority: string, nodeName: string) =>
    spec(
      { priorityClassName: `${priority}-${ns}`, nodeSelector: { 'kubernetes.io/hostname': nodeName } },
      { resources: { requests: { cpu: '5' } } },
    );
  await makePod(ns, 'victim', big('low', 'node-1'), { finalizers: ['example.com/hold'] });
  await running(ns, 'victim');
  await makePod(ns, 'preemptor', big('high', 'node-1'));
  const victim = await until(async () => {
    const p = await get(coreV1.pods, ns, 'victim');
    return p.metadata.deletionTimestamp && p;
  });
  const target = victim.status.conditions.find((c: Any) => c.type === 'DisruptionTarget');
  assert.deepEqual([target.status, target.reason], ['True', 'PreemptionByScheduler']);
  await patch(coreV1.pods, ns, 'victim', { metadata: { finalizers: null } });
  await running(ns, 'preemptor');
  await remove(coreV1.pods, ns, 'preemptor', { gracePeriodSeconds: 0 });
});

test('[sig-scheduling] SchedulerPreemption [Serial] validates lower priority pod preemption by critical pod', async () => {
  const ns = await namespace();
  const big = (priorityClassName?: string) =>
    spec(
      { ...(priorityClassName ? { priorityClassName } : {}), nodeSelector: { 'kubernetes.io/hostname': 'node-1' } },
      { resources: { requests: { cpu: '5' } } },
    );
  await makePod(ns, 'victim', big());
  await running(ns, 'victim');
  await client.create(coreV1.pods, {
    metadata: { namespace: 'kube-system', name: 'critical' },
    spec: big('system-cluster-critical'),
  });
  await running('kube-system', 'critical');
  assert.ok(await gone(get(coreV1.pods, ns, 'victim')));
  await remove(coreV1.pods, 'kube-system', 'critical', { gracePeriodSeconds: 0 });
});

test('[sig-scheduling] SchedulerPreemption [Serial] PreemptionExecutionPath runs ReplicaSets to verify preemption running path', async () => {
  const ns = await namespace();
  const fake = 'example.com/fake';
  const { metadata, status } = await get(coreV1.nodes, '', 'node-1');
  // Of any age, and in the capacity only: what pods may have of it is the kubelet's to tell.
  const advertise = (capacity: object) =>
    client.updateStatus(coreV1.nodes, {
      metadata: { ...metadata, resourceVersion: '0' },
      status: { ...status, capacity },
    } as Any);
  const allocatable = async () => (await get(coreV1.nodes, '', 'node-1')).status.allocatable[fake];
  await advertise({ ...status.capacity, [fake]: '1000' });
  for (const n of [1, 2, 3, 4])
    await client.create(schedulingV1.priorityclasses, { metadata: { name: `p${n}-${ns}` }, value: n });
  const set = async (priority: number, amount: string) => {
    const name = `rs${priority}`;
    await client.create(appsV1.replicasets, {
      metadata: { namespace: ns, name },
      spec: {
        replicas: 1,
        selector: { matchLabels: { name } },
        template: {
          metadata: { labels: { name } },
          spec: spec(
            { priorityClassName: `p${priority}-${ns}`, nodeSelector: { 'kubernetes.io/hostname': 'node-1' } },
            { resources: { requests: { [fake]: amount }, limits: { [fake]: amount } } },
          ),
        },
      },
    });
    await until(async () => (await get(appsV1.replicasets, ns, name)).status.readyReplicas === 1);
  };
  await set(1, '200');
  assert.equal(await allocatable(), '1k');
  await set(2, '300');
  await set(3, '450');
  await set(4, '500');
  const created = async () => {
    const { items } = await client.list(coreV1.events, { namespace: ns, fieldSelector: 'reason=SuccessfulCreate' });
    return [1, 2, 3, 4].map(n => items.filter((e: Any) => e.involvedObject.name === `rs${n}`).length);
  };
  await until(async () => (await created()).join() === '2,2,1,1');
  await client.deleteCollection(appsV1.replicasets, { namespace: ns });
  await advertise(status.capacity);
  await until(async () => (await allocatable()) === undefined);
});
