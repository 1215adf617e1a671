import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { coreV1, flowcontrolV1 } from '../../api/refs.ts';
import type { LimitResponse } from '../../api/type/flowcontrol-v1.ts';
import { settle, systemClock, VirtualClock } from '../../base/clock.ts';
import { type Caller, caller } from '../test-caller.ts';
import { startTestServer, type TestServer } from '../test-server.ts';

let server: TestServer;
let send: Caller;

before(async () => {
  server = await startTestServer();
  send = caller({ url: server.url, ca: server.ca, cert: server.admin.certificatePem, key: server.admin.keyPem });
});
after(async () => {
  send.close();
  await server.stop();
});

test('every answer names its flow schema and priority level, refusals too', async () => {
  const uid = async (path: string) =>
    (await send.expect(200, 'GET', `/apis/flowcontrol.apiserver.k8s.io/v1/${path}`)).metadata.uid;
  for (const path of ['/api/v1/namespaces/default', '/api/v1/namespaces/no/pods/such', '/version']) {
    const { headers } = await send.send('GET', path);
    assert.equal(headers['x-kubernetes-pf-flowschema-uid'], await uid('flowschemas/exempt'));
    assert.equal(headers['x-kubernetes-pf-prioritylevel-uid'], await uid('prioritylevelconfigurations/exempt'));
  }
  const nobody = await server.http({ name: 'nobody' });
  await assert.rejects(nobody.raw('/metrics'), { code: 403 });
  const dump = await send.expect(200, 'GET', '/debug/api_priority_and_fairness/dump_priority_levels');
  assert.match(dump, /\nglobal-default, +0, +true, +false, +0, +0, +1, +0, +0, +0\n/);
  const requests = await send.expect(200, 'GET', '/debug/api_priority_and_fairness/dump_requests');
  assert.match(requests, /\nexempt, +exempt, +-1, +-1, +, /);
  await send.expect(404, 'GET', '/debug/api_priority_and_fairness/other');
  const metrics = await send.expect(200, 'GET', '/metrics');
  assert.match(metrics, /\napiserver_flowcontrol_nominal_limit_seats\{priority_level="workload-low"\} 245\n/);
  assert.match(
    metrics,
    /\napiserver_flowcontrol_request_execution_seconds_count\{flow_schema="exempt",priority_level="exempt",type="regular"\} \d+\n/,
  );
  assert.match(metrics, /\napiserver_current_inqueue_requests\{request_kind="mutating"\} 0\n/);
});

/** A server where reviews of oneself take until told, and a user who asks for them. */
async function slowServer(options: Parameters<typeof startTestServer>[0]) {
  const slow = await startTestServer({ tokenFile: 'secret,u,1', ...options });
  const user = caller({ url: slow.url, ca: slow.ca, token: 'secret' });
  const arrived = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  slow.server.context.calls.set('authentication.k8s.io/selfsubjectreviews', async () => {
    arrived.resolve();
    await release.promise;
    return { code: 201, object: { kind: 'SelfSubjectReview', apiVersion: 'authentication.k8s.io/v1', metadata: {} } };
  });
  const ask = () => user.send('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {});
  async function stop() {
    user.close();
    await slow.stop();
  }
  return { slow, ask, arrived: arrived.promise, release: () => release.resolve(), stop };
}

async function refusedWhileHeld({
  slow,
  ask,
  arrived,
  release,
}: Awaited<ReturnType<typeof slowServer>>): Promise<void> {
  const first = ask();
  await arrived;
  const { code, headers, object } = await ask();
  assert.equal(code, 429);
  assert.equal(headers['retry-after'], '1');
  assert.equal(object, 'Too many requests, please try again later.\n');
  assert.deepEqual(
    [headers['content-type'], headers['x-content-type-options']],
    ['text/plain; charset=utf-8', 'nosniff'],
  );
  const dropped =
    'apiserver_request_terminations_total{code="429",component="apiserver",group="authentication.k8s.io",resource="selfsubjectreviews",scope="resource",subresource="",verb="POST",version="v1"} 1';
  assert.ok((await slow.server.metrics.text()).includes(`\n${dropped}\n`));
  release();
  assert.equal((await first).code, 201);
  assert.equal((await ask()).code, 201);
}

/** Reviews of oneself by `u` go to a level of one seat. */
async function sendToOneSeat({ http }: TestServer, limitResponse: LimitResponse): Promise<void> {
  const admin = await http();
  await admin.create(flowcontrolV1.prioritylevelconfigurations, {
    metadata: { name: 'one' },
    spec: { type: 'Limited', limited: { nominalConcurrencyShares: 0, borrowingLimitPercent: 0, limitResponse } },
  });
  await admin.create(flowcontrolV1.flowschemas, {
    metadata: { name: 'one' },
    spec: {
      priorityLevelConfiguration: { name: 'one' },
      matchingPrecedence: 2,
      rules: [
        {
          subjects: [{ kind: 'User', user: { name: 'u' } }],
          resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['selfsubjectreviews'], clusterScope: true }],
        },
      ],
    },
  });
}

test('a schema sends its users to a level that refuses what it has no seat for', async () => {
  const slow = await slowServer({});
  try {
    await sendToOneSeat(slow.slow, { type: 'Reject' });
    await refusedWhileHeld(slow);
    const text = await slow.slow.server.metrics.text();
    assert.match(text, /dispatched_requests_total\{flow_schema="one",priority_level="one"\} 2\n/);
    assert.match(
      text,
      /rejected_requests_total\{flow_schema="one",priority_level="one",reason="concurrency-limit"\} 1\n/,
    );
  } finally {
    await slow.stop();
  }
});

test('who waits for a seat gives up after a quarter of the time a request has here', { timeout: 20_000 }, async () => {
  const clock = new VirtualClock(systemClock.now());
  const slow = await slowServer({ clock, requestTimeoutMs: 8000 });
  try {
    await sendToOneSeat(slow.slow, { type: 'Queue', queuing: { queues: 1, handSize: 1, queueLengthLimit: 5 } });
    const first = slow.ask();
    await slow.arrived;
    let refused: number | undefined;
    const second = slow.ask().then(({ code }) => {
      refused = code;
    });
    const waits = /\napiserver_flowcontrol_current_inqueue_requests\{flow_schema="one",priority_level="one"\} 1\n/;
    while (!waits.test(await slow.slow.server.metrics.text())) await settle();
    await clock.advance(1900);
    assert.equal(refused, undefined);
    await clock.advance(100);
    await second;
    assert.equal(refused, 429);
    slow.release();
    assert.equal((await first).code, 201);
  } finally {
    await slow.stop();
  }
});

test('a server that lets nobody in does not start', async () => {
  await assert.rejects(startTestServer({ maxRequestsInflight: 0, maxMutatingRequestsInflight: 0 }), {
    message:
      'invalid configuration: MaxRequestsInFlight=0 and MaxMutatingRequestsInFlight=0; they must add up to something positive',
  });
});

test('without priority and fairness the plain limits hold', async () => {
  const slow = await slowServer({ enablePriorityAndFairness: false, maxMutatingRequestsInflight: 1 });
  try {
    await refusedWhileHeld(slow);
  } finally {
    await slow.stop();
  }
});

test('watches over the network make writes wider, those of one name and in the process do not; lists are measured', async () => {
  const admin = await server.http();
  const name = { metadata: { name: 'seen', namespace: 'default' } };
  const handler = { onEvent() {}, onClose() {} };
  const local = server.server.client({ userAgent: 'local' });
  const handles = [];
  for (let i = 0; i < 12; i++) {
    handles.push(local.watch(coreV1.configmaps, {}, handler));
    handles.push(admin.watch(coreV1.configmaps, { fieldSelector: 'metadata.name=x' }, handler));
  }
  const counted = async () => {
    const text = await send.expect(200, 'GET', '/metrics');
    return Number(
      /\napiserver_flowcontrol_watch_count_samples_sum\{flow_schema="exempt",[^}]*\} (\d+)/.exec(text)?.[1] ?? 0,
    );
  };
  const seenBy = async (write: () => Promise<unknown>) => {
    const before = await counted();
    await write();
    return (await counted()) - before;
  };
  // Each watch has begun when its first event comes.
  const first = await seenBy(() => admin.create(coreV1.configmaps, name));
  assert.ok(first <= 1, String(first));
  const wide = await Promise.all(
    Array.from({ length: 11 }, () => send.watch('/api/v1/namespaces/default/configmaps?watch=1')),
  );
  await Promise.all(wide.map(w => w.next(e => e.object.metadata.name === 'seen')));
  const last = await seenBy(() => admin.delete(coreV1.configmaps, { namespace: 'default', name: 'seen' }));
  assert.ok(last >= 11 && last <= 12, String(last));
  for (const h of [...handles, ...wide]) h.stop();
  await admin.list(coreV1.namespaces);
  assert.match(
    await send.expect(200, 'GET', '/metrics'),
    /\napiserver_response_sizes_sum\{verb="LIST",group="",version="v1",resource="namespaces",[^}]*\} [1-9]\d{2,}\n/,
  );
});
