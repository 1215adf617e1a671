import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventsV1 } from '../api/refs.ts';
import { forbidden } from '../api/status.ts';
import { VirtualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { seededRandom } from '../base/random.ts';
import { type FakeClient, fakeClient } from '../client/fake-client.ts';
import { createInformerFactory } from '../client/informer-factory.ts';
import { createSeriesRecorder } from '../client/series-recorder.ts';
import { createServiceProxy } from './service-proxy.ts';

/** Runs a proxy for ten seconds. */
async function runProxy(client: FakeClient, clock: VirtualClock): Promise<void> {
  const common = { clock, random: seededRandom(1), log: silentLog };
  const events = createSeriesRecorder(client, { component: 'kube-proxy', host: 'node-1', ...common });
  const informers = createInformerFactory(client, common);
  const proxy = createServiceProxy({
    ...{ nodeName: 'node-1', nodeAddresses: ['10.0.0.1'], podCidrs: ['10.244.0.0/24'], serviceCidrs: ['10.96.0.0/12'] },
    ...{ informers, run: async () => '', events, healthz: null, metricsAt: null },
    ...common,
  });
  const stop = new AbortController();
  const running = Promise.all([informers.run(stop.signal), proxy.run(stop.signal)]);
  await clock.advance(10_000);
  stop.abort();
  await running;
}

test('the node is told that its proxy starts', async () => {
  const clock = new VirtualClock();
  const client = fakeClient([], { clock });
  await runProxy(client, clock);
  const [event, ...others] = client.objects(eventsV1.events);
  assert.deepEqual(event?.regarding, { kind: 'Node', name: 'node-1', uid: 'node-1' });
  assert.deepEqual(
    [event.type, event.reason, event.action, event.note, event.reportingController, event.reportingInstance],
    ['Normal', 'Starting', 'StartKubeProxy', '', 'kube-proxy', 'kube-proxy-node-1'],
  );
  assert.deepEqual(others, []);
});

test('the node is told of it also where the API server knows no roles yet when the proxy starts', async () => {
  const clock = new VirtualClock();
  const client = fakeClient([], { clock });
  const readyMs = clock.now() + 5000;
  client.react(({ resource, name }) => clock.now() < readyMs && forbidden(resource, name, 'no roles yet'));
  await runProxy(client, clock);
  assert.deepEqual(
    client.objects(eventsV1.events).map(e => e.reason),
    ['Starting'],
  );
});
