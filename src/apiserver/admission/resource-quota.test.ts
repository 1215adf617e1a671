// What quotas count, of whom and when; kinds of use by name are tried in api/quota.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { builtinResources } from '../../api/resource.ts';
import { conflict } from '../../api/status.ts';
import { systemClock } from '../../base/clock.ts';
import type { Client } from '../../client/client.ts';
import type { WatchCache } from '../registry/watch-cache.ts';
import { type Caller, caller, type Json, mergePatch } from '../test-caller.ts';
import { startTestServer, type TestServer } from '../test-server.ts';
import type { AdmissionAttributes } from './admission.ts';
import type { LimitedResource } from './limited-resources.ts';
import { resourceQuota } from './resource-quota.ts';

let server: TestServer;
let api: Caller;
let count = 0;

const limitedResources: readonly LimitedResource[] = [
  { resource: 'secrets', matchContains: ['count/'] },
  {
    resource: 'pods',
    matchScopes: [{ scopeName: 'PriorityClass', operator: 'In', values: ['costly', 'dear'] }],
  },
];

before(async () => {
  server = await startTestServer({ admission: { limitedResources } });
  const { url, ca, admin } = server;
  api = caller({ url, ca, cert: admin.certificatePem, key: admin.keyPem });
  const costly = { metadata: { name: 'costly' }, value: 5 };
  await api.expect(201, 'POST', '/apis/scheduling.k8s.io/v1/priorityclasses', costly);
});
after(async () => {
  api.close();
  await server.stop();
});

/** The path of a new namespace. */
async function newNamespace(): Promise<string> {
  const name = `ns-${++count}`;
  await api.expect(201, 'POST', '/api/v1/namespaces', { metadata: { name } });
  await api.expect(201, 'POST', `/api/v1/namespaces/${name}/serviceaccounts`, { metadata: { name: 'default' } });
  return `/api/v1/namespaces/${name}`;
}

/** A quota as the controller leaves it. */
async function quota(at: string, name: string, hard: Record<string, string>, spec: object = {}) {
  const made = await api.expect(201, 'POST', `${at}/resourcequotas`, { metadata: { name }, spec: { hard, ...spec } });
  const used = Object.fromEntries(Object.keys(hard).map(r => [r, '0']));
  await api.expect(200, 'PUT', `${at}/resourcequotas/${name}/status`, { ...made, status: { hard, used } });
}

const usedOf = async (at: string, name: string) =>
  (await api.expect(200, 'GET', `${at}/resourcequotas/${name}`)).status.used;
const pod = (name: string, spec: object = {}) => ({
  metadata: { name },
  spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
});

test('what is limited needs a quota that covers it', async () => {
  const at = await newNamespace();
  const map = (name: string) => ({ metadata: { name } });
  assert.equal(
    (await api.expect(403, 'POST', `${at}/secrets`, map('a'))).message,
    'secrets "a" is forbidden: insufficient quota to consume: count/secrets',
  );
  await quota(at, 'maps', { 'count/secrets': '1' });
  await api.expect(201, 'POST', `${at}/secrets`, map('a'));
  assert.equal(
    (await api.expect(403, 'POST', `${at}/secrets`, map('b'))).message,
    'secrets "b" is forbidden: exceeded quota: maps, requested: count/secrets=1, used: count/secrets=1, limited: count/secrets=1',
  );
  // Of another kind nothing is limited.
  await api.expect(201, 'POST', `${at}/configmaps`, map('a'));
});

test('a scope that is limited needs a quota of that scope', async () => {
  const at = await newNamespace();
  await api.expect(201, 'POST', `${at}/pods`, pod('cheap'));
  const costly = pod('costly', { priorityClassName: 'costly' });
  const refused = await api.expect(500, 'POST', `${at}/pods`, costly);
  assert.equal(refused.message, 'insufficient quota to match these scopes: [{PriorityClass In [costly dear]}]');
  const selector = { scopeName: 'PriorityClass', operator: 'In', values: ['costly'] };
  await quota(at, 'costly', { pods: '1' }, { scopeSelector: { matchExpressions: [selector] } });
  await api.expect(201, 'POST', `${at}/pods`, costly);
  assert.deepEqual(await usedOf(at, 'costly'), { pods: '1' });
});

test('pods are counted when they are made and resized, not at other writes', async () => {
  const at = await newNamespace();
  const made = await api.expect(201, 'POST', `${at}/pods`, pod('p'));
  await quota(at, 'late', { pods: '0', 'limits.cpu': '1' }, { scopes: ['Terminating'] });
  await api.expect(200, 'PATCH', `${at}/pods/p`, { spec: { activeDeadlineSeconds: 60 } }, mergePatch);
  assert.deepEqual(await usedOf(at, 'late'), { 'limits.cpu': '0', pods: '0' });
  assert.equal(made.spec.activeDeadlineSeconds, undefined);
});

test('a pod that states its own resources need not state them for its containers', async () => {
  const at = await newNamespace();
  await quota(at, 'q', { 'requests.cpu': '1', 'limits.memory': '1Gi' });
  assert.equal(
    (await api.expect(403, 'POST', `${at}/pods`, pod('p'))).message,
    'pods "p" is forbidden: failed quota: q: must specify limits.memory for: c; requests.cpu for: c',
  );
  await api.expect(201, 'POST', `${at}/pods`, pod('p', { resources: { requests: { cpu: '500m' } } }));
  assert.deepEqual(await usedOf(at, 'q'), { 'limits.memory': '0', 'requests.cpu': '500m' });
});

test('Events are no use of anything', async () => {
  const at = await newNamespace();
  await quota(at, 'q', { 'count/events': '0', 'count/events.events.k8s.io': '0' });
  const involvedObject = { namespace: at.split('/').at(-1) };
  await api.expect(201, 'POST', `${at}/events`, { metadata: { name: 'e' }, involvedObject });
});

test('a pod holds what it was granted until it is given back', async () => {
  const at = await newNamespace();
  await quota(at, 'q', { 'requests.cpu': '1' });
  const container = (cpu: string): Json => ({ name: 'c', image: 'i', resources: { requests: { cpu } } });
  const sized = (cpu: string) => ({ spec: { containers: [container(cpu)] } });
  await api.expect(201, 'POST', `${at}/pods`, pod('p', sized('800m').spec));
  const status = {
    containerStatuses: [
      {
        ...{ name: 'c', image: 'i', imageID: '', ready: true, restartCount: 0 },
        allocatedResources: { cpu: '800m' },
        resources: { requests: { cpu: '800m' } },
      },
    ],
  };
  await api.expect(200, 'PATCH', `${at}/pods/p/status`, { status }, mergePatch);
  const resize = (code: number, cpu: string) =>
    api.expect(code, 'PATCH', `${at}/pods/p/resize`, sized(cpu), mergePatch);
  await resize(200, '300m');
  // What it gives back it has not given back yet: to have it again costs nothing.
  await resize(200, '800m');
  assert.deepEqual(await usedOf(at, 'q'), { 'requests.cpu': '800m' });
  const refused = await resize(403, '1100m');
  assert.match(
    refused.message,
    /exceeded quota: q, requested: requests.cpu=300m, used: requests.cpu=800m, limited: requests.cpu=1$/,
  );
});

test('of two quotas none is charged twice when another write comes between', async () => {
  const quotas = ['a', 'b'].map(name => ({
    metadata: { name, namespace: 'ns' },
    status: { hard: { 'count/secrets': '9' }, used: { 'count/secrets': '0' } },
  }));
  const latest = (key: string) => ({ key, object: quotas.find(q => `ns/${q.metadata.name}` === key) });
  const snapshot = () => ({
    scan(_prefix: string, _from: undefined, each: (stored: object) => boolean | undefined) {
      for (const { metadata } of quotas) if (each(latest(`ns/${metadata.name}`))) return;
    },
  });
  let conflicts = 1;
  const updateStatus = async (_: object, { metadata, status }: Json) => {
    if (metadata.name === 'b' && conflicts-- > 0) throw conflict({ group: '', resource: 'resourcequotas' }, 'b', 'x');
    Object.assign(quotas.find(q => q.metadata.name === metadata.name)!, { status });
  };
  const plugin = resourceQuota({
    quotas: { latest, snapshot } as unknown as WatchCache,
    client: { updateStatus } as unknown as Client,
    clock: systemClock,
  });
  await plugin.validate!({
    operation: 'CREATE',
    resource: builtinResources().byId('/v1/secrets'),
    subresource: '',
    namespace: 'ns',
    name: 's',
    object: { metadata: {} },
    dryRun: false,
  } as unknown as AdmissionAttributes);
  assert.deepEqual(
    quotas.map(q => q.status.used['count/secrets']),
    ['1', '1'],
  );
});
