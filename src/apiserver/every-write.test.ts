// What holds of every write of every kind that is served by default: whose the fields are that it writes, that a dry
// run leaves nothing, and which kinds an update may make or change without having read them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { strategyOf } from '../api/rule/index.ts';
import { testApi } from './test-api.ts';
import { applyPatch, type Json, jsonPatch, mergePatch, strategicPatch } from './test-caller.ts';
import { sampledKinds, samples } from './test-samples.ts';
import { checkTruthful, nobodys } from './test-truthful.ts';

const api = testApi();

/** Kinds that a PUT to a name nobody has makes. */
const madeByUpdate = new Set([
  '/endpoints',
  '/events',
  'events.k8s.io/events',
  '/limitranges',
  '/services',
  'coordination.k8s.io/leases',
  'rbac.authorization.k8s.io/clusterrolebindings',
  'rbac.authorization.k8s.io/clusterroles',
  'rbac.authorization.k8s.io/rolebindings',
  'rbac.authorization.k8s.io/roles',
]);
/** Kinds that only who read them may update. */
const readFirst = new Set([
  '/serviceaccounts',
  'admissionregistration.k8s.io/mutatingadmissionpolicies',
  'admissionregistration.k8s.io/mutatingadmissionpolicybindings',
  'admissionregistration.k8s.io/mutatingwebhookconfigurations',
  'admissionregistration.k8s.io/validatingadmissionpolicies',
  'admissionregistration.k8s.io/validatingadmissionpolicybindings',
  'admissionregistration.k8s.io/validatingwebhookconfigurations',
  'coordination.k8s.io/leases',
  'flowcontrol.apiserver.k8s.io/flowschemas',
  'flowcontrol.apiserver.k8s.io/prioritylevelconfigurations',
  'node.k8s.io/runtimeclasses',
  'policy/poddisruptionbudgets',
  'storage.k8s.io/csidrivers',
  'storage.k8s.io/csinodes',
  'storage.k8s.io/csistoragecapacities',
  'storage.k8s.io/volumeattachments',
]);

const throughSubresource = ['status', 'ephemeralcontainers', 'resize', 'approval', 'finalize'];

for (const r of sampledKinds) {
  const groupVersion = r.group ? `${r.group}/${r.version}` : r.version;
  const id = `${r.group}/${r.version}/${r.resource}`;
  const kind = `${r.group}/${r.resource}`;
  const base = r.group ? `/apis/${groupVersion}` : `/api/${r.version}`;
  const ns = `writes-${r.resource}-${r.group.length}${r.version}`;
  const many = r.namespaced ? `${base}/namespaces/${ns}/${r.resource}` : `${base}/${r.resource}`;

  test(`writes of ${id}`, async () => {
    if (r.namespaced) {
      await api.expect(201, 'POST', '/api/v1/namespaces', { metadata: { name: ns } });
      if (r.resource === 'pods')
        await api.expect(201, 'POST', `/api/v1/namespaces/${ns}/serviceaccounts`, { metadata: { name: 'default' } });
    }
    const make = (name: string): Json => {
      const object = samples[id]!(name, ns);
      object.metadata = { name, ...object.metadata, annotations: { ...object.metadata?.annotations, made: '1' } };
      return object;
    };
    const first = await api.expect(201, 'POST', `${many}?fieldManager=creator`, make('one'));
    const one = `${many}/${encodeURIComponent(first.metadata.name)}`;
    const entry = (object: Json, manager: string) =>
      object.metadata.managedFields?.find((f: Json) => f.manager === manager);
    const states = (object: Json, manager: string, operation: string, field: string) => {
      const found = entry(object, manager);
      assert.ok(found, `${manager} of ${JSON.stringify(object.metadata.managedFields)}`);
      assert.deepEqual(
        [found.operation, found.apiVersion, found.fieldsType, found.subresource],
        [operation, groupVersion, 'FieldsV1', undefined],
      );
      assert.match(found.time, /^\d{4}-/);
      assert.deepEqual(checkTruthful(object), nobodys[id] ?? [], `${id} by ${manager}`);
      assert.deepEqual(found.fieldsV1['f:metadata']['f:annotations'][`f:${field}`], {}, field);
    };
    states(first, 'creator', 'Update', 'made');

    let now = await api.expect(200, 'GET', one);
    now.metadata.annotations = { ...now.metadata.annotations, put: '1' };
    now = await api.expect(200, 'PUT', `${one}?fieldManager=updater`, now);
    states(now, 'updater', 'Update', 'put');
    for (const [field, body, form] of [
      ['merged', { metadata: { annotations: { merged: '1' } } }, mergePatch],
      ['strategic', { metadata: { annotations: { strategic: '1' } } }, strategicPatch],
      ['json', [{ op: 'add', path: '/metadata/annotations/json', value: '1' }], jsonPatch],
    ] as const) {
      now = await api.expect(200, 'PATCH', `${one}?fieldManager=${field}`, body, form);
      states(now, field, 'Update', field);
    }
    const named = { apiVersion: groupVersion, kind: r.kind, metadata: { name: first.metadata.name } };
    const config = { ...named, metadata: { ...named.metadata, annotations: { applied: '1' } } };
    now = await api.expect(200, 'PATCH', `${one}?fieldManager=applier`, config, applyPatch);
    states(now, 'applier', 'Apply', 'applied');
    const contested = { ...named, metadata: { ...named.metadata, annotations: { applied: '1', merged: '2' } } };
    const conflict = await api.expect(409, 'PATCH', `${one}?fieldManager=applier`, contested, applyPatch);
    assert.equal(
      conflict.message,
      `Apply failed with 1 conflict: conflict with "merged" using ${groupVersion}: .metadata.annotations.merged`,
    );
    now = await api.expect(200, 'PATCH', `${one}?fieldManager=applier&force=true`, contested, applyPatch);
    assert.equal(now.metadata.annotations.merged, '2');
    assert.equal(entry(now, 'merged'), undefined);
    now = await api.expect(200, 'PATCH', `${one}?fieldManager=applier`, named, applyPatch);
    assert.deepEqual([now.metadata.annotations.applied, now.metadata.annotations.merged], [undefined, undefined]);

    for (const subresource of r.subresources.keys()) {
      if (!throughSubresource.includes(subresource)) continue;
      const keeps = subresource === 'status' && strategyOf(r).statusKeeps === 'metadata';
      const at = `${one}/${subresource}?fieldManager=sub-${subresource}`;
      const { code, object } = await api.send(
        'PATCH',
        at,
        { metadata: { annotations: { [subresource]: '1' } } },
        mergePatch,
      );
      assert.equal(code, 200, `${subresource}: ${JSON.stringify(object)}`);
      const found = entry(object, `sub-${subresource}`);
      if (keeps || object.metadata.annotations[subresource] === undefined) {
        assert.equal(found, undefined, subresource);
        continue;
      }
      assert.deepEqual([found.operation, found.subresource], ['Update', subresource]);
      assert.deepEqual(found.fieldsV1, { 'f:metadata': { 'f:annotations': { [`f:${subresource}`]: {} } } });
    }

    // A dry run answers as the write would and leaves nothing.
    const before = await api.expect(200, 'GET', one);
    const annotated = { metadata: { annotations: { dry: '1' } } };
    for (const [body, form, more] of [
      [annotated, mergePatch, ''],
      [annotated, strategicPatch, ''],
      [[{ op: 'add', path: '/metadata/annotations/dry', value: '1' }], jsonPatch, ''],
      [{ ...named, metadata: { ...named.metadata, ...annotated.metadata } }, applyPatch, '&fieldManager=dry'],
    ] as const) {
      const dry = await api.expect(200, 'PATCH', `${one}?dryRun=All${more}`, body, form);
      assert.equal(dry.metadata.annotations.dry, '1');
    }
    const put = structuredClone(before);
    put.metadata.annotations.dry = '1';
    assert.equal((await api.expect(200, 'PUT', `${one}?dryRun=All`, put)).metadata.annotations.dry, '1');
    await api.expect(200, 'DELETE', `${one}?dryRun=All&gracePeriodSeconds=0`);
    await api.expect(200, 'DELETE', `${many}?dryRun=All&gracePeriodSeconds=0`);
    const other = make('two');
    const dryMade = await api.expect(201, 'POST', `${many}?dryRun=All`, other);
    assert.ok(dryMade.metadata.uid);
    await api.expect(404, 'GET', `${many}/${encodeURIComponent(dryMade.metadata.name)}`);
    assert.deepEqual(await api.expect(200, 'GET', one), before);

    // Unread.
    const unread = structuredClone(before);
    unread.metadata.resourceVersion = undefined;
    unread.metadata.annotations.unread = '1';
    const written = await api.send('PUT', one, unread);
    assert.equal(written.code, readFirst.has(kind) ? 422 : 200, JSON.stringify(written.object));
    if (readFirst.has(kind)) assert.match(written.object.message, /must be specified for an update/);
    const absent = await api.send('PUT', `${many}/${encodeURIComponent(dryMade.metadata.name)}`, other);
    assert.equal(absent.code, madeByUpdate.has(kind) ? 201 : 404, JSON.stringify(absent.object));
    if (madeByUpdate.has(kind)) {
      assert.equal(absent.object.metadata.managedFields[0].operation, 'Update');
      const dry = make('three');
      await api.expect(201, 'PUT', `${many}/${encodeURIComponent(dry.metadata.name)}?dryRun=All`, dry);
      await api.expect(404, 'GET', `${many}/${encodeURIComponent(dry.metadata.name)}`);
    }
  });
}
