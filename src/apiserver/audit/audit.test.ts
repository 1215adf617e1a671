import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { coreV1 } from '../../api/refs.ts';
import type { Event, Policy } from '../../api/type/audit-v1.ts';
import { VirtualClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { caller } from '../test-caller.ts';
import { ask } from '../test-request.ts';
import { startTestServer, type TestServer } from '../test-server.ts';
import { checkPolicy } from './kernel/policy.ts';
import { AuditLogFile } from './log-file.ts';

const events: Event[] = [];
let waiting: (() => void) | undefined;
const policy: Policy = {
  kind: 'Policy',
  apiVersion: 'audit.k8s.io/v1',
  omitStages: ['RequestReceived'],
  rules: [
    { level: 'None', users: ['quiet'] },
    { level: 'Metadata', resources: [{ group: '', resources: ['secrets'] }] },
    { level: 'RequestResponse', omitManagedFields: true, resources: [{ group: '', resources: ['configmaps'] }] },
    { level: 'Metadata', verbs: ['watch'], omitStages: ['ResponseComplete'] },
    { level: 'Metadata', resources: [{ group: '', resources: ['namespaces/finalize'] }] },
    { level: 'Metadata', nonResourceURLs: ['/version*'] },
  ],
};
let server: TestServer;

before(async () => {
  const sink = {
    write(event: Event) {
      events.push(structuredClone(event));
      waiting?.();
      return true;
    },
  };
  server = await startTestServer({ tokenFile: 'secret,u,1', audit: { policy: checkPolicy(policy), sinks: [sink] } });
});
after(() => server.stop());

const byAdmin = (event: Event) => event.user.username === 'kubernetes-admin';

async function recorded(matches: (event: Event) => boolean): Promise<Event> {
  for (;;) {
    const found = events.find(matches);
    if (found) return found;
    await new Promise<void>(resolve => {
      waiting = resolve;
    });
  }
}

test('levels decide what is recorded of a request', async () => {
  const http = await server.http();
  const metadata = { name: 'c', namespace: 'default' };
  await http.create(coreV1.secrets, { metadata: { name: 's', namespace: 'default' }, stringData: { a: 'b' } });
  await http.create(coreV1.configmaps, { metadata, data: { a: 'b' } });
  const secret = await recorded(e => e.objectRef?.resource === 'secrets' && byAdmin(e));
  assert.equal(secret.level, 'Metadata');
  assert.equal(secret.stage, 'ResponseComplete');
  assert.equal(secret.requestObject, undefined);
  assert.deepEqual(secret.objectRef, { resource: 'secrets', namespace: 'default', name: 's', apiVersion: 'v1' });
  await assert.rejects(http.create(coreV1.secrets, { metadata: { name: 's', namespace: 'default' } }));
  const again = await recorded(e => e.objectRef?.resource === 'secrets' && e.responseStatus?.code === 409);
  assert.equal(again.responseObject, undefined);
  assert.deepEqual(again.responseStatus, {
    metadata: {},
    status: 'Failure',
    message: 'secrets "s" already exists',
    reason: 'AlreadyExists',
    details: { name: 's', kind: 'secrets' },
    code: 409,
  });
  const { requestObject, responseObject, ...event } = await recorded(
    e => e.objectRef?.resource === 'configmaps' && byAdmin(e),
  );
  assert.deepEqual((requestObject as unknown as { data: object }).data, { a: 'b' });
  const made = responseObject as unknown as { metadata: { uid: string; managedFields?: object } };
  assert.ok(made.metadata.uid);
  assert.equal(made.metadata.managedFields, undefined);
  assert.equal(event.verb, 'create');
  assert.match(event.requestURI, /^\/api\/v1\/namespaces\/default\/configmaps/);
  assert.deepEqual(event.objectRef, { resource: 'configmaps', namespace: 'default', name: 'c', apiVersion: 'v1' });
  assert.equal(event.responseStatus?.code, 201);
  assert.equal(event.user.username, 'kubernetes-admin');
  assert.deepEqual(event.sourceIPs, ['127.0.0.1']);
  assert.equal(event.annotations?.['authorization.k8s.io/decision'], 'allow');
});

test('refusals, watches, other paths, and what nobody wants to know', async () => {
  const nobody = await server.http({ name: 'nobody' });
  await assert.rejects(nobody.get(coreV1.configmaps, { namespace: 'default', name: 'c' }));
  const refused = await recorded(e => e.user.username === 'nobody');
  assert.equal(refused.responseStatus?.code, 403);
  assert.equal(refused.responseStatus?.reason, 'Forbidden');
  assert.equal(refused.annotations?.['authorization.k8s.io/decision'], 'forbid');
  const http = await server.http();
  const handle = http.watch(coreV1.pods, {}, { onEvent() {}, onClose() {} });
  const watch = await recorded(e => e.verb === 'watch' && byAdmin(e));
  assert.equal(watch.stage, 'ResponseStarted');
  handle.stop();
  await http.raw('/version');
  assert.equal((await recorded(e => e.requestURI === '/version')).objectRef, undefined);
  const quiet = await server.http({ name: 'quiet', groups: ['system:masters'] });
  await quiet.get(coreV1.configmaps, { namespace: 'default', name: 'c' });
  assert.ok(!events.some(e => e.user.username === 'quiet'));
});

test('what clients in the process ask for is recorded, too', async () => {
  const local = server.server.client({ userAgent: 'job-controller', serviceAccount: 'job-controller' });
  const name = 'system:serviceaccount:kube-system:job-controller';
  await assert.rejects(
    local.create(coreV1.configmaps, { metadata: { name: 'mine', namespace: 'default' }, data: { a: 'b' } }),
    { code: 403 },
  );
  const refused = await recorded(e => e.user.username === name);
  assert.equal(refused.responseStatus?.code, 403);
  assert.equal(refused.responseStatus?.reason, 'Forbidden');
  assert.equal(refused.annotations?.['authorization.k8s.io/decision'], 'forbid');
  assert.equal(refused.requestURI, '/api/v1/namespaces/default/configmaps');
  assert.equal(refused.userAgent, 'job-controller');
  const own = server.server.client({ userAgent: 'k8ts' });
  await own.patch(
    coreV1.configmaps,
    { namespace: 'default', name: 'c' },
    { type: 'merge', body: { data: { d: 'e' } } },
    { fieldManager: 'me' },
  );
  const patched = await recorded(e => e.userAgent === 'k8ts');
  assert.deepEqual(
    [patched.verb, patched.stage, patched.requestURI, patched.responseStatus?.code],
    ['patch', 'ResponseComplete', '/api/v1/namespaces/default/configmaps/c?fieldManager=me', 200],
  );
  assert.deepEqual(patched.requestObject, { data: { d: 'e' } });
  assert.deepEqual((patched.responseObject as unknown as { data: object }).data, { a: 'b', d: 'e' });
  const watch = own.watch(coreV1.services, {}, { onEvent() {}, onClose() {} });
  const watched = await recorded(e => e.verb === 'watch' && e.userAgent === 'k8ts');
  assert.equal(watched.stage, 'ResponseStarted');
  watch.stop();
});

test('a bug ends in the stage Panic, a refused credential in ResponseStarted', async () => {
  server.server.context.calls.set('/namespaces/finalize', () => {
    throw new TypeError('a bug');
  });
  const http = await server.http();
  await assert.rejects(http.updateSubresource(coreV1.namespaces, { name: 'default' }, 'finalize', {}), { code: 500 });
  const panic = await recorded(e => e.objectRef?.subresource === 'finalize');
  assert.equal(panic.stage, 'Panic');
  assert.deepEqual(panic.responseStatus, {
    metadata: {},
    status: 'Failure',
    message: "APIServer panic'd: a bug",
    reason: 'InternalError',
    code: 500,
  });
  const stranger = caller({ url: server.url, ca: server.ca, token: 'unknown' });
  try {
    await stranger.expect(401, 'GET', '/version/');
  } finally {
    stranger.close();
  }
  const refused = await recorded(e => e.requestURI === '/version/');
  assert.equal(refused.stage, 'ResponseStarted');
  assert.deepEqual(refused.responseStatus, {
    metadata: {},
    status: 'Failure',
    message: 'Unauthorized',
    reason: 'Unauthorized',
    code: 401,
  });
});

test('who acts as another is recorded as both, who may not as itself', async () => {
  const admin = caller({ url: server.url, ca: server.ca, cert: server.admin.certificatePem, key: server.admin.keyPem });
  const token = caller({ url: server.url, ca: server.ca, token: 'secret' });
  try {
    await admin.expect(200, 'GET', '/version/?as', undefined, { 'impersonate-user': 'alice' });
    await token.expect(403, 'GET', '/version/?no', undefined, { 'impersonate-user': 'alice' });
  } finally {
    admin.close();
    token.close();
  }
  const done = await recorded(e => e.requestURI === '/version/?as');
  assert.deepEqual([done.user.username, done.impersonatedUser?.username], ['kubernetes-admin', 'alice']);
  const refused = await recorded(e => e.requestURI === '/version/?no');
  assert.deepEqual(
    [refused.user.username, refused.stage, refused.responseStatus?.code],
    ['u', 'ResponseComplete', 403],
  );
  assert.equal(refused.impersonatedUser, undefined);
});

/** All events of one request of the superuser, or of who has a token. */
async function eventsOf(method: string, path: string, more: { body?: unknown; token?: string; headers?: object } = {}) {
  const { certificatePem: cert, keyPem: key } = all.admin;
  const api = caller({ url: all.url, ca: all.ca, ...(more.token ? { token: more.token } : { cert, key }) });
  const id = `event-${seen.length}`;
  try {
    await api.send(method, path, more.body, { 'audit-id': id, 'user-agent': 'probe', ...more.headers });
  } finally {
    api.close();
  }
  const own = () => seen.filter(e => e.auditID === id);
  while (!['ResponseComplete', 'Panic'].includes(own().at(-1)?.stage ?? '') && !own()[0]?.stage.endsWith('Started'))
    await new Promise(setImmediate);
  return own();
}

const seen: Event[] = [];
let all: TestServer;
before(async () => {
  const sink = { write: (event: Event) => void seen.push(structuredClone(event)) as undefined };
  const everything: Policy = { rules: [{ level: 'RequestResponse' }] };
  all = await startTestServer({ tokenFile: 'secret,u,1', audit: { policy: everything, sinks: [sink] } });
});
after(() => all.stop());

const maps = '/api/v1/namespaces/default/configmaps';

test('the object in a request is what was understood, as it was before anything changed it', async () => {
  const [received, made] = await eventsOf('POST', maps, { body: { metadata: { generateName: 'g-' }, odd: 1 } });
  assert.equal(received!.requestObject, undefined);
  assert.deepEqual(made!.requestObject, {
    kind: 'ConfigMap',
    apiVersion: 'v1',
    metadata: { generateName: 'g-' },
  });
  assert.deepEqual(made!.objectRef, { resource: 'configmaps', namespace: 'default', apiVersion: 'v1' });
  const [, refused] = await eventsOf('POST', maps, { body: '{"kind":"Pod","apiVersion":"v1"}' });
  assert.equal(refused!.requestObject, undefined);
  const patch = { headers: { 'content-type': 'text/plain' }, body: {} };
  const [, unsupported] = await eventsOf('PATCH', `${maps}/none`, patch);
  assert.deepEqual([unsupported!.responseStatus?.code, unsupported!.requestObject], [415, undefined]);
  const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid: 'x' } };
  const [, gone] = await eventsOf('DELETE', `${maps}/none`, { body });
  assert.deepEqual(gone!.requestObject, {
    kind: 'DeleteOptions',
    apiVersion: 'meta.k8s.io/__internal',
    preconditions: { uid: 'x' },
  });
});

test('a refused watch starts, and is complete', async () => {
  const events = await eventsOf('GET', `${maps}?watch=true&labelSelector=%21%21`);
  assert.deepEqual(
    events.map(e => e.stage),
    ['RequestReceived', 'ResponseStarted', 'ResponseComplete'],
  );
  for (const { responseStatus, responseObject } of events.slice(1)) {
    assert.equal(responseStatus?.message, "unable to parse requirement: found '!', expected: identifier");
    assert.equal((responseObject as { code?: number }).code, 400);
  }
});

test('a group of any name is *, and managed fields are left out wherever objects are', async () => {
  const events: Event[] = [];
  const everywhere: Policy = {
    omitManagedFields: true,
    omitStages: ['RequestReceived'],
    rules: [{ level: 'RequestResponse', verbs: ['list'], resources: [{ group: '*', resources: ['*'] }] }],
  };
  const sink = { write: (event: Event) => void events.push(event) as undefined };
  const other = await startTestServer({ audit: { policy: everywhere, sinks: [sink] } });
  const http = await other.http();
  await http.create(coreV1.configmaps, { metadata: { name: 'c', namespace: 'default' } });
  const { certificatePem: cert, keyPem: key } = other.admin;
  const api = caller({ url: other.url, ca: other.ca, cert, key });
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  await api.expect(200, 'GET', maps, undefined, { 'user-agent': 'probe', accept });
  await api.expect(200, 'GET', maps, undefined, { 'user-agent': 'probe' });
  const own = () => events.filter(e => e.userAgent === 'probe');
  while (own().length < 2) await new Promise(setImmediate);
  api.close();
  await other.stop();
  for (const event of own()) assert.ok(!JSON.stringify(event).includes('managedFields'), event.requestURI);
  assert.deepEqual(Object.keys(own()[1]!.responseObject!), ['kind', 'apiVersion', 'metadata', 'items']);
});

test('who it acts as is told once it may', async () => {
  const [received, complete] = await eventsOf('GET', maps, { headers: { 'impersonate-user': 'alice' } });
  assert.deepEqual([received!.impersonatedUser, received!.authenticationMetadata], [undefined, undefined]);
  assert.deepEqual(complete!.impersonatedUser, { username: 'alice', groups: ['system:authenticated'] });
});

test('lists and watches by name are about that object, collections that are deleted are not', async () => {
  const nameOf = async (method: string, query: string) =>
    (await eventsOf(method, `${maps}?fieldSelector=${query}`)).at(-1)!.objectRef?.name;
  assert.equal(await nameOf('GET', 'metadata.name%3Dx'), 'x');
  assert.equal(await nameOf('GET', 'metadata.name%3Dx&watch=true&timeoutSeconds=1'), 'x');
  assert.equal(await nameOf('GET', 'metadata.name%21%3Dx'), undefined);
  assert.equal(await nameOf('GET', 'metadata.name%3Dx%2Fy'), undefined);
  assert.equal(await nameOf('DELETE', 'metadata.name%3Dx'), undefined);
});

test('answers of discovery are recorded, other pages are not; what nobody could read is not either', async () => {
  const answered = async (path: string, headers = {}) => {
    const { responseStatus, responseObject } = (await eventsOf('GET', path, { headers })).at(-1)!;
    return [responseStatus, (responseObject as { kind?: string } | undefined)?.kind];
  };
  assert.deepEqual(await answered('/version'), [{ metadata: {}, code: 200 }, undefined]);
  assert.deepEqual(await answered('/apis/apps'), [{ metadata: {}, code: 200 }, 'APIGroup']);
  assert.deepEqual(await answered(maps, { accept: 'nonsense/x' }), [{ metadata: {}, code: 406 }, undefined]);
});

test('a request whose time is over before anybody looks at it is recorded; one with a wrong time has no user', async () => {
  const stages = async (timeout: string) =>
    (await eventsOf('GET', `${maps}?timeout=${timeout}`)).map(e => [e.stage, e.user.username, e.responseStatus?.code]);
  assert.deepEqual(await stages('1ns'), [
    ['RequestReceived', 'kubernetes-admin', undefined],
    ['ResponseComplete', 'kubernetes-admin', 504],
  ]);
  assert.deepEqual(await stages('bad'), [['ResponseStarted', undefined, 400]]);
});

test('whose client is gone is complete once it is done, with what became of it', async () => {
  const { open } = await import('../test-request.ts');
  const watch = await open(all, `${maps}?watch=true&labelSelector=gone%3Dwatch`);
  watch.destroy();
  const lasts = (e: Event) => e.requestURI.includes('gone%3Dwatch') && e.stage === 'ResponseComplete';
  while (!seen.some(lasts)) await new Promise(setImmediate);
  assert.equal(seen.find(lasts)!.responseStatus?.code, 200);
  const { request } = await import('node:https');
  const { certificatePem: cert, keyPem: key } = all.admin;
  const waits = `${maps}?resourceVersion=99999999&labelSelector=gone%3Dlist`;
  const asking = request(`${all.url}${waits}`, { ca: all.ca, cert, key }).on('error', () => {});
  asking.end();
  const ofList = () => seen.filter(e => e.requestURI === waits);
  while (ofList().length === 0) await new Promise(setImmediate);
  asking.destroy();
  while (ofList().length < 2) await new Promise(setImmediate);
  const { code, reason } = ofList()[1]!.responseStatus!;
  assert.deepEqual([code, reason], [504, 'Timeout']);
  assert.equal(ofList()[1]!.annotations?.['apiserver.latency.k8s.io/apf-queue-wait'], undefined);
  assert.match(await all.server.metrics.text(), /\napiserver_request_aborts_total\{.*resource="configmaps".*\} 1\n/);
});

test('a large answer is sent to who takes it packed, too, and told whole', { timeout: 20_000 }, async () => {
  const data = { large: 'x'.repeat(200_000) };
  const http = await server.http();
  await http.create(coreV1.configmaps, { metadata: { name: 'large', namespace: 'default' }, data });
  const path = '/api/v1/namespaces/default/configmaps/large';
  const { headers, body } = await ask(server, path, { headers: { 'accept-encoding': 'gzip' } });
  assert.equal(headers['content-encoding'], 'gzip');
  assert.deepEqual(JSON.parse(gunzipSync(body).toString()).data, data);
  const { responseObject } = await recorded(e => e.verb === 'get' && e.objectRef?.name === 'large');
  assert.deepEqual((responseObject as { data?: object }).data, data);
});

test('a user agent is told as text, the first thousand bytes of it', async () => {
  const agent = async (text: string) => {
    const headers = { 'user-agent': Buffer.from(text).toString('latin1') };
    return (await eventsOf('GET', '/version', { headers }))[0]!.userAgent;
  };
  assert.equal(await agent('kü'), 'kü');
  assert.equal(await agent('x'.repeat(1500)), `${'x'.repeat(1024)}...TRUNCATED`);
});

test('a delete tells at each level what it answered', async () => {
  const http = await server.http();
  await http.create(coreV1.secrets, { metadata: { name: 'gone', namespace: 'default' } });
  await http.delete(coreV1.secrets, { namespace: 'default', name: 'gone' });
  const { responseStatus, responseObject } = await recorded(e => e.verb === 'delete' && e.objectRef?.name === 'gone');
  const { uid, ...details } = responseStatus!.details!;
  assert.ok(uid);
  assert.deepEqual(
    { ...responseStatus, details },
    {
      ...{ metadata: {}, status: 'Success', code: 200 },
      details: { name: 'gone', kind: 'secrets' },
    },
  );
  assert.equal(responseObject, undefined);
});

test('a policy that makes no sense is refused', () => {
  assert.throws(() => checkPolicy({ ...policy, rules: [] }), /0 rules/);
  const refused = (rule: object, message: string) =>
    assert.throws(() => checkPolicy({ ...policy, rules: [rule as never] }), { message });
  const four = '"None", "Metadata", "Request", "RequestResponse"';
  refused({ level: 'All' }, `rules[0].level: Unsupported value: "All": supported values: ${four}`);
  refused({ level: '' }, 'rules[0].level: Required value');
  const allowed = 'allowed stages are RequestReceived,ResponseStarted,ResponseComplete,Panic';
  refused({ level: 'None', omitStages: ['Foo'] }, `rules[0].omitStages[0]: Invalid value: "Foo": ${allowed}`);
  refused(
    { level: 'None', nonResourceURLs: ['*', '/ok*', '*x'] },
    `[rules[0].nonResourceURLs[2]: Invalid value: "*x": non-resource URL rules must begin with a '/' character, rules[0].nonResourceURLs[2]: Invalid value: "*x": non-resource URL wildcards '*' must be the final character of the rule]`,
  );
  refused(
    { level: 'None', resources: [{ group: '', resourceNames: ['b'] }] },
    'rules[0].resources.resourceNames: Invalid value: ["b"]: using resourceNames requires at least one resource',
  );
  refused(
    { level: 'None', nonResourceURLs: ['/x'], namespaces: ['a'] },
    'rules[0].nonResourceURLs: Invalid value: ["/x"]: rules cannot apply to both regular resources and non-resource URLs',
  );
  assert.throws(() => checkPolicy(null as never), /unknown group version field/);
});

test('full log files are put aside, the oldest forgotten', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'audit-'));
  try {
    const clock = new VirtualClock();
    const path = join(directory, 'audit.log');
    const file = new AuditLogFile({ path, maxSizeMb: 1, maxBackups: 2, clock, log: silentLog });
    for (let i = 0; i < 5; i++) {
      void file.write({ auditID: String(i), requestURI: 'x'.repeat(700_000) } as Event);
      await clock.advance(1000);
    }
    await file.close();
    const names = readdirSync(directory).sort();
    assert.equal(names.length, 3);
    assert.equal(JSON.parse(readFileSync(path, 'utf8')).auditID, '4');
    assert.match(names[0]!, /^audit-2026-01-01T00-00-0\d\.000\.log$/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

const full = existsSync('/dev/full') ? {} : { skip: 'this system has no /dev/full' };

test('a log file that could not be written is written again as soon as it can be', full, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'audit-'));
  try {
    const path = join(directory, 'audit.log');
    // Whatever is written there finds no space.
    symlinkSync('/dev/full', path);
    const file = new AuditLogFile({ path, clock: new VirtualClock(), log: silentLog });
    const write = (auditID: string) => file.write({ auditID } as Event);
    assert.deepEqual([await write('1'), await write('2')], [false, false]);
    rmSync(path);
    assert.deepEqual([await write('3'), await write('4')], [true, true]);
    await file.close();
    assert.equal(readFileSync(path, 'utf8'), '{"auditID":"3"}\n{"auditID":"4"}\n');
  } finally {
    rmSync(directory, { recursive: true });
  }
});
