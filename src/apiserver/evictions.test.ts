// Evictions: what a PodDisruptionBudget allows, refuses and remembers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testApi } from './test-api.ts';
import { type Json, mergePatch } from './test-caller.ts';

const api = testApi();
let account: Promise<Json> | undefined;

const namespace = '/api/v1/namespaces/default';
const pods = `${namespace}/pods`;
const budgets = '/apis/policy/v1/namespaces/default/poddisruptionbudgets';
const refused = "Cannot evict pod as it would violate the pod's disruption budget.";

/** A pod labelled by its own name, which nothing waits for when it is deleted. */
async function makePod(name: string, status: object): Promise<void> {
  account ??= api.expect(201, 'POST', `${namespace}/serviceaccounts`, { metadata: { name: 'default' } });
  await account;
  await api.expect(201, 'POST', pods, {
    metadata: { name, labels: { app: name } },
    spec: { containers: [{ name: 'c', image: 'i' }], nodeName: 'none', terminationGracePeriodSeconds: 0 },
  });
  await api.expect(200, 'PATCH', `${pods}/${name}/status`, { status }, mergePatch);
}
const running = (ready: boolean) => ({
  phase: 'Running',
  conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
});

async function makeBudget(app: string, spec: object, status: object, name = app): Promise<Json> {
  await api.expect(201, 'POST', budgets, {
    metadata: { name },
    spec: { minAvailable: 1, selector: { matchLabels: { app } }, ...spec },
  });
  return api.expect(200, 'PATCH', `${budgets}/${name}/status`, { status }, mergePatch);
}
const figures = (disruptionsAllowed: number, currentHealthy: number, desiredHealthy: number) => ({
  observedGeneration: 1,
  ...{ disruptionsAllowed, currentHealthy, desiredHealthy, expectedPods: 3 },
});

const evict = (code: number, name: string, query = '') =>
  api.expect(code, 'POST', `${pods}/${name}/eviction${query}`, {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name },
  });
const isThere = async (name: string) => (await api.send('GET', `${pods}/${name}`)).code === 200;

test('a disruption that is allowed is taken from the budget, which remembers the pod', async () => {
  await makePod('spend', running(true));
  await makeBudget('spend', {}, figures(1, 3, 2));
  const dry = await evict(201, 'spend', '?dryRun=All');
  assert.deepEqual([dry.kind, dry.status], ['Status', 'Success']);
  assert.equal((await api.expect(200, 'GET', `${budgets}/spend`)).status.disruptionsAllowed, 1);
  assert.ok(await isThere('spend'));
  await evict(201, 'spend');
  assert.equal(await isThere('spend'), false);
  const { status } = await api.expect(200, 'GET', `${budgets}/spend`);
  assert.deepEqual([status.disruptionsAllowed, Object.keys(status.disruptedPods)], [0, ['spend']]);
});

test('without room an eviction is refused, and says how much is missing', async () => {
  await makePod('full', running(true));
  await makeBudget('full', {}, figures(0, 2, 2));
  const status = await evict(429, 'full');
  assert.deepEqual([status.reason, status.message], ['TooManyRequests', refused]);
  assert.deepEqual(status.details.causes, [
    {
      reason: 'DisruptionBudget',
      message: 'The disruption budget full needs 2 healthy pods and has 2 currently',
    },
  ]);
  // A budget nobody has looked at yet.
  await api.expect(200, 'PATCH', `${budgets}/full`, { spec: { minAvailable: 2 } }, mergePatch);
  const unseen = await evict(429, 'full');
  assert.equal(unseen.details.retryAfterSeconds, 10);
  assert.equal(unseen.details.causes[0].message, 'The disruption budget full is still being processed by the server.');
  assert.ok(await isThere('full'));
});

test('the last disruption taken is the end of what is allowed', async () => {
  await makePod('last', running(true));
  const condition = { type: 'DisruptionAllowed', status: 'True', reason: 'SufficientPods', message: 'm' };
  const conditions = [{ ...condition, lastTransitionTime: '2026-01-01T00:00:00Z' }];
  await makeBudget('last', {}, { ...figures(1, 3, 2), conditions });
  await evict(201, 'last');
  const [now] = (await api.expect(200, 'GET', `${budgets}/last`)).status.conditions;
  assert.deepEqual([now.status, now.reason, now.message, now.observedGeneration], ['False', 'InsufficientPods', '', 1]);
  assert.notEqual(now.lastTransitionTime, '2026-01-01T00:00:00Z');
});

test('a refusal tells why the budget allows nothing', async () => {
  await makePod('why', running(true));
  await makeBudget('why', {}, figures(0, 4, 3));
  const said = (reason: string, message: string) => ({
    status: { conditions: [{ ...{ type: 'DisruptionAllowed', status: 'False', reason, message }, ...at }] },
  });
  const at = { lastTransitionTime: '2026-01-01T00:00:00Z' };
  const none = 'The disruption budget why does not allow evicting pods currently';
  const cases: [object, string][] = [
    [{}, none],
    [said('SyncFailed', 'no scale'), `${none} because it failed sync: no scale`],
    [said('InsufficientPods', 'so'), `${none} (InsufficientPods): so`],
    [said('SyncFailed', ''), none],
  ];
  for (const [change, message] of cases) {
    await api.expect(200, 'PATCH', `${budgets}/why/status`, change, mergePatch);
    assert.deepEqual((await evict(429, 'why')).details.causes, [{ reason: 'DisruptionBudget', message }]);
  }
  const many = Object.fromEntries(Array.from({ length: 2001 }, (_, i) => [`p${i}`, '2026-01-01T00:00:00Z']));
  await api.expect(200, 'PATCH', `${budgets}/why/status`, { status: { disruptedPods: many } }, mergePatch);
  assert.equal(
    (await evict(403, 'why')).message,
    'poddisruptionbudget.policy "why" is forbidden: DisruptedPods map too big - too many evictions not confirmed by PDB controller',
  );
});

test('pods that do not run disrupt nobody', async () => {
  for (const phase of ['Pending', 'Succeeded', 'Failed']) {
    const name = phase.toLowerCase();
    await makePod(name, { phase });
    await makeBudget(name, {}, figures(0, 0, 1));
    await evict(201, name);
    assert.equal(await isThere(name), false, phase);
    assert.equal((await api.expect(200, 'GET', `${budgets}/${name}`)).status.disruptedPods, undefined);
  }
});

test('unhealthyPodEvictionPolicy: pods that are not ready go while enough others are, or always', async () => {
  const short = figures(0, 1, 2);
  const enough = figures(0, 2, 2);
  const cases: [string, object, object, boolean, number][] = [
    ['unset-short', {}, short, false, 429],
    ['unset-enough', {}, enough, false, 201],
    ['unset-none-wanted', {}, figures(0, 0, 0), false, 429],
    ['if-short', { unhealthyPodEvictionPolicy: 'IfHealthyBudget' }, short, false, 429],
    ['if-enough', { unhealthyPodEvictionPolicy: 'IfHealthyBudget' }, enough, false, 201],
    ['if-ready', { unhealthyPodEvictionPolicy: 'IfHealthyBudget' }, enough, true, 429],
    ['always-short', { unhealthyPodEvictionPolicy: 'AlwaysAllow' }, short, false, 201],
    ['always-ready', { unhealthyPodEvictionPolicy: 'AlwaysAllow' }, enough, true, 429],
  ];
  for (const [name, spec, status, ready, code] of cases) {
    await makePod(name, running(ready));
    await makeBudget(name, spec, status);
    await evict(code, name);
    assert.equal(await isThere(name), code === 429, name);
    // It does not count among the healthy, so nothing is taken from the budget.
    const after = (await api.expect(200, 'GET', `${budgets}/${name}`)).status;
    assert.deepEqual([after.disruptionsAllowed, after.disruptedPods], [0, undefined], name);
  }
  const wrong = await api.expect(422, 'POST', budgets, {
    metadata: { name: 'wrong' },
    spec: { selector: {}, unhealthyPodEvictionPolicy: 'Sometimes' },
  });
  assert.equal(
    wrong.details.causes[0].message,
    'Unsupported value: "Sometimes": supported values: "AlwaysAllow", "IfHealthyBudget"',
  );
});

test('an eviction of a certain pod is refused for another, and leaves it alone', async () => {
  await makePod('sure', running(true));
  await makeBudget('sure', {}, figures(1, 3, 2));
  const { metadata } = await api.expect(200, 'GET', `${pods}/sure`);
  const ask = (code: number, preconditions: object) =>
    api.expect(code, 'POST', `${pods}/sure/eviction`, {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name: 'sure' },
      deleteOptions: { preconditions },
    });
  assert.equal(
    (await ask(409, { uid: 'x' })).message,
    `Operation cannot be fulfilled on Pod "sure": the UID in the precondition (x) does not match the UID in record (${metadata.uid}). The object might have been deleted and then recreated`,
  );
  assert.equal(
    (await ask(409, { resourceVersion: '1' })).message,
    `Operation cannot be fulfilled on Pod "sure": the ResourceVersion in the precondition (1) does not match the ResourceVersion in record (${metadata.resourceVersion}). The object might have been modified`,
  );
  const { metadata: after } = await api.expect(200, 'GET', `${pods}/sure`);
  assert.equal(after.resourceVersion, metadata.resourceVersion);
  assert.equal((await api.expect(200, 'GET', `${budgets}/sure`)).status.disruptionsAllowed, 1);
  const { uid, resourceVersion } = metadata;
  await ask(201, { uid, resourceVersion });
  assert.equal(await isThere('sure'), false);
});

test('what is evicted, bound or given a token is in the namespace asked', async () => {
  await makePod('here', running(true));
  const metadata = { name: 'here', namespace: 'elsewhere' };
  const bodies = {
    [`${pods}/here/eviction`]: { apiVersion: 'policy/v1', kind: 'Eviction', metadata },
    [`${pods}/here/binding`]: { apiVersion: 'v1', kind: 'Binding', metadata, target: { name: 'n' } },
    [`${namespace}/serviceaccounts/default/token`]: { metadata: { namespace: 'elsewhere' }, spec: {} },
  };
  for (const [path, body] of Object.entries(bodies))
    assert.equal(
      (await api.expect(400, 'POST', path, body)).message,
      'the namespace of the provided object does not match the namespace sent on the request',
    );
  const early = { apiVersion: 'policy/v1beta1', kind: 'Eviction', metadata: { name: 'here' } };
  await api.expect(201, 'POST', `${pods}/here/eviction`, early);
  assert.equal(await isThere('here'), false);
});

test('a pod of two budgets cannot be evicted, and is marked when it is', async () => {
  await makePod('two', running(true));
  for (const name of ['two', 'two-more']) await makeBudget('two', {}, figures(1, 3, 2), name);
  const status = await evict(500, 'two');
  assert.match(status.message, /more than one PodDisruptionBudget, which the eviction subresource does not support/);
  await api.expect(200, 'DELETE', `${budgets}/two-more`);
  const finalizers = { metadata: { finalizers: ['example.com/held'] } };
  await api.expect(200, 'PATCH', `${pods}/two`, finalizers, mergePatch);
  await evict(201, 'two');
  const pod = await api.expect(200, 'GET', `${pods}/two`);
  assert.ok(pod.metadata.deletionTimestamp);
  const marked = pod.status.conditions.find((c: Json) => c.type === 'DisruptionTarget');
  assert.deepEqual(
    [marked.status, marked.reason, marked.message],
    ['True', 'EvictionByEvictionAPI', 'Eviction API: evicting'],
  );
});
