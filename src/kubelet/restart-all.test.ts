// A container that ends so that its whole pod begins again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cloneDeep } from '../api/meta.ts';
import { coreV1 } from '../api/refs.ts';
import type { Pod } from '../api/type/core-v1.ts';
import { startTestNode } from './test-node.ts';

const image = 'example.com/app:1';
const conditionOf = ({ status }: Pod) => status?.conditions?.find(c => c.type === 'AllContainersRestarting')?.status;

test('all containers of a pod begin again, without hooks, and the pod tells so meanwhile', async () => {
  const started: string[] = [];
  let hooks = 0;
  const t = await startTestNode({
    simulate: {
      behaviour: ({ metadata: { name = '', attempt = 0 } = {} }) => {
        started.push(`${name}#${attempt}`);
        if (name === 'setup') return { exitAfterMs: 100 };
        if (name === 'watcher' && attempt === 0) return { exitAfterMs: 5000, exitCode: 9 };
        return { stopDelayMs: 1000 };
      },
    },
  });
  try {
    const exec = t.runtime.ExecSync.bind(t.runtime);
    t.runtime.ExecSync = (...args) => {
      hooks++;
      return exec(...args);
    };
    const rule = { action: 'RestartAllContainers', exitCodes: { operator: 'In' as const, values: [9] } };
    await t.createPod({
      metadata: { name: 'p' },
      spec: {
        restartPolicy: 'Never',
        initContainers: [{ name: 'setup', image }],
        containers: [
          { name: 'watcher', image, restartPolicy: 'Never', restartPolicyRules: [rule] },
          { name: 'app', image, lifecycle: { preStop: { exec: { command: ['bye'] } } } },
        ],
      },
    });
    const pod = cloneDeep(await t.getPod('p')) as any;
    pod.spec.ephemeralContainers = [{ name: 'debug', image }];
    await t.client.update(coreV1.pods, pod);
    await t.pass(1000);
    assert.equal(conditionOf(await t.getPod('p')), 'False');
    await t.pass(4300);
    assert.equal(conditionOf(await t.getPod('p')), 'True');
    await t.pass(3000);
    assert.deepEqual(started.slice(-3), ['setup#1', 'watcher#1', 'app#1']);
    const { status } = await t.getPod('p');
    assert.equal(conditionOf(await t.getPod('p')), 'False');
    assert.deepEqual([status?.phase, hooks], ['Running', 0]);
    assert.deepEqual(
      status?.containerStatuses?.map(c => c.restartCount),
      [1, 1],
    );
    const [debug] = status?.ephemeralContainerStatuses ?? [];
    assert.ok(debug?.state?.terminated);
    assert.ok(!('started' in debug), 'only containers that may have probes say so');
  } finally {
    await t.stop();
  }
});
