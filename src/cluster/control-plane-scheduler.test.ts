import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coreV1 } from '../api/refs.ts';
import { startTestServer } from '../apiserver/test-server.ts';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { createMetrics } from '../base/metrics.ts';
import { systemRandom } from '../base/random.ts';
import type { Client, WatchHandle } from '../client/client.ts';
import type { ControlPlaneContext } from './component-context.ts';
import { createControlPlaneScheduler } from './control-plane-scheduler.ts';

/** The object, once it is as wanted. */
function seen(client: Client, ref: any, wanted: (object: any) => boolean): Promise<any> {
  return new Promise((resolve, reject) => {
    let handle: WatchHandle | undefined;
    handle = client.watch<any>(
      ref,
      { namespace: 'default' },
      {
        onEvent(type, object) {
          if (type === 'BOOKMARK' || !wanted(object)) return;
          handle?.stop();
          resolve(object);
        },
        onClose: error => reject(error ?? new Error('the watch has ended')),
      },
    );
  });
}

const node = (name: string, spec: object = {}) => ({
  metadata: { name },
  spec,
  status: { allocatable: { cpu: '2', memory: '4Gi', pods: '10' }, capacity: { cpu: '2', memory: '4Gi', pods: '10' } },
});

const pod = (name: string, cpu: string) => ({
  metadata: { name, namespace: 'default' },
  spec: { containers: [{ name: 'c', image: 'busybox', resources: { requests: { cpu } } }] },
});

test('as system:kube-scheduler, through the API server: one pod is bound, one is told why not', async () => {
  const { server, stop } = await startTestServer();
  const abort = new AbortController();
  const context = {
    clock: systemClock,
    config: {},
    random: systemRandom,
    log: silentLog,
    metrics: createMetrics(),
    client: (identity: Parameters<ControlPlaneContext['client']>[0]) => server.client(identity),
  } as unknown as ControlPlaneContext;
  const running = createControlPlaneScheduler(context).then(s => s.run(abort.signal));
  try {
    const client = server.client({ userAgent: 'test' });
    const saved = await client.create(coreV1.nodes, node('a') as object);
    // Admission gives every new node the taint of one that is not ready.
    await client.update(coreV1.nodes, { ...saved, spec: {} } as object);
    await client.create(coreV1.nodes, node('b', { taints: [{ key: 'k', effect: 'NoSchedule' }] }) as object);
    await client.create(coreV1.serviceaccounts, { metadata: { name: 'default', namespace: 'default' } });
    await client.create(coreV1.pods, pod('fits', '1') as object);
    const bound = await seen(client, coreV1.pods, p => p.metadata.name === 'fits' && p.spec.nodeName);
    assert.equal(bound.spec.nodeName, 'a');
    const scheduled = bound.status.conditions.find((c: any) => c.type === 'PodScheduled');
    assert.equal(scheduled.status, 'True');
    const event = await seen(client, coreV1.events, e => e.reason === 'Scheduled');
    assert.equal(event.message, 'Successfully assigned default/fits to a');
    assert.equal(event.reportingComponent, 'default-scheduler');

    await client.create(coreV1.pods, pod('large', '3') as object);
    const told = await seen(client, coreV1.pods, p => p.metadata.name === 'large' && p.status.conditions?.length);
    const condition = told.status.conditions.find((c: any) => c.type === 'PodScheduled');
    assert.equal(condition.status, 'False');
    assert.equal(condition.reason, 'Unschedulable');
    assert.match(
      condition.message,
      /^0\/2 nodes are available: 1 Insufficient cpu, 1 node\(s\) had untolerated taint\(s\)\./,
    );
    const failed = await seen(client, coreV1.events, e => e.reason === 'FailedScheduling');
    assert.equal(failed.message, condition.message);
  } finally {
    abort.abort();
    await running;
    await stop();
  }
});
