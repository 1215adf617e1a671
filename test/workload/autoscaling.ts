// The autoscaler on the CPU that the nodes measure: a Deployment that burns grows, and shrinks when it rests.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HorizontalPodAutoscaler } from '../../src/api/type/autoscaling-v2.ts';
import { type ClusterAccess, sh } from '../cluster-access.ts';
import { eventually } from '../lab.ts';
import { appsPath, deployment, isReady, kubectl, podsOf } from './objects.ts';

// As much as it is given, until told to rest.
const burn = 'trap "exit 0" TERM; while [ ! -e /tmp/rest ]; do i=$((i+1)); done; sleep 100000 & wait';
const limitMilli = 120;

export function autoscalingTests(c: () => ClusterAccess): void {
  const path = () => `/apis/autoscaling/v2/namespaces/${c().namespace}/horizontalpodautoscalers`;

  async function start(): Promise<void> {
    const labels = { app: 'burner' };
    const resources = { requests: { cpu: '40m' }, limits: { cpu: `${limitMilli}m` } };
    const containers = [{ name: 'main', image: c().image, command: sh(burn), resources }];
    const spec = { terminationGracePeriodSeconds: 1, containers };
    await c().ask('POST', appsPath(c(), 'deployments'), {
      metadata: { name: 'burner' },
      spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
    });
    await c().ask('POST', path(), {
      metadata: { name: 'burner' },
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'burner' },
        ...{ minReplicas: 1, maxReplicas: 3 },
        metrics: [
          { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 75 } } },
        ],
        behavior: { scaleDown: { stabilizationWindowSeconds: 0 } },
      },
    });
  }

  const scaled = (to: number) =>
    eventually(`${to} burners`, async () => (await deployment(c(), 'burner')).status?.readyReplicas === to, 90_000);

  test('a Deployment that burns CPU is scaled up, and down when it rests', async () => {
    await start();
    await scaled(3);
    const top = await eventually('what kubectl top says', async () => {
      const lines = (await kubectl(c(), 'top', 'pods', '--no-headers', '-l', 'app=burner')).trim().split('\n');
      return lines.length === 3 ? lines : undefined;
    });
    const used = top.map(line => Number.parseInt(line.split(/\s+/)[1] ?? '', 10));
    // One that has just started has not burnt as long as the others.
    const most = Math.max(...used);
    assert.ok(most > limitMilli / 3 && most < limitMilli * 1.2, `${most}m of at most ${limitMilli}m`);
    assert.match(
      await kubectl(c(), 'top', 'nodes'),
      /^NAME +CPU\(cores\) +CPU\(%\) +MEMORY\(bytes\) +MEMORY\(%\) *\nnode-1 +\d+m +\d+% +\d+Mi +\d+% *\nnode-2 /,
    );
    for (const pod of await podsOf(c(), 'burner'))
      if (isReady(pod)) await c().exec(pod.metadata.name, 'touch /tmp/rest');
    await scaled(1);
    const { status } = await c().ask<HorizontalPodAutoscaler>('GET', `${path()}/burner`);
    const conditions = status?.conditions?.map(x => [x.type, x.status]);
    assert.deepEqual(conditions?.slice(0, 2), [
      ['AbleToScale', 'True'],
      ['ScalingActive', 'True'],
    ]);
    const events = (await c().events('burner')).filter(e => e.involvedObject.kind === 'HorizontalPodAutoscaler');
    const said = events
      .filter(e => e.reason === 'SuccessfulRescale')
      .map(e => e.message?.replace(/New size: \d/, 'New size: N'));
    assert.ok(
      said.includes('New size: N; reason: cpu resource utilization (percentage of request) above target'),
      said.join(),
    );
    assert.ok(said.includes('New size: N; reason: All metrics below target'), said.join());
  });
}
