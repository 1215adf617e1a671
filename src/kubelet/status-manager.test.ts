import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, PodStatus } from '../api/type/core-v1.ts';
import { VirtualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import type { Client } from '../client/client.ts';
import { StatusManager } from './status-manager.ts';

const settled = () => new Promise<void>(resolve => void setImmediate(() => setImmediate(resolve)));

function managerOf() {
  const clock = new VirtualClock();
  let pod = {
    metadata: { name: 'p', namespace: 'default', uid: 'u', resourceVersion: '1' },
    spec: { containers: [{ name: 'c', image: 'i' }] },
  } as unknown as Pod;
  const told: PodStatus[] = [];
  const client = {
    async patch(_: unknown, __: unknown, { body }: { body: { status: PodStatus } }) {
      told.push(body.status);
      pod = { ...pod, status: { ...pod.status, ...body.status } };
      return pod;
    },
  } as unknown as Client;
  const manager = new StatusManager({ client, clock, log: silentLog, apiPod: () => pod });
  return { manager, clock, told };
}

test('a status another is about to follow is told with it', async () => {
  const { manager, clock, told } = managerOf();
  manager.set('u', { phase: 'Pending', reason: 'first' }, true);
  await settled();
  assert.equal(told.length, 1, 'nothing is known of the pod: at once');
  manager.set('u', { phase: 'Pending', podIP: '10.0.0.1' }, true);
  manager.reconcile('u');
  await clock.advance(900);
  await settled();
  assert.equal(told.length, 1);
  manager.set('u', { phase: 'Running', podIP: '10.0.0.1' });
  await settled();
  assert.deepEqual(told.slice(1), [{ phase: 'Running', podIP: '10.0.0.1', reason: null }]);
  await clock.advance(5000);
  await settled();
  assert.equal(told.length, 2);
});

test('it is told within a second where none follows', async () => {
  const { manager, clock, told } = managerOf();
  manager.set('u', { phase: 'Pending' });
  await settled();
  manager.set('u', { phase: 'Pending', podIP: '10.0.0.1' }, true);
  await clock.advance(500);
  manager.set('u', { phase: 'Pending', podIP: '10.0.0.2' }, true);
  await clock.advance(400);
  await settled();
  assert.equal(told.length, 1);
  await clock.advance(100);
  await settled();
  assert.deepEqual(told[1], { podIP: '10.0.0.2' });
  manager.set('u', { phase: 'Pending', podIP: '10.0.0.3' }, true);
  manager.forget('u');
  await clock.advance(5000);
  await settled();
  assert.equal(told.length, 2);
});
