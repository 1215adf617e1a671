// The essence of the official suite's tests of API machinery that need nothing but the API server.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { systemClock, VirtualClock } from '../base/clock.ts';
import {
  applyPatch,
  type Caller,
  caller,
  type Json,
  jsonPatch,
  mergePatch,
  strategicPatch,
  type Watching,
} from './test-caller.ts';
import { startTestServer, type TestServer } from './test-server.ts';

let server: TestServer;
let api: Caller;
const clock = new VirtualClock(systemClock.now());
before(async () => {
  server = await startTestServer({ clock });
  api = caller({ url: server.url, ca: server.ca, cert: server.admin.certificatePem, key: server.admin.keyPem });
});
after(async () => {
  api.close();
  await server.stop();
});

let count = 0;
async function namespace(): Promise<string> {
  const name = `n${++count}`;
  await api.expect(201, 'POST', '/api/v1/namespaces', { metadata: { name } });
  return name;
}
const mapsOf = (ns: string) => `/api/v1/namespaces/${ns}/configmaps`;
const is = (type: string, name: string) => (e: { type: string; object: Json }) =>
  e.type === type && e.object.metadata.name === name;
const summary = (w: Watching) =>
  w.events.map(e => `${e.type} ${e.object.metadata.name} ${e.object.data?.mutation ?? ''}`);

test('[sig-api-machinery] Watchers should observe add, update, and delete watch notifications on configmaps', async () => {
  const maps = mapsOf(await namespace());
  const a = await api.watch(`${maps}?watch=true&labelSelector=watch%3Da`);
  const b = await api.watch(`${maps}?watch=true&labelSelector=watch%3Db`);
  const both = await api.watch(`${maps}?watch=true&labelSelector=watch%20in%20(a,b)`);
  for (const w of ['a', 'b']) {
    const made = await api.expect(201, 'POST', maps, { metadata: { name: w, labels: { watch: w } } });
    made.data = { mutation: '1' };
    const second = await api.expect(200, 'PUT', `${maps}/${w}`, made);
    second.data.mutation = '2';
    await api.expect(200, 'PUT', `${maps}/${w}`, second);
    await api.expect(200, 'DELETE', `${maps}/${w}`);
  }
  const story = (w: string) => [`ADDED ${w} `, `MODIFIED ${w} 1`, `MODIFIED ${w} 2`, `DELETED ${w} 2`];
  await a.next(is('DELETED', 'a'));
  await b.next(is('DELETED', 'b'));
  await both.next(is('DELETED', 'b'));
  assert.deepEqual(summary(a), story('a'));
  assert.deepEqual(summary(b), story('b'));
  assert.deepEqual(summary(both), [...story('a'), ...story('b')]);
});

async function changing(maps: string, name: string, until: number): Promise<Json[]> {
  const seen = [await api.expect(201, 'POST', maps, { metadata: { name, labels: { w: 'x' } } })];
  for (let i = 1; i <= until; i++)
    seen.push(await api.expect(200, 'PUT', `${maps}/${name}`, { ...seen.at(-1), data: { mutation: `${i}` } }));
  return seen;
}

test('[sig-api-machinery] Watchers should be able to start watching from a specific resource version', async () => {
  const maps = mapsOf(await namespace());
  const [, first] = await changing(maps, 'm', 2);
  await api.expect(200, 'DELETE', `${maps}/m`);
  const w = await api.watch(`${maps}?watch=true&resourceVersion=${first.metadata.resourceVersion}`);
  await w.next(is('DELETED', 'm'));
  assert.deepEqual(summary(w), ['MODIFIED m 2', 'DELETED m 2']);
});

test('[sig-api-machinery] Watchers should be able to restart watching from the last resource version observed by the previous watch', async () => {
  const maps = mapsOf(await namespace());
  const w = await api.watch(`${maps}?watch=true`);
  await changing(maps, 'm', 1);
  const last = await w.next(is('MODIFIED', 'm'));
  w.stop();
  await api.expect(200, 'PATCH', `${maps}/m`, { data: { mutation: '2' } }, mergePatch);
  await api.expect(200, 'DELETE', `${maps}/m`);
  const on = await api.watch(`${maps}?watch=true&resourceVersion=${last.object.metadata.resourceVersion}`);
  await on.next(is('DELETED', 'm'));
  assert.deepEqual(summary(on), ['MODIFIED m 2', 'DELETED m 2']);
});

test('[sig-api-machinery] Watchers should observe an object deletion if it stops meeting the requirements of the selector', async () => {
  const maps = mapsOf(await namespace());
  const w = await api.watch(`${maps}?watch=true&labelSelector=w%3Dx`);
  await changing(maps, 'm', 1);
  const label = (value: string) =>
    api.expect(200, 'PATCH', `${maps}/m`, { metadata: { labels: { w: value } } }, mergePatch);
  await label('y');
  await w.next(is('DELETED', 'm'));
  await api.expect(200, 'PATCH', `${maps}/m`, { data: { mutation: '2' } }, mergePatch);
  await label('x');
  await api.expect(200, 'PATCH', `${maps}/m`, { data: { mutation: '3' } }, mergePatch);
  await api.expect(200, 'DELETE', `${maps}/m`);
  await w.next(e => e.type === 'DELETED' && e.object.data.mutation === '3');
  assert.deepEqual(summary(w), ['ADDED m ', 'MODIFIED m 1', 'DELETED m 1', 'ADDED m 2', 'MODIFIED m 3', 'DELETED m 3']);
});

test('[sig-api-machinery] Watchers should receive events on concurrent watches in same order', async () => {
  const maps = mapsOf(await namespace());
  const from = (await api.expect(200, 'GET', maps)).metadata.resourceVersion;
  const reference = await api.watch(`${maps}?watch=true&resourceVersion=${from}`);
  const writing = Promise.all([0, 1, 2, 3].map(i => changing(maps, `m${i}`, 12)));
  const late: Watching[] = [];
  for (let i = 0; i < 10; i++) {
    const { object } = await reference.next(() => reference.events.length > i * 3);
    late.push(await api.watch(`${maps}?watch=true&resourceVersion=${object.metadata.resourceVersion}`));
  }
  await writing;
  await api.expect(201, 'POST', maps, { metadata: { name: 'end' } });
  const versions = async (w: Watching) => {
    await w.next(is('ADDED', 'end'));
    return w.events.map(e => e.object.metadata.resourceVersion);
  };
  const all = await versions(reference);
  for (const w of late) {
    const own = await versions(w);
    assert.deepEqual(own, all.slice(all.indexOf(own[0]!)));
  }
});

test('[sig-api-machinery] Servers with support for API chunking should return chunks of results for list calls', async () => {
  const ns = await namespace();
  const base = `/api/v1/namespaces/${ns}/podtemplates`;
  const template = { spec: { containers: [{ name: 'c', image: 'i' }] } };
  for (let i = 0; i < 40; i++)
    await api.expect(201, 'POST', base, { metadata: { name: `t-${String(i).padStart(2, '0')}` }, template });
  const names: string[] = [];
  let next = '';
  let revision = '';
  for (let pages = 0; pages === 0 || next; pages++) {
    const page = await api.expect(200, 'GET', `${base}?limit=7&continue=${encodeURIComponent(next)}`);
    revision ||= page.metadata.resourceVersion;
    assert.equal(page.metadata.resourceVersion, revision);
    names.push(...page.items.map((i: Json) => i.metadata.name));
    next = page.metadata.continue ?? '';
    if (next) assert.equal(page.metadata.remainingItemCount, 40 - names.length);
    else assert.equal(page.metadata.remainingItemCount, undefined);
  }
  assert.equal(names.length, 40);
  assert.deepEqual(names, [...names].sort());
  const whole = await api.expect(200, 'GET', `${base}?limit=0&resourceVersion=${revision}`);
  assert.equal(whole.items.length, 40);
});

test('[sig-api-machinery] Servers with support for API chunking should support continue listing from the last key if the original version has been compacted away, though the list is inconsistent [Slow]', async () => {
  const maps = mapsOf(await namespace());
  for (const name of ['a', 'b', 'c', 'd', 'e']) await api.expect(201, 'POST', maps, { metadata: { name } });
  const first = await api.expect(200, 'GET', `${maps}?limit=2`);
  const token = encodeURIComponent(first.metadata.continue);
  await api.expect(200, 'GET', `${maps}?limit=2&continue=${token}`);
  await age(maps);
  const gone = await api.expect(410, 'GET', `${maps}?limit=2&continue=${token}`);
  assert.equal(gone.reason, 'Expired');
  assert.ok(gone.metadata.continue);
  const rest = await api.expect(200, 'GET', `${maps}?limit=2&continue=${encodeURIComponent(gone.metadata.continue)}`);
  assert.deepEqual(
    rest.items.map((i: Json) => i.metadata.name),
    ['c', 'd'],
  );
  assert.notEqual(rest.metadata.resourceVersion, first.metadata.resourceVersion);
  const end = await api.expect(200, 'GET', `${maps}?limit=2&continue=${encodeURIComponent(rest.metadata.continue)}`);
  assert.deepEqual(
    end.items.map((i: Json) => i.metadata.name),
    ['e'],
  );
  assert.equal(end.metadata.resourceVersion, rest.metadata.resourceVersion);
});

/** Lets the history of what stands at `maps` fall out of what the server keeps. */
async function age(maps: string): Promise<void> {
  for (let i = 0; i < 4; i++) {
    await clock.advance(400_000);
    await api.expect(201, 'POST', maps, { metadata: { name: `a${i}` } });
    await api.expect(200, 'DELETE', `${maps}/a${i}`);
  }
}

test('[sig-api-machinery] Servers with support for Table transformation should return a 406 for a backend which does not implement metadata', async () => {
  const review = { spec: { nonResourceAttributes: { path: '/', verb: 'get' } } };
  const accept = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
  const refused = await api.expect(
    406,
    'POST',
    '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    review,
    accept,
  );
  assert.equal(refused.reason, 'NotAcceptable');
});

test('[sig-api-machinery] server version should find the server version', async () => {
  const version = await api.expect(200, 'GET', '/version');
  assert.equal(version.major, '1');
  assert.match(version.minor, /^\d+$/);
  assert.match(version.gitVersion, /^v1\.36\./);
});

test('[sig-api-machinery] Discovery should validate PreferredVersion for each APIGroup', async () => {
  const { groups } = await api.expect(200, 'GET', '/apis');
  assert.ok(groups.length > 15);
  for (const { name, preferredVersion } of groups) {
    const group = await api.expect(200, 'GET', `/apis/${name}`);
    assert.deepEqual(group.preferredVersion, preferredVersion);
    assert.ok(
      group.versions.some((v: Json) => v.groupVersion === preferredVersion.groupVersion),
      name,
    );
    assert.equal(preferredVersion.groupVersion, `${name}/${preferredVersion.version}`);
  }
});

test('[sig-api-machinery] Discovery should locate the groupVersion and a resource within each APIGroup', async () => {
  for (const [group, version, kind] of [
    ['apiregistration.k8s.io', 'v1', 'APIService'],
    ['apps', 'v1', 'Deployment'],
    ['authentication.k8s.io', 'v1', 'TokenReview'],
    ['authorization.k8s.io', 'v1', 'SelfSubjectAccessReview'],
    ['autoscaling', 'v1', 'HorizontalPodAutoscaler'],
    ['autoscaling', 'v2', 'HorizontalPodAutoscaler'],
    ['batch', 'v1', 'CronJob'],
    ['certificates.k8s.io', 'v1', 'CertificateSigningRequest'],
    ['coordination.k8s.io', 'v1', 'Lease'],
    ['discovery.k8s.io', 'v1', 'EndpointSlice'],
    ['events.k8s.io', 'v1', 'Event'],
    ['networking.k8s.io', 'v1', 'IngressClass'],
    ['node.k8s.io', 'v1', 'RuntimeClass'],
    ['policy', 'v1', 'PodDisruptionBudget'],
    ['rbac.authorization.k8s.io', 'v1', 'Role'],
    ['scheduling.k8s.io', 'v1', 'PriorityClass'],
    ['storage.k8s.io', 'v1', 'StorageClass'],
  ]) {
    const list = await api.expect(200, 'GET', `/apis/${group}/${version}`);
    assert.equal(list.kind, 'APIResourceList');
    assert.equal(list.groupVersion, `${group}/${version}`);
    assert.ok(
      list.resources.some((r: Json) => r.kind === kind),
      `${kind}`,
    );
  }
});

const aggregatedType = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

test('[sig-api-machinery] AggregatedDiscovery should support raw aggregated discovery endpoint Accept headers', async () => {
  for (const path of ['/api', '/apis']) {
    const { code, headers, object } = await api.send('GET', path, undefined, {
      accept: `${aggregatedType},application/json`,
    });
    assert.equal(code, 200);
    assert.equal(headers['content-type'], aggregatedType);
    assert.equal(object.kind, 'APIGroupDiscoveryList');
    assert.equal(object.apiVersion, 'apidiscovery.k8s.io/v2');
    const plain = await api.send('GET', path, undefined, { accept: 'application/json' });
    assert.equal(plain.object.kind, path === '/api' ? 'APIVersions' : 'APIGroupList');
    assert.ok(headers.etag);
    const same = await api.send('GET', path, undefined, {
      accept: aggregatedType,
      'if-none-match': String(headers.etag),
    });
    assert.equal(same.code, 304);
  }
});

test('[sig-api-machinery] AggregatedDiscovery should support aggregated discovery interface', async () => {
  const items: Json[] = [];
  for (const path of ['/api', '/apis'])
    items.push(...(await api.expect(200, 'GET', path, undefined, { accept: aggregatedType })).items);
  for (const [group, version, resource] of [
    [undefined, 'v1', 'namespaces'],
    ['admissionregistration.k8s.io', 'v1', 'validatingwebhookconfigurations'],
    ['apiextensions.k8s.io', 'v1', 'customresourcedefinitions'],
    ['apiregistration.k8s.io', 'v1', 'apiservices'],
    ['apps', 'v1', 'deployments'],
    ['autoscaling', 'v2', 'horizontalpodautoscalers'],
    ['batch', 'v1', 'jobs'],
    ['certificates.k8s.io', 'v1', 'certificatesigningrequests'],
    ['networking.k8s.io', 'v1', 'ingresses'],
    ['policy', 'v1', 'poddisruptionbudgets'],
    ['resource.k8s.io', 'v1', 'resourceclaims'],
    ['storage.k8s.io', 'v1', 'csinodes'],
  ]) {
    const found = items.find(i => i.metadata.name === group)?.versions.find((v: Json) => v.version === version);
    const described = found?.resources.find((r: Json) => r.resource === resource);
    assert.ok(described, `${group}/${version} ${resource}`);
    assert.equal(described.responseKind.version, version);
    assert.ok(described.verbs.includes('list'));
  }
});

test('[sig-api-machinery] FieldValidation should detect unknown and duplicate fields of a typed object', async () => {
  const path = `/apis/apps/v1/namespaces/${await namespace()}/deployments`;
  const body =
    '{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"},"spec":{"unknown1":"v","unknownDupe":"v","unknownDupe":"w","paused":true,"paused":false,"selector":{"matchLabels":{"app":"a"}},"template":{"metadata":{"labels":{"app":"a"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}';
  const strict = await api.expect(400, 'POST', `${path}?fieldValidation=Strict`, body);
  assert.equal(
    strict.message,
    'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.unknown1", unknown field "spec.unknownDupe", duplicate field "spec.paused"',
  );
  const warned = await api.send('POST', `${path}?fieldValidation=Warn`, body);
  assert.equal(warned.code, 201);
  assert.match(String(warned.headers.warning), /unknown field \\"spec.unknown1\\"/);
  assert.match(String(warned.headers.warning), /duplicate field \\"spec.paused\\"/);
  const ignored = await api.send('PUT', `${path}/d?fieldValidation=Ignore`, body);
  assert.equal(ignored.code, 200);
  assert.equal(ignored.headers.warning, undefined);
});

test('[sig-api-machinery] FieldValidation should detect unknown metadata fields of a typed object', async () => {
  const path = `/apis/apps/v1/namespaces/${await namespace()}/deployments`;
  const body = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'd', unknownMeta: 'v' },
    spec: {
      selector: { matchLabels: { app: 'a' } },
      template: { metadata: { labels: { app: 'a' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  };
  const made = await api.expect(400, 'POST', `${path}?fieldValidation=Strict`, body);
  assert.match(made.message, /unknown field "metadata\.unknownMeta"/);
  const applied = await api.send('PATCH', `${path}/d?fieldValidation=Strict&fieldManager=m`, body, applyPatch);
  assert.ok(applied.code === 400 || applied.code === 500, JSON.stringify(applied.object));
  assert.match(
    applied.object.message,
    /metadata\.unknownMeta: field not declared in schema|unknown field "metadata\.unknownMeta"/,
  );
});

test('[sig-api-machinery] Namespaces [Serial] should patch a Namespace', async () => {
  const ns = await namespace();
  await api.expect(200, 'PATCH', `/api/v1/namespaces/${ns}`, { metadata: { labels: { l: 'v' } } }, strategicPatch);
  const read = await api.expect(200, 'GET', `/api/v1/namespaces/${ns}`);
  assert.deepEqual(read.metadata.labels, { 'kubernetes.io/metadata.name': ns, l: 'v' });
});

test('[sig-api-machinery] Namespaces [Serial] should apply an update to a Namespace', async () => {
  const path = `/api/v1/namespaces/${await namespace()}`;
  const read = await api.expect(200, 'GET', path);
  read.metadata.labels.l = 'v';
  assert.equal((await api.expect(200, 'PUT', path, read)).metadata.labels.l, 'v');
});

test('[sig-api-machinery] Namespaces [Serial] should apply changes to a namespace status', async () => {
  const path = `/api/v1/namespaces/${await namespace()}/status`;
  const read = await api.expect(200, 'GET', path);
  assert.equal(read.status.phase, 'Active');
  const condition = { type: 'StatusPatch', status: 'True', reason: 'E2E', message: 'patched' };
  const patch = { metadata: { annotations: { e2e: 'v' } }, status: { conditions: [condition] } };
  const patched = await api.expect(200, 'PATCH', path, patch, mergePatch);
  assert.equal(patched.status.conditions[0].type, 'StatusPatch');
  assert.equal(patched.status.phase, 'Active');
  patched.status.conditions.push({ ...condition, type: 'StatusUpdate', message: 'updated' });
  const updated = await api.expect(200, 'PUT', path, patched);
  assert.deepEqual(
    updated.status.conditions.map((c: Json) => c.type),
    ['StatusPatch', 'StatusUpdate'],
  );
});

test('[sig-api-machinery] Namespaces [Serial] should apply a finalizer to a Namespace', async () => {
  const path = `/api/v1/namespaces/${await namespace()}`;
  const read = await api.expect(200, 'GET', path);
  assert.deepEqual(read.spec.finalizers, ['kubernetes']);
  read.spec.finalizers.push('e2e.example.com/fake');
  const finalized = await api.expect(200, 'PUT', `${path}/finalize`, read);
  assert.deepEqual(finalized.spec.finalizers, ['kubernetes', 'e2e.example.com/fake']);
  const gone = await api.expect(200, 'DELETE', path);
  assert.equal(gone.status.phase, 'Terminating');
  gone.spec.finalizers = [];
  await api.expect(200, 'PUT', `${path}/finalize`, gone);
  await api.expect(404, 'GET', path);
});

for (const [name, path, spec, precedence] of [
  [
    '[sig-api-machinery] API priority and fairness should support FlowSchema API operations',
    '/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas',
    {
      matchingPrecedence: 10_000,
      priorityLevelConfiguration: { name: 'global-default' },
      distinguisherMethod: { type: 'ByUser' },
      rules: [
        {
          subjects: [{ kind: 'User', user: { name: 'example-e2e-non-existent-user' } }],
          nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
        },
      ],
    },
    { matchingPrecedence: 9999 },
  ],
  [
    '[sig-api-machinery] API priority and fairness should support PriorityLevelConfiguration API operations',
    '/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations',
    { type: 'Limited', limited: { nominalConcurrencyShares: 2, limitResponse: { type: 'Reject' } } },
    { limited: { nominalConcurrencyShares: 4 } },
  ],
] as const) {
  test(name, async () => {
    const made = await api.expect(201, 'POST', path, {
      metadata: { generateName: 'e2e-example-', labels: { special: 'x' } },
      spec,
    });
    const one = `${path}/${made.metadata.name}`;
    const patched = await api.expect(200, 'PATCH', one, { spec: precedence }, mergePatch);
    assert.equal(patched.metadata.generation, 2);
    for (const [key, value] of Object.entries(precedence))
      assert.deepEqual(
        { ...patched.spec[key], ...(value as object) },
        typeof value === 'object' ? patched.spec[key] : {},
      );
    const condition = {
      type: 'patched',
      status: 'True',
      lastTransitionTime: '2026-01-01T00:00:00Z',
      reason: 'r',
      message: 'm',
    };
    const status = await api.expect(200, 'PATCH', `${one}/status`, { status: { conditions: [condition] } }, mergePatch);
    assert.equal(status.status.conditions.at(-1).type, 'patched');
    // The server writes a condition of its own, which may come between.
    let updated: Json;
    do {
      const read = await api.expect(200, 'GET', `${one}/status`);
      read.status.conditions.find((c: Json) => c.type === 'patched').message = 'updated';
      updated = (await api.send('PUT', `${one}/status`, read)).object;
    } while (updated.reason === 'Conflict');
    assert.ok(
      updated.status.conditions.some((c: Json) => c.message === 'updated'),
      JSON.stringify(updated),
    );
    assert.equal(updated.metadata.generation, 2);
    await api.expect(200, 'DELETE', one);
    await api.expect(404, 'GET', one);
    await api.expect(201, 'POST', path, { metadata: { name: 'second', labels: { special: 'x' } }, spec });
    await api.expect(200, 'DELETE', `${path}?labelSelector=special%3Dx`);
    assert.equal((await api.expect(200, 'GET', `${path}?labelSelector=special%3Dx`)).items.length, 0);
  });
}

for (const [name, base, about] of [
  ['[sig-instrumentation] Events should manage the lifecycle of an event', '/api/v1', 'involvedObject'],
  [
    '[sig-instrumentation] Events API should ensure that an event can be fetched, patched, deleted, and listed',
    '/apis/events.k8s.io/v1',
    'regarding',
  ],
] as const) {
  test(name, async () => {
    const ns = await namespace();
    const path = `${base}/namespaces/${ns}/events`;
    const core = base === '/api/v1';
    const object: Json = {
      metadata: { name: 'e', labels: { testevent: 'true' } },
      [about]: { namespace: ns, kind: 'Pod', name: 'p' },
      reason: 'Test',
      type: 'Normal',
      ...(core
        ? { message: 'This is a test event', source: { component: 'test' } }
        : {
            note: 'This is a test event',
            eventTime: '2026-01-01T00:00:00.000000Z',
            reportingController: 'test-controller',
            reportingInstance: 'test-node',
            action: 'Do',
          }),
    };
    await api.expect(201, 'POST', path, object);
    const everywhere = await api.expect(200, 'GET', `${base}/events?labelSelector=testevent%3Dtrue`);
    assert.equal(everywhere.items.length, 1);
    const note = core ? 'message' : 'note';
    if (core) {
      const patched = await api.expect(200, 'PATCH', `${path}/e`, { [note]: 'patched' }, strategicPatch);
      assert.equal(patched.message, 'patched');
    } else {
      const series = { series: { count: 2, lastObservedTime: '2026-01-01T00:01:00.000000Z' } };
      const patched = await api.expect(200, 'PATCH', `${path}/e`, series, strategicPatch);
      assert.equal(patched.series.count, 2);
      patched.series.count = 100;
      assert.equal((await api.expect(200, 'PUT', `${path}/e`, patched)).series.count, 100);
      assert.equal(
        (await api.expect(200, 'GET', `${path}?fieldSelector=reportingController%3Dtest-controller`)).items.length,
        1,
      );
    }
    await api.expect(200, 'DELETE', `${path}/e`);
    assert.equal((await api.expect(200, 'GET', `${path}?labelSelector=testevent%3Dtrue`)).items.length, 0);
  });
}

for (const [name, base] of [
  ['[sig-instrumentation] Events should delete a collection of events', '/api/v1'],
  ['[sig-instrumentation] Events API should delete a collection of events', '/apis/events.k8s.io/v1'],
] as const) {
  test(name, async () => {
    const ns = await namespace();
    for (const e of ['e1', 'e2', 'e3'])
      await api.expect(201, 'POST', `/api/v1/namespaces/${ns}/events`, {
        metadata: { name: e, labels: { set: 'x' } },
        involvedObject: { namespace: ns, kind: 'Pod', name: 'p' },
        message: 'm',
        reason: 'r',
        type: 'Normal',
      });
    const path = `${base}/namespaces/${ns}/events?labelSelector=set%3Dx`;
    assert.equal((await api.expect(200, 'GET', path)).items.length, 3);
    await api.expect(200, 'DELETE', path);
    assert.equal((await api.expect(200, 'GET', path)).items.length, 0);
  });
}

test('[sig-scheduling] SchedulerPreemption [Serial] PriorityClass endpoints verify PriorityClass endpoints can be operated with different HTTP methods', async () => {
  const path = '/apis/scheduling.k8s.io/v1/priorityclasses';
  for (const [name, value] of [
    ['p1', 1],
    ['p2', 2],
  ] as const)
    await api.expect(201, 'POST', path, { metadata: { name, labels: { x: 'y' } }, value });
  const forbidden = await api.expect(
    422,
    'PATCH',
    `${path}/p1`,
    [{ op: 'replace', path: '/value', value: 5 }],
    jsonPatch,
  );
  assert.match(forbidden.message, /value: Forbidden: may not be changed in an update\./);
  const described = await api.expect(200, 'PATCH', `${path}/p1`, { description: 'updated' }, mergePatch);
  assert.equal(described.description, 'updated');
  for (const verb of ['GET', 'DELETE']) await api.expect(200, verb, `${path}?labelSelector=x%3Dy`);
  assert.equal((await api.expect(200, 'GET', `${path}?labelSelector=x%3Dy`)).items.length, 0);
});
