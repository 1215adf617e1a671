import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { coreV1 } from '../api/refs.ts';
import { forbidden, unavailable } from '../api/status.ts';
import type { Pod } from '../api/type/core-v1.ts';
import { settle, VirtualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { seededRandom } from '../base/random.ts';
import { createEventRecorder, referenceTo } from './event-recorder.ts';
import { fakeClient } from './fake-client.ts';

const { events, pods, nodes } = coreV1;

function setUp(host?: string, queueLimit?: number) {
  const clock = new VirtualClock();
  const client = fakeClient([], { clock });
  const options = { component: 'test-controller', clock, random: seededRandom(1), log: silentLog };
  const recorder = createEventRecorder(client, {
    ...options,
    ...(host ? { host } : {}),
    ...(queueLimit ? { queueLimit } : {}),
  });
  const pod = client.set<Pod>(pods, { metadata: { namespace: 'a', name: 'p' } });
  const texts = () => client.objects(events).map(e => `${e.count} ${e.type} ${e.reason}: ${e.message}`);
  return { clock, client, recorder, pod, texts };
}

describe('event recorder', () => {
  it('gives each event a name of its own, whoever reports it, and the same ones in the same order', async () => {
    const names = async () => {
      const clock = new VirtualClock();
      const client = fakeClient([], { clock });
      const pod = client.set<Pod>(pods, { metadata: { namespace: 'a', name: 'p' } });
      const recorder = (component: string, on = clock) =>
        createEventRecorder(client, { component, clock: on, random: seededRandom(1), log: silentLog });
      // Two of one name, one of another, and one of another process, whose clock says the same.
      const all = [recorder('x'), recorder('x'), recorder('y'), recorder('z', new VirtualClock())];
      for (const one of all) one.event(pod, 'Normal', 'Started', 'Started it');
      await Promise.all(all.map(r => r.idle()));
      return client.objects(events).map(e => `${e.metadata.name} ${e.source?.component}`);
    };
    const first = await names();
    assert.equal(new Set(first.map(n => n.split(' ')[0])).size, 4);
    assert.deepEqual(await names(), first);
  });

  it('writes an event as Kubernetes does', async () => {
    const { client, recorder, pod } = setUp('node-1');
    recorder.event(pod, 'Normal', 'Started', 'Started it');
    assert.equal(client.objects(events).length, 0, 'not within the call');
    await recorder.idle();
    const [event] = client.objects(events);
    const { metadata, ...rest } = event!;
    assert.equal(metadata.namespace, 'a');
    const [, nanos] = /^p\.([0-9a-f]+)$/.exec(metadata.name)!;
    assert.equal(BigInt(`0x${nanos}`) / 1_000_000n, BigInt(Date.UTC(2026, 0, 1)));
    assert.deepEqual(rest, {
      kind: 'Event',
      apiVersion: 'v1',
      involvedObject: {
        kind: 'Pod',
        namespace: 'a',
        name: 'p',
        uid: pod.metadata.uid,
        apiVersion: 'v1',
        resourceVersion: pod.metadata.resourceVersion,
      },
      reason: 'Started',
      message: 'Started it',
      source: { component: 'test-controller', host: 'node-1' },
      firstTimestamp: '2026-01-01T00:00:00Z',
      lastTimestamp: '2026-01-01T00:00:00Z',
      count: 1,
      type: 'Normal',
      reportingComponent: 'test-controller',
      reportingInstance: 'node-1',
    });
  });

  it('takes references, and puts events about cluster-wide objects into default', async () => {
    const { client, recorder } = setUp();
    const node = client.set(nodes, { metadata: { name: 'n' } });
    const bare = { metadata: node.metadata };
    recorder.event(bare, 'Normal', 'Lost', 'no kind: dropped');
    recorder.event(referenceTo(bare, nodes), 'Normal', 'Ready', 'by reference');
    recorder.event({ kind: 'Group', name: 'system:Nodes' }, 'Warning', 'Odd', 'name');
    await recorder.idle();
    const found = client.objects(events);
    assert.deepEqual(found.map(e => `${e.metadata.namespace} ${e.involvedObject.kind} ${e.reason}`).sort(), [
      'default Group Odd',
      'default Node Ready',
    ]);
    assert.equal(
      found.some(e => e.metadata.name.includes(':')),
      false,
    );
  });

  it('counts repeats by patch', async () => {
    const { clock, client, recorder, pod, texts } = setUp();
    for (let i = 0; i < 3; i++) {
      recorder.event(pod, 'Warning', 'BackOff', 'again');
      await recorder.idle();
      await clock.advance(1000);
    }
    assert.deepEqual(texts(), ['3 Warning BackOff: again']);
    const [event] = client.objects(events);
    assert.equal(event!.firstTimestamp, '2026-01-01T00:00:00Z');
    assert.equal(event!.lastTimestamp, '2026-01-01T00:00:02Z');
    assert.deepEqual(
      client.writes().map(w => w.split(' ')[0]),
      ['create', 'patch', 'patch'],
    );
  });

  it('creates anew when the event has expired', async () => {
    const { client, recorder, pod, texts } = setUp();
    recorder.event(pod, 'Warning', 'BackOff', 'again');
    await recorder.idle();
    const [event] = client.objects(events);
    client.remove(events, { namespace: 'a', name: event!.metadata.name });
    recorder.event(pod, 'Warning', 'BackOff', 'again');
    await recorder.idle();
    assert.deepEqual(texts(), ['2 Warning BackOff: again']);
  });

  it('folds similar events', async () => {
    const { recorder, pod, texts } = setUp();
    for (let i = 1; i <= 12; i++) recorder.event(pod, 'Normal', 'Pulled', `image ${i}`);
    await recorder.idle();
    const found = texts();
    assert.equal(found.length, 10);
    assert.equal(found.at(-1), '3 Normal Pulled: (combined from similar events): image 12');
  });

  it('lets 25 through at once, then one in five minutes', async () => {
    const { clock, recorder, pod, client } = setUp();
    const reasons = (from: number, to: number) => {
      for (let i = from; i < to; i++) recorder.event(pod, 'Normal', `Reason${i}`, 'x');
      return recorder.idle();
    };
    await reasons(0, 40);
    assert.equal(client.objects(events).length, 25);
    await clock.advance(300_000);
    await reasons(40, 45);
    assert.equal(client.objects(events).length, 26);
  });

  it('tries again when the server is away, not when refused; never throws', async () => {
    const { clock, client, recorder, pod, texts } = setUp();
    client.failNext('create', events, unavailable('starting'), { times: 2 });
    recorder.event(pod, 'Normal', 'One', 'x');
    await clock.advance(25_000);
    assert.deepEqual(texts(), ['1 Normal One: x']);
    client.failNext('create', events, forbidden({ group: '', resource: 'events' }, 'e', 'no'));
    recorder.event(pod, 'Normal', 'Two', 'x');
    recorder.event(undefined as never, 'Normal', 'Three', 'x');
    recorder.event(pod, 'Normal', 'Four', 'x');
    await recorder.idle();
    assert.deepEqual(texts().sort(), ['1 Normal Four: x', '1 Normal One: x']);
  });

  it('drops what comes when the queue is full', async () => {
    const { clock, client, recorder } = setUp(undefined, 1000);
    // Each try waits ten seconds for the next, the first less; the twelfth is the last.
    const back = clock.now() + 125_000;
    client.react(a => (a.verb === 'create' && clock.now() < back ? unavailable('away') : undefined));
    for (let i = 0; i < 1500; i++) recorder.event({ kind: 'Pod', namespace: 'a', name: `p${i}` }, 'Normal', 'X', 'x');
    await clock.advance(400_000);
    await settle();
    assert.equal(client.objects(events).length, 992, 'the first eight were given up, 500 were dropped');
  });

  it('keeps a burst of thousands, several writes at once, those about one object in order', async () => {
    const { client, recorder } = setUp();
    const held: (() => void)[] = [];
    client.react(({ verb }) =>
      verb === 'create' && held.length < 8 ? new Promise<void>(done => held.push(done)) : undefined,
    );
    for (let i = 0; i < 2000; i++) {
      recorder.event({ kind: 'Pod', namespace: 'a', name: `p${i}` }, 'Normal', 'X', 'x');
      recorder.event({ kind: 'Pod', namespace: 'a', name: `p${i}` }, 'Normal', 'X', 'x');
    }
    await settle();
    assert.equal(held.length, 8);
    assert.equal(client.writes().length, 8, 'the second event of an object waits for the first');
    for (const done of held) done();
    await recorder.idle();
    assert.equal(client.objects(events).length, 2000);
    assert.ok(client.objects(events).every(e => e.count === 2));
  });
});
