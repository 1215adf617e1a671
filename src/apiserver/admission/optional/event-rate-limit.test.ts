import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtinResources } from '../../../api/resource.ts';
import { VirtualClock } from '../../../base/clock.ts';
import type { AdmissionAttributes } from '../admission.ts';
import { type EventLimit, eventRateLimit, readEventRateLimit } from './event-rate-limit.ts';

const events = builtinResources().byId('/v1/events')!;

function limited(...limits: EventLimit[]) {
  const clock = new VirtualClock();
  const plugin = eventRateLimit(limits, clock);
  /** What a create of an Event comes to. */
  const send = (more: { namespace?: string; user?: string; event?: object; dryRun?: boolean } = {}) => {
    const { namespace = 'a', user = 'ann', event = {}, dryRun = false } = more;
    const attributes = {
      operation: 'CREATE',
      resource: events,
      subresource: '',
      namespace,
      user: { name: user, groups: [] },
      dryRun,
      object: { metadata: { namespace }, involvedObject: {}, ...event },
    } as unknown as AdmissionAttributes;
    if (!plugin.handles(attributes)) return 'not asked';
    try {
      plugin.validate!(attributes);
      return 'ok';
    } catch (error) {
      const { status } = error as { status: { code: number; reason: string; message: string } };
      return `${status.code} ${status.reason} ${status.message}`;
    }
  };
  return { clock, send };
}

test('a burst is let in, then what time gives', async () => {
  const { clock, send } = limited({ type: 'Server', qps: 2, burst: 3 });
  assert.deepEqual([send(), send(), send()], ['ok', 'ok', 'ok']);
  assert.equal(send(), '429 TooManyRequests Too many requests: limit reached on type Server for key ');
  assert.equal(send({ dryRun: true }), 'not asked');
  await clock.advance(500);
  assert.deepEqual([send(), send().slice(0, 3)], ['ok', '429']);
});

test('each namespace, user and source has its own', () => {
  const namespaces = limited({ type: 'Namespace', qps: 1, burst: 1 });
  assert.deepEqual([namespaces.send(), namespaces.send({ namespace: 'b' })], ['ok', 'ok']);
  assert.match(namespaces.send(), /limit reached on type Namespace for key a$/);
  const users = limited({ type: 'User', qps: 1, burst: 1 });
  assert.deepEqual([users.send(), users.send({ user: 'bob' })], ['ok', 'ok']);
  assert.match(users.send(), /limit reached on type User for key ann$/);
  const sources = limited({ type: 'SourceAndObject', qps: 1, burst: 1 });
  const about = (name: string) => ({
    source: { component: 'kubelet', host: 'n' },
    involvedObject: { kind: 'Pod', namespace: 'a', name, uid: 'u', apiVersion: 'v1' },
  });
  assert.deepEqual([sources.send({ event: about('p') }), sources.send({ event: about('q') })], ['ok', 'ok']);
  assert.match(sources.send({ event: about('p') }), /limit reached on type SourceAndObject for key kubeletnPodapuv1$/);
});

test('all limits are charged, and all that are reached are told', () => {
  const { send } = limited({ type: 'Server', qps: 1, burst: 1 }, { type: 'User', qps: 1, burst: 1 });
  assert.equal(send(), 'ok');
  assert.match(
    send(),
    /Too many requests: \[limit reached on type Server for key , limit reached on type User for key ann\]$/,
  );
  // Turned away by the server's limit, and bob's own is used up all the same.
  assert.match(send({ user: 'bob' }), /: limit reached on type Server for key $/);
  assert.match(send({ user: 'bob' }), /\[.*Server.*User for key bob\]/);
});

test('who has not sent for longest is forgotten', () => {
  const { send } = limited({ type: 'User', qps: 1, burst: 1, cacheSize: 1 });
  assert.deepEqual([send(), send({ user: 'bob' }), send()], ['ok', 'ok', 'ok']);
});

test('the configuration is checked', () => {
  const text = (limits: unknown) =>
    JSON.stringify({ apiVersion: 'eventratelimit.admission.k8s.io/v1alpha1', kind: 'Configuration', limits });
  const good = [{ type: 'Namespace', qps: 50, burst: 100, cacheSize: 2000 }];
  assert.deepEqual(readEventRateLimit(text(good)), good);
  assert.throws(() => readEventRateLimit(text([])), /^Error: limits: Invalid value: \[\]: must not be empty$/);
  assert.throws(
    () => readEventRateLimit(text([{ type: 'Pod', cacheSize: -1 }])),
    /limits\[0\].type: Unsupported value: "Pod".*limits\[0\].burst: Invalid value: 0: must be positive, limits\[0\].qps: Invalid value: 0: must be positive, limits\[0\].cacheSize: Invalid value: -1: must not be negative/,
  );
});
