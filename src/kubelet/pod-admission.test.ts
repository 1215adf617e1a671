import assert from 'node:assert/strict';
import { test } from 'node:test';
import { behaviourAnnotation } from '../cri/simulated-container.ts';
import { startTestNode } from './test-node.ts';

const critical = { priority: 2_000_001_000, priorityClassName: 'system-node-critical' };
const specOf = (cpu: string, more: object = {}) => ({
  containers: [{ name: 'app', image: 'example.com/app:1', resources: { requests: { cpu } } }],
  ...more,
});

test('a critical pod gets the room of others, which are told and end in their own time', async () => {
  const behaviour = () => ({ ignoresTerm: true });
  const t = await startTestNode({ simulate: { behaviour } });
  try {
    await t.createPod({ metadata: { name: 'large' }, spec: specOf('2', { terminationGracePeriodSeconds: 5 }) });
    await t.createPod({ metadata: { name: 'small' }, spec: specOf('1', { terminationGracePeriodSeconds: 5 }) });
    await t.createPod({ metadata: { name: 'agent' }, spec: specOf('2', critical) });
    assert.equal((await t.getPod('agent')).status?.phase, 'Pending');
    await t.pass(6000);
    assert.equal((await t.getPod('agent')).status?.phase, 'Running', (await t.events('agent')).join('\n'));
    assert.equal((await t.getPod('large')).status?.phase, 'Running');
    const { status } = await t.getPod('small');
    const target = status?.conditions?.find(c => c.type === 'DisruptionTarget');
    assert.deepEqual(
      [status?.phase, status?.reason, status?.message],
      ['Failed', 'Preempting', 'Preempted in order to admit critical pod'],
    );
    assert.deepEqual(
      [target?.status, target?.reason, target?.message],
      ['True', 'TerminationByKubelet', 'Pod was preempted by Kubelet to accommodate a critical pod.'],
    );
    assert.ok((await t.events('small')).includes('Preempting: Preempted in order to admit critical pod'));
    assert.match(await t.kubelet.metrics.own.text(), /kubelet_preemptions\{preemption_signal="cpu"\} 1/);
  } finally {
    await t.stop();
  }
});

test('a critical pod that nobody can make room for is turned away, and nobody goes', async () => {
  const t = await startTestNode();
  try {
    await t.createPod({ metadata: { name: 'other' }, spec: specOf('3') });
    await t.createPod({ metadata: { name: 'agent' }, spec: specOf('5', critical) });
    const { status } = await t.getPod('agent');
    const message =
      'Unexpected error while attempting to recover from admission failure: preemption: error finding a set of pods to preempt: no set of running pods found to reclaim resources: [(res: cpu, q: 4000), ]';
    assert.deepEqual(
      [status?.phase, status?.reason, status?.message],
      ['Failed', 'UnexpectedAdmissionError', `Pod was rejected: ${message}`],
    );
    assert.ok((await t.events('agent')).includes(`UnexpectedAdmissionError: ${message}`));
    assert.equal((await t.getPod('other')).status?.phase, 'Running');
    // Nor where the room is not what is wrong.
    const elsewhere = { ...critical, nodeSelector: { zone: 'elsewhere' } };
    await t.createPod({ metadata: { name: 'astray' }, spec: specOf('2', elsewhere) });
    assert.equal((await t.getPod('astray')).status?.reason, 'NodeAffinity');
    assert.equal((await t.getPod('other')).status?.phase, 'Running');
  } finally {
    await t.stop();
  }
});

test('pods that are not critical make nobody go', async () => {
  const t = await startTestNode();
  try {
    await t.createPod({ metadata: { name: 'other' }, spec: specOf('3') });
    await t.createPod({ metadata: { name: 'high' }, spec: specOf('2', { priority: 1_000_000_000 }) });
    assert.equal((await t.getPod('high')).status?.reason, 'OutOfcpu');
    assert.equal((await t.getPod('other')).status?.phase, 'Running');
  } finally {
    await t.stop();
  }
});

test('a pod that is turned away, or not yet decided on, takes no room from those that come with it', async () => {
  const t = await startTestNode();
  try {
    const names = ['first', 'second', 'third'];
    const huge = names.map(name => t.createPod({ metadata: { name: `huge-${name}` }, spec: specOf('100') }));
    const small = names.map(name => t.createPod({ metadata: { name }, spec: specOf('1') }));
    await Promise.all([...huge, ...small]);
    for (const name of names) {
      const { status } = await t.getPod(`huge-${name}`);
      assert.deepEqual([status?.phase, status?.reason], ['Failed', 'OutOfcpu']);
      assert.equal((await t.getPod(name)).status?.phase, 'Running', (await t.events(name)).join('\n'));
    }
    await Promise.all(['fourth', 'fifth'].map(name => t.createPod({ metadata: { name }, spec: specOf('1') })));
    const phases = await Promise.all(['fourth', 'fifth'].map(async n => (await t.getPod(n)).status?.phase));
    assert.deepEqual(phases.sort(), ['Failed', 'Running'], 'four cores are four');
  } finally {
    await t.stop();
  }
});

test('a new kubelet counts the pods of the one before it, but not those that were over', async () => {
  const t = await startTestNode();
  try {
    const annotations = { [behaviourAnnotation]: JSON.stringify({ exitAfterMs: 10 }) };
    await t.createPod({ metadata: { name: 'over', annotations }, spec: specOf('3', { restartPolicy: 'Never' }) });
    await t.pass(2000);
    assert.equal((await t.getPod('over')).status?.phase, 'Succeeded');
    await t.createPod({ metadata: { name: 'runs' }, spec: specOf('3') });
    const restarted = t.restart();
    const late = ['a-fits', 'z-large'].map((name, i) =>
      t.createPod({ metadata: { name }, spec: specOf(i ? '2' : '1') }),
    );
    await Promise.all([restarted, ...late]);
    await t.pass(1000);
    const phase = async (name: string) => (await t.getPod(name)).status?.phase;
    assert.deepEqual(await Promise.all(['runs', 'a-fits', 'z-large'].map(phase)), ['Running', 'Running', 'Failed']);
  } finally {
    await t.stop();
  }
});
