import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coreV1, eventsV1 } from '../api/refs.ts';
import type { Pod } from '../api/type/core-v1.ts';
import { VirtualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { seededRandom } from '../base/random.ts';
import { referenceTo } from './event-recorder.ts';
import { fakeClient } from './fake-client.ts';
import { createSeriesRecorder, type EventDetails } from './series-recorder.ts';

const { pods } = coreV1;
const minute = 60_000;

function setUp() {
  const clock = new VirtualClock();
  const client = fakeClient([], { clock });
  const recorder = createSeriesRecorder(client, {
    ...{ component: 'default-scheduler', host: 'one', clock, random: seededRandom(1), log: silentLog },
  });
  const pod = client.set<Pod>(pods, { metadata: { namespace: 'a', name: 'p' } });
  const tell = async (note: string, details?: EventDetails, about: Pod = pod) => {
    recorder.event(about, 'Warning', 'FailedScheduling', note, details);
    await recorder.idle();
  };
  const stored = () => client.objects(eventsV1.events);
  const told = () => stored().map(e => `${e.series?.count ?? 1} ${e.note}`);
  return { clock, client, recorder, pod, tell, stored, told };
}

test("an event is written as Kubernetes' scheduler writes it", async () => {
  const { client, pod, tell, stored } = setUp();
  const related = referenceTo(client.set<Pod>(pods, { metadata: { namespace: 'a', name: 'other' } }));
  await tell('no room', { action: 'Scheduling', related });
  const { metadata, ...rest } = stored()[0]!;
  assert.match(metadata.name, /^p\.[0-9a-f]+$/);
  assert.equal(metadata.namespace, 'a');
  const { uid, resourceVersion } = pod.metadata;
  assert.deepEqual(rest, {
    kind: 'Event',
    apiVersion: 'events.k8s.io/v1',
    eventTime: '2026-01-01T00:00:00.000000Z',
    reportingController: 'default-scheduler',
    reportingInstance: 'default-scheduler-one',
    action: 'Scheduling',
    reason: 'FailedScheduling',
    regarding: { kind: 'Pod', namespace: 'a', name: 'p', uid, apiVersion: 'v1', resourceVersion },
    related,
    note: 'no room',
    type: 'Warning',
  });
});

test('repeats are a series: told with the second, and when it has ended', async () => {
  const { clock, client, tell, told, stored, recorder } = setUp();
  for (const note of ['first', 'second', 'third', 'fourth']) {
    await tell(note);
    await clock.advance(1000);
  }
  // What it says stays what the first said.
  assert.deepEqual(told(), ['2 first']);
  assert.deepEqual(stored()[0]!.series, { count: 2, lastObservedTime: '2026-01-01T00:00:01.000000Z' });
  await clock.advance(7 * minute);
  assert.deepEqual(told(), ['2 first'], 'it has not ended for long enough at the first look');
  await clock.advance(6 * minute);
  assert.deepEqual(told(), ['4 first']);
  const writes = client.writes().length;
  await tell('again');
  assert.deepEqual(told(), ['4 first', '1 again']);
  await clock.advance(30 * minute);
  assert.equal(client.writes().length, writes + 1, 'what was alone needs no end');
  recorder.close();
});

test('a series that goes on is told each half hour', async () => {
  const { clock, tell, told, client } = setUp();
  for (let i = 0; i < 40; i++) {
    await tell('same');
    await clock.advance(minute);
  }
  assert.deepEqual(told(), ['36 same']);
  assert.equal(client.writes().filter(w => w.includes('events')).length, 3);
});

test('another version of the object, action or reason is another event, and what happens once has no series', async () => {
  const { client, tell, told } = setUp();
  await tell('one');
  await tell('two', { action: 'Binding' });
  const changed = client.set<Pod>(pods, { metadata: { namespace: 'a', name: 'p', labels: { a: 'b' } } });
  await tell('three', {}, changed);
  for (const note of ['four', 'five']) await tell(note, { once: true });
  assert.deepEqual(told(), ['1 one', '1 two', '1 three', '1 four', '1 five']);
});

test('a series whose event has expired is written anew', async () => {
  const { client, tell, stored, told } = setUp();
  await tell('one');
  client.remove(eventsV1.events, `a/${stored()[0]!.metadata.name}`);
  await tell('two');
  assert.deepEqual(told(), ['2 one']);
});
