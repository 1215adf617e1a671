import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFacts } from '../../api/resource.ts';
import { StatusError } from '../../api/status.ts';
import type { FlowSchema, PriorityLevelConfiguration } from '../../api/type/flowcontrol-v1.ts';
import { settle, VirtualClock } from '../../base/clock.ts';
import { createMetrics } from '../../base/metrics.ts';
import type { UserInfo } from '../authn/user.ts';
import type { Exchange } from '../http/exchange.ts';
import { parseRequest } from '../request-info.ts';
import { dumpPaths } from './dump.ts';
import { FlowControl } from './flow-control.ts';
import { reportFlowControl } from './flow-metrics.ts';
import { Inflight, plainGate } from './inflight.ts';
import type { Pass } from './pass.ts';

type Named = { name: string; spec: object };
const facts = readFacts<Record<string, Named[]>>('priority-and-fairness.json');
const named = (list: readonly Named[]) =>
  list.map(({ name, spec }) => ({ metadata: { name, uid: `uid-${name}` }, spec, status: {} }));

/** Stands in for a watch cache. */
class Objects {
  list: object[];
  readonly #listeners = new Set<{ onEvent(event: never): void }>();
  constructor(list: object[]) {
    this.list = list;
  }
  snapshot() {
    const scan = (_prefix: string, _from: undefined, visit: (stored: never) => undefined) => {
      for (const object of this.list) visit({ object } as never);
    };
    return { scan } as never;
  }
  listen(listener: { onEvent(event: never): void }) {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
  set(list: object[]) {
    this.list = list;
    for (const l of this.#listeners) l.onEvent(undefined as never);
  }
}

class FakeExchange {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers = {};
  extraHeaders: Record<string, string> | undefined = undefined;
  text = '';
  readonly #closed: (() => void)[] = [];
  constructor(url: string) {
    const [path, query] = url.split('?');
    this.path = path!;
    this.query = new URLSearchParams(query);
  }
  onClose(fn: () => void) {
    this.#closed.push(fn);
  }
  close() {
    for (const fn of this.#closed) fn();
  }
  respond(_code: number, _headers: object, text: string) {
    this.text = text;
  }
}

const groups = (...more: string[]) => [...more, 'system:authenticated'];
const admin: UserInfo = { name: 'admin', groups: groups('system:masters') };
const pod: UserInfo = {
  name: 'system:serviceaccount:default:p',
  groups: groups('system:serviceaccounts', 'system:serviceaccounts:default'),
};
const alice: UserInfo = { name: 'alice', groups: groups() };

function bench({ serverSeats = 600, size = 0, bytes = 0, watchers = 0, bySize = false } = {}) {
  const clock = new VirtualClock();
  const metrics = createMetrics();
  const levels = new Objects(
    named([...facts.mandatoryPriorityLevelConfigurations!, ...facts.suggestedPriorityLevelConfigurations!]),
  );
  const schemas = new Objects(named([...facts.mandatoryFlowSchemas!, ...facts.suggestedFlowSchemas!]));
  const control = new FlowControl({
    clock,
    levels: levels as never,
    schemas: schemas as never,
    cacheOf: () => ({ size, bytes, watchers: () => watchers }),
    bySize,
    inflight: new Inflight(metrics, () => clock.monotonic()),
    serverSeats,
    requestTimeoutMs: 60_000,
  });
  reportFlowControl(control, metrics);
  const admit = (user: UserInfo, method: string, url: string, exchange = new FakeExchange(url)) =>
    control.admit(
      parseRequest(method, exchange.path, exchange.query),
      user,
      exchange as unknown as Exchange,
      clock.monotonic(),
    );
  const schemaOf = (user: UserInfo, method: string, url: string) => {
    const pass = admit(user, method, url) as Pass;
    pass.done();
    return pass.flow.schema.object.metadata.name;
  };
  const dump = async (what: string) => {
    const exchange = new FakeExchange(`/debug/api_priority_and_fairness/${what}`);
    assert.equal(await dumpPaths(control, clock)(exchange as unknown as Exchange, admin), true);
    return exchange.text;
  };
  return { clock, metrics, levels, schemas, control, admit, schemaOf, dump };
}

/** A level of `seats` seats when there is nothing but it and the mandatory ones. */
const level = (name: string, limited: object) => ({
  metadata: { name, uid: `uid-${name}` },
  spec: { type: 'Limited', limited: { nominalConcurrencyShares: 1000, ...limited } },
});
const schema = (name: string, levelName: string, more: object = {}) => ({
  metadata: { name, uid: `uid-${name}` },
  spec: {
    priorityLevelConfiguration: { name: levelName },
    matchingPrecedence: 1000,
    distinguisherMethod: { type: 'ByUser' },
    rules: [
      {
        subjects: [{ kind: 'Group', group: { name: 'system:authenticated' } }],
        resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true, namespaces: ['*'] }],
      },
    ],
    ...more,
  },
});

test('requests go to the schemas every cluster has', () => {
  const { schemaOf } = bench();
  const pods = '/api/v1/namespaces/a/pods/p';
  assert.equal(schemaOf(admin, 'GET', pods), 'exempt');
  assert.equal(schemaOf(alice, 'GET', pods), 'global-default');
  assert.equal(schemaOf(alice, 'GET', '/readyz'), 'probes');
  assert.equal(schemaOf(alice, 'GET', '/version'), 'global-default');
  assert.equal(schemaOf(pod, 'GET', pods), 'service-accounts');
  const node = { name: 'system:node:n', groups: groups('system:nodes') };
  assert.equal(schemaOf(node, 'GET', pods), 'system-nodes');
  assert.equal(schemaOf(node, 'PATCH', '/api/v1/nodes/n/status'), 'system-node-high');
  const lease = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/l';
  assert.equal(schemaOf(node, 'PUT', lease), 'system-node-high');
  const scheduler = { name: 'system:kube-scheduler', groups: groups() };
  assert.equal(schemaOf(scheduler, 'PUT', lease), 'system-leader-election');
  assert.equal(schemaOf(scheduler, 'DELETE', lease), 'kube-scheduler');
  const account = { name: 'system:serviceaccount:kube-system:dns', groups: groups('system:serviceaccounts') };
  assert.equal(schemaOf(account, 'PUT', lease), 'system-leader-election');
  assert.equal(schemaOf(account, 'GET', pods), 'kube-system-service-accounts');
  assert.equal(schemaOf({ name: 'nobody', groups: [] }, 'GET', pods), 'catch-all');
});

test('of several schemas the lowest precedence wins, then the name; namespaces are kept apart; objects are followed', () => {
  const { schemas, levels, schemaOf, admit } = bench();
  const only = (namespaces: string[], clusterScope = false) => ({
    rules: [
      {
        subjects: [{ kind: 'User', user: { name: 'alice' } }],
        resourceRules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'], clusterScope, namespaces }],
      },
    ],
  });
  schemas.set([
    ...schemas.list,
    schema('b', 'system', only(['x'])),
    schema('a', 'system', only(['x', 'y'])),
    schema('z', 'system', { ...only([], true), matchingPrecedence: 5 }),
    schema('gone', 'no-such-level', { matchingPrecedence: 3 }),
  ]);
  for (let i = 0; i < 2; i++) {
    assert.equal(schemaOf(alice, 'GET', '/api/v1/namespaces/x/pods/p'), 'a');
    assert.equal(schemaOf(alice, 'GET', '/api/v1/namespaces/z/pods/p'), 'global-default');
    assert.equal(schemaOf(alice, 'GET', '/api/v1/namespaces/y/pods/p'), 'a');
    assert.equal(schemaOf(alice, 'GET', '/api/v1/namespaces/y/pods/p/status'), 'global-default');
  }
  schemas.set(schemas.list.filter(s => (s as FlowSchema).metadata.name !== 'a'));
  assert.equal(schemaOf(alice, 'GET', '/api/v1/namespaces/x/pods/p'), 'b');
  levels.set([]);
  schemas.set([]);
  assert.equal(schemaOf(alice, 'GET', '/api/v1/namespaces/x/pods/p'), 'catch-all');
  const exchange = new FakeExchange('/api/v1/namespaces/x/pods/p');
  void admit(admin, 'GET', '', exchange);
  assert.deepEqual(Object.keys(exchange.extraHeaders!), [
    'x-kubernetes-pf-flowschema-uid',
    'x-kubernetes-pf-prioritylevel-uid',
  ]);
});

test('what has no seat waits for one, a quarter of its time at most, and leaves with its client', async () => {
  const { clock, levels, schemas, admit, metrics, dump } = bench({ serverSeats: 3 });
  const queuing = { queues: 4, handSize: 1, queueLengthLimit: 2 };
  levels.set([level('small', { limitResponse: { type: 'Queue', queuing }, borrowingLimitPercent: 0 })]);
  schemas.set([schema('all', 'small')]);
  const url = '/api/v1/namespaces/a/configmaps/c';
  const held = [1, 2, 3].map(() => admit(alice, 'GET', url) as Pass);
  assert.ok(held.every(h => !(h instanceof Promise)));
  const outcome = (admitted: ReturnType<typeof admit>) => {
    const seen: { pass?: Pass; error?: unknown } = {};
    assert.ok(admitted instanceof Promise);
    admitted.then(
      pass => Object.assign(seen, { pass }),
      error => Object.assign(seen, { error }),
    );
    return seen;
  };
  const leaving = new FakeExchange(url);
  const first = outcome(admit(alice, 'GET', url));
  const second = outcome(admit(alice, 'GET', '', leaving));
  assert.throws(
    () => admit(alice, 'GET', url),
    (e: StatusError) => e.code === 429 && e.status.reason === 'TooManyRequests' && e.headers['retry-after'] === '1',
  );
  const lines = (await dump('dump_requests?includeRequestDetails=1')).split('\n');
  assert.match(
    lines[0]!,
    /^PriorityLevelName, FlowSchemaName, QueueIndex, RequestIndexInQueue, FlowDistingsher, ArriveTime, /,
  );
  assert.equal(lines.filter(l => /^small, +all, +\d, +-1, +alice, /.test(l)).length, 3);
  assert.match(
    lines.find(l => /^small, +all, +\d, +1, /.test(l))!,
    /0001-01-01T00:00:00Z, +alice, +get, +\/api\/v1\/namespaces\/a\/configmaps\/c, +a, +c, +v1, +configmaps, $/,
  );
  assert.match(await dump('dump_priority_levels'), /\nsmall, +1, +false, +false, +2, +3, +3, +1, +0, +0\n/);
  assert.match(await dump('dump_queues'), /^PriorityLevelName, Index, {2}PendingRequests, /);
  assert.match(await dump('dump_queues'), /\nsmall, +\d, +2, +3, +3, +0\.00900000ss, +2, +2, +0\.00600000ss\n/);
  assert.match(
    await metrics.text(),
    /apiserver_flowcontrol_current_inqueue_requests\{flow_schema="all",priority_level="small"\} 2\n/,
  );
  assert.match(
    await metrics.text(),
    /apiserver_flowcontrol_next_s_bounds\{priority_level="small",bound="min"\} 0\.009\n/,
  );
  assert.match(
    await metrics.text(),
    /apiserver_flowcontrol_next_discounted_s_bounds\{priority_level="small",bound="max"\} 0\n/,
  );
  leaving.close();
  await settle();
  assert.ok(second.error instanceof StatusError);
  const third = outcome(admit(alice, 'GET', `${url}?timeout=9s1000ms`));
  held[0]!.done();
  await settle();
  assert.ok(first.pass && !third.error);
  await clock.advance(2499);
  assert.ok(!third.error);
  await clock.advance(1);
  assert.ok(third.error instanceof StatusError);
  for (const h of [held[1]!, held[2]!, first.pass!]) h.done();
  const text = await metrics.text();
  for (const [reason, n] of [
    ['queue-full', 1],
    ['cancelled', 1],
    ['time-out', 1],
  ])
    assert.match(
      text,
      new RegExp(`rejected_requests_total\\{flow_schema="all",priority_level="small",reason="${reason}"\\} ${n}\n`),
    );
  assert.match(text, /dispatched_requests_total\{flow_schema="all",priority_level="small"\} 4\n/);
  assert.match(text, /current_executing_seats\{flow_schema="all",priority_level="small"\} 0\n/);
  const small = 'flow_schema="all",priority_level="small"';
  const countOf = (name: string, labels = small) =>
    text
      .split('\n')
      .find(l => l.startsWith(`apiserver_flowcontrol_${name}{${labels}}`))
      ?.split(' ')[1];
  // Those that had a seat at once were in a queue, too.
  assert.equal(countOf('request_queue_length_after_enqueue_count'), '6');
  assert.equal(countOf('request_wait_duration_seconds_count', `${small},execute="false"`), '3');
  assert.equal(countOf('request_execution_seconds_count', `${small},type="watch"`), undefined);
  assert.equal(countOf('request_dispatch_no_accommodation_total'), undefined);
  assert.match(await dump('dump_priority_levels'), /\nsmall, +0, +true, +false, +0, +0, +4, +3, +0, +2\n/);
});

test('a level that is deleted lets its requests end first', async () => {
  const { levels, schemas, admit, dump } = bench();
  levels.set([...levels.list, level('passing', { limitResponse: { type: 'Reject' } })]);
  schemas.set([...schemas.list, schema('s', 'passing')]);
  const pass = admit(alice, 'GET', '/api/v1/pods') as Pass;
  levels.set(levels.list.filter(l => (l as PriorityLevelConfiguration).metadata.name !== 'passing'));
  assert.match(await dump('dump_priority_levels'), /\npassing, +0, +false, +true, /);
  pass.done();
  assert.doesNotMatch(await dump('dump_priority_levels'), /passing/);
});

test('a busy level borrows from idle ones after ten seconds, and gives back', async () => {
  const { clock, control, admit } = bench();
  const limit = (name: string) => {
    control.refresh();
    return control.levels.find(l => l.level.name === name)!.level.limit;
  };
  const before = limit('global-default');
  const running: Pass[] = [];
  const wait = (p: ReturnType<typeof admit>) => {
    if (p instanceof Promise)
      p.then(
        x => running.push(x),
        () => {},
      );
    else if (p) running.push(p);
  };
  const users = Array.from({ length: 20 }, (_, i) => ({ name: `u${i}`, groups: groups() }));
  for (const user of users) for (let i = 0; i < 10; i++) wait(admit(user, 'GET', '/api/v1/namespaces/a/pods/p'));
  assert.equal(running.length, before);
  await clock.advance(10_000);
  assert.ok(limit('global-default') > before, `${before} ${limit('global-default')}`);
  await settle();
  assert.ok(running.length > before);
  const total = control.levels.reduce((sum, l) => sum + l.level.limit, 0);
  assert.ok(Math.abs(total - 600) <= 4, String(total));
  while (running.length) {
    running.pop()!.done();
    await settle();
  }
  await clock.advance(3_600_000);
  assert.ok(Math.abs(limit('global-default') - before) <= 60);
});

test('by size a list takes a seat for each 100 kB of what it gives', () => {
  // 450 objects of 4 KB: 1.8 MB.
  const { admit } = bench({ size: 450, bytes: 450 * 4000, bySize: true });
  const seats = (url: string) => {
    const pass = admit(pod, 'GET', url) as Pass;
    pass.done();
    return pass.seats;
  };
  assert.equal(seats('/api/v1/pods'), 10, 'as many as any request may have');
  assert.equal(seats('/api/v1/pods?limit=100'), 4);
  assert.equal(seats('/api/v1/pods?limit=10'), 1);
  assert.equal(seats('/api/v1/pods?limit=100&labelSelector=a'), 9);
  assert.equal(seats('/api/v1/pods?fieldSelector=metadata.name%3Dx'), 1);
  assert.equal(seats('/api/v1/pods?watch=1&sendInitialEvents=true'), 10);
  assert.equal(seats('/api/v1/pods?watch=1&resourceVersion=7'), 1);
  assert.equal(seats('/api/v1/pods?watch=1'), 10, 'it begins with what there is');
  assert.equal(seats('/api/v1/pods?watch=1&resourceVersion=0'), 10);
  assert.equal(seats('/api/v1/pods?watch=1&fieldSelector=metadata.name%3Dx'), 1);
});

test('pages of what is selected are as wide as half of what there is', () => {
  const { admit } = bench({ size: 1201, bytes: 601_701, bySize: true });
  const seats = (query: string) => {
    const pass = admit(pod, 'GET', `/api/v1/pods?${query}`) as Pass;
    pass.done();
    return pass.seats;
  };
  const widths = { 'limit=1': 4, 'limit=100': 4, 'limit=900': 5, 'limit=5000': 7, 'limit=0': 7, 'limit=x': 10 };
  for (const [limit, wide] of Object.entries(widths)) assert.equal(seats(`labelSelector=a&${limit}`), wide, limit);
  assert.equal(seats('fieldSelector=metadata.namespace%3Da&limit=100'), 4);
  assert.equal(seats('labelSelector=a&limit=100&resourceVersion=0'), 1);
  assert.equal(seats('labelSelector=a&resourceVersion=0'), 7);
});

test('who is turned away again and again is told to wait longer', async () => {
  const { clock, levels, schemas, admit } = bench({ serverSeats: 3 });
  levels.set([level('small', { limitResponse: { type: 'Reject' }, borrowingLimitPercent: 0 })]);
  schemas.set([schema('all', 'small')]);
  const url = '/api/v1/namespaces/a/configmaps/c';
  for (let i = 0; i < 3; i++) admit(alice, 'GET', url);
  const told = (): string => {
    try {
      admit(alice, 'GET', url);
    } catch (error) {
      return (error as StatusError).headers['retry-after']!;
    }
    throw new Error('was let in');
  };
  const waits: string[] = [];
  for (let second = 0; second < 8; second++) {
    for (let i = 0; i < 4; i++) waits.push(told());
    await clock.advance(1000);
  }
  assert.deepEqual(
    waits.filter((_, i) => i % 4 === 0),
    ['1', '2', '2', '4', '4', '4', '4', '8'],
  );
});

test('lists and writes are as wide as their resource is large and watched; seats linger without a timer', async () => {
  const { clock, control, admit } = bench({ size: 450, watchers: 30 });
  const wide = admit(pod, 'GET', '/api/v1/pods') as Pass;
  assert.equal(wide.seats, 5);
  assert.equal((admit(pod, 'GET', '/api/v1/pods?limit=100') as Pass).seats, 1);
  assert.equal((admit(pod, 'GET', '/api/v1/pods?limit=100&labelSelector=a') as Pass).seats, 3);
  assert.equal((admit(pod, 'GET', '/api/v1/pods?fieldSelector=metadata.name%3Dx') as Pass).seats, 1);
  assert.equal((admit(pod, 'GET', '/api/v1/pods?watch=1&resourceVersion=7') as Pass).seats, 1);
  assert.equal((admit(pod, 'GET', '/api/v1/pods?watch=1&sendInitialEvents=true') as Pass).seats, 5);
  assert.equal(admit(pod, 'GET', '/api/v1/namespaces/a/pods/p/log'), undefined);
  assert.equal(admit(pod, 'POST', '/api/v1/namespaces/a/pods/p/exec'), undefined);
  const write = admit(alice, 'POST', '/api/v1/namespaces/a/pods') as Pass;
  assert.deepEqual([write.seats, write.extraMs], [3, 5]);
  const { level: own } = write.flow.schema.level;
  write.done();
  assert.equal(own.seatsInUse, 3);
  assert.equal(clock.untilNext(), undefined);
  await clock.advance(5);
  control.refresh();
  assert.equal(own.seatsInUse, 0);
  const token = admit(pod, 'POST', '/api/v1/namespaces/a/serviceaccounts/s/token') as Pass;
  assert.equal(token.seats, 1);
});

test('switched off: two plain limits, from which the superuser is free', async () => {
  const clock = new VirtualClock();
  const metrics = createMetrics();
  const gate = plainGate(new Inflight(metrics, () => clock.monotonic()), { readOnly: 2, mutating: 1 }, () =>
    clock.monotonic(),
  );
  const admit = (user: UserInfo, method: string, url = '/api/v1/pods') => {
    const exchange = new FakeExchange(url);
    const info = parseRequest(method, exchange.path, exchange.query);
    return gate.admit(info, user, exchange as unknown as Exchange, clock.monotonic());
  };
  const held = [admit(alice, 'GET'), admit(alice, 'GET'), admit(alice, 'POST')];
  assert.throws(() => admit(alice, 'GET'), { code: 429 });
  assert.throws(() => admit(alice, 'DELETE', '/api/v1/namespaces/a/pods/p'), { code: 429 });
  assert.equal(admit(alice, 'GET', '/api/v1/pods?watch=true'), undefined);
  assert.equal(admit(admin, 'GET'), undefined);
  await clock.advance(1000);
  for (const h of held) (h as { done(): void }).done();
  assert.match(await metrics.text(), /apiserver_current_inflight_requests\{request_kind="readOnly"\} 2\n/);
  await clock.advance(2000);
  assert.match(await metrics.text(), /apiserver_current_inflight_requests\{request_kind="readOnly"\} 0\n/);
  assert.ok(admit(alice, 'GET'));
});
