import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventsV1 } from '../api/refs.ts';
import { VirtualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { seededRandom } from '../base/random.ts';
import { fakeClient } from '../client/fake-client.ts';
import { createInformerFactory } from '../client/informer-factory.ts';
import { createSeriesRecorder } from '../client/series-recorder.ts';
import { createServiceProxy } from './service-proxy.ts';

test('the node is told that its proxy starts', async () => {
  const clock = new VirtualClock();
  const client = fakeClient([], { clock });
  const common = { clock, random: seededRandom(1), log: silentLog };
  const events = createSeriesRecorder(client, { component: 'kube-proxy', host: 'node-1', ...common });
  const proxy = createServiceProxy({
    ...{ nodeName: 'node-1', nodeAddresses: ['10.0.0.1'], podCidrs: ['10.244.0.0/24'], serviceCidrs: ['10.96.0.0/12'] },
    ...{
      informers: createInformerFactory(client, common),
      run: async () => '',
      events,
      healthz: null,
      metricsAt: null,
    },
    ...common,
  });
  const stop = new AbortController();
  const running = proxy.run(stop.signal);
  await events.idle();
  stop.abort();
  await running;
  const [event] = client.objects(eventsV1.events);
  assert.deepEqual(event?.regarding, { kind: 'Node', name: 'node-1', uid: 'node-1' });
  assert.deepEqual(
    [event.type, event.reason, event.action, event.note, event.reportingController, event.reportingInstance],
    ['Normal', 'Starting', 'StartKubeProxy', '', 'kube-proxy', 'kube-proxy-node-1'],
  );
});
