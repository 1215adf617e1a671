// Owners and finalizers that clients should not send so: recorded from k8s.io/apiextensions-apiserver 1.36.2.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { definition, establish, widget, widgets } from './custom/test-definition.ts';
import { mergePatch } from './test-caller.ts';
import { fileServer } from './test-file-server.ts';

const group = 'metadata.example.com';
const path = widgets(group);
const on = fileServer(async api => {
  await establish(api, definition(group));
  await api.expect(201, 'POST', path, widget(group, 'one'));
});
const owner = (uid: string, kind = 'A', more: object = {}) => ({ apiVersion: 'v1', kind, name: 'x', uid, ...more });
const made = (metadata: object) => ({ ...widget(group, 'x'), metadata: { name: 'x', ...metadata } });

test('of owners given twice one is kept', async () => {
  const ownerReferences = [owner('u'), owner('u', 'B'), owner('v'), owner('v'), owner('u')];
  const kept = [owner('u'), owner('u', 'B'), owner('v')];
  const told = (when: string) =>
    `299 - ".metadata.ownerReferences contains duplicate entries${when}; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: v, u"`;
  const metadata = { ownerReferences };
  const check = async (when: string, ...request: Parameters<typeof on.api.send>) => {
    const { object, headers } = await on.api.send(...request);
    assert.deepEqual([object.metadata?.ownerReferences, headers.warning], [kept, told(when)]);
  };
  await check('', 'POST', `${path}?dryRun=All`, made(metadata));
  await check('', 'POST', '/api/v1/namespaces/default/configmaps?dryRun=All', { metadata: { name: 'x', ...metadata } });
  await check(' after mutating admission happens', 'PATCH', `${path}/one?dryRun=All`, { metadata }, mergePatch);
  const { resourceVersion } = (await on.api.expect(200, 'GET', `${path}/one`)).metadata;
  const whole = { ...widget(group, 'one'), metadata: { name: 'one', resourceVersion, ...metadata } };
  await check('', 'PUT', `${path}/one?dryRun=All`, whole);
});

test('owners that cannot be', async () => {
  const refusal = async (...ownerReferences: object[]) =>
    (await on.api.expect(422, 'POST', path, made({ ownerReferences }))).details.causes[0].message;
  assert.equal(
    await refusal(owner('u', 'A', { apiVersion: 'a/b/c' })),
    'Invalid value: "a/b/c": version must not be empty',
  );
  const controller = true;
  assert.equal(
    await refusal(owner('u', 'A', { controller }), owner('v', 'B', { controller })),
    'Invalid value: [{"apiVersion":"v1","kind":"A","name":"x","uid":"u","controller":true},{"apiVersion":"v1","kind":"B","name":"x","uid":"v","controller":true}]: Only one reference can have Controller set to true. Found "true" in references for A/x and B/x',
  );
});

test('finalizers without a domain, or without a path', async () => {
  const warning = async (finalizer: string) =>
    (await on.api.send('POST', `${path}?dryRun=All`, made({ finalizers: [finalizer] }))).headers.warning;
  const told = (name: string, what: string) =>
    `299 - "metadata.finalizers: \\"${name}\\": prefer a domain-qualified finalizer name ${what}to avoid accidental conflicts with other finalizer writers"`;
  assert.equal(await warning('x'), told('x', ''));
  assert.equal(await warning('a.b'), told('a.b', 'including a path (/) '));
  assert.equal(await warning('a.b/c'), undefined);
});
