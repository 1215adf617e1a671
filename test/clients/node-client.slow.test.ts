// @kubernetes/client-node against a control plane in this process.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  ApiException,
  AppsV1Api,
  AuthenticationV1Api,
  CoreV1Api,
  CustomObjectsApi,
  KubeConfig,
  KubernetesObjectApi,
  makeInformer,
  PatchStrategy,
  setHeaderOptions,
  type V1ConfigMap,
  type V1Deployment,
  VersionApi,
  Watch,
} from '@kubernetes/client-node';
import { type ControlPlane, startControlPlane } from './control-plane.ts';

let controlPlane: ControlPlane;
let config: KubeConfig;
let core: CoreV1Api;
let apps: AppsV1Api;
const namespace = 'default';

before(async () => {
  controlPlane = await startControlPlane();
  config = new KubeConfig();
  config.loadFromString(controlPlane.kubeconfigText);
  core = config.makeApiClient(CoreV1Api);
  apps = config.makeApiClient(AppsV1Api);
});
after(() => controlPlane.stop());

const configMap = (name: string, data?: Record<string, string>, labels?: Record<string, string>): V1ConfigMap => ({
  metadata: { name, ...(labels ? { labels } : {}) },
  ...(data ? { data } : {}),
});

const deployment = (name: string, replicas: number): V1Deployment => ({
  metadata: { name, labels: { app: name } },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: {
        containers: [
          { name: 'a', image: 'a:1' },
          { name: 'b', image: 'b:1' },
        ],
      },
    },
  },
});

/** The code and the Status of a call that is refused. */
async function refusal(call: Promise<unknown>): Promise<[code: number, status: any]> {
  try {
    await call;
  } catch (error) {
    if (error instanceof ApiException) return [error.code, JSON.parse(error.body)];
    throw error;
  }
  assert.fail('the call succeeded');
}

test('create, read, replace, delete', async () => {
  const made = await core.createNamespacedConfigMap({ namespace, body: configMap('crud', { k: 'v ü' }) });
  assert.ok(made.metadata?.creationTimestamp instanceof Date);
  const replaced = await core.replaceNamespacedConfigMap({
    namespace,
    name: 'crud',
    body: { ...made, data: { k: 'w' } },
  });
  assert.equal(replaced.metadata?.uid, made.metadata.uid);
  const [stale, conflict] = await refusal(core.replaceNamespacedConfigMap({ namespace, name: 'crud', body: made }));
  assert.deepEqual([stale, conflict.reason], [409, 'Conflict']);
  await core.deleteNamespacedConfigMap({ namespace, name: 'crud' });
  const [gone, status] = await refusal(core.readNamespacedConfigMap({ namespace, name: 'crud' }));
  assert.deepEqual([gone, status.message], [404, 'configmaps "crud" not found']);
  const [invalid, why] = await refusal(core.createNamespacedConfigMap({ namespace, body: configMap('No_Name') }));
  assert.deepEqual([invalid, why.details.causes[0].field], [422, 'metadata.name']);
});

test('patches: JSON, merge, strategic merge, apply', async () => {
  await apps.createNamespacedDeployment({ namespace, body: deployment('patched', 0) });
  const patch = (body: unknown, strategy: PatchStrategy, more: object = {}) =>
    apps.patchNamespacedDeployment(
      { namespace, name: 'patched', body, ...more },
      setHeaderOptions('Content-Type', strategy),
    );
  const images = (d: V1Deployment) => d.spec?.template.spec?.containers.map(c => c.image).join(' ');
  const containers = [{ name: 'b', image: 'b:2' }];
  const strategic = await patch({ spec: { template: { spec: { containers } } } }, PatchStrategy.StrategicMergePatch);
  assert.equal(images(strategic), 'a:1 b:2');
  const json = await patch([{ op: 'replace', path: '/metadata/labels/app', value: 'x' }], PatchStrategy.JsonPatch);
  assert.equal(json.metadata?.labels?.app, 'x');
  const merged = await patch({ spec: { template: { spec: { containers } } } }, PatchStrategy.MergePatch);
  assert.equal(images(merged), 'b:2');
  const intent = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'patched' }, spec: { paused: true } };
  const applied = await patch(intent, PatchStrategy.ServerSideApply, { fieldManager: 'one' });
  assert.equal(applied.spec?.paused, true);
  const other = { ...intent, spec: { paused: false } };
  const [code, status] = await refusal(patch(other, PatchStrategy.ServerSideApply, { fieldManager: 'two' }));
  assert.deepEqual([code, status.details.causes[0].field], [409, '.spec.paused']);
  const forced = await patch(other, PatchStrategy.ServerSideApply, { fieldManager: 'two', force: true });
  assert.notEqual(forced.spec?.paused, true);
  await apps.deleteNamespacedDeployment({ namespace, name: 'patched' });
});

test('pagination and deletion of a collection', async () => {
  const labelSelector = 'set=page';
  for (let i = 0; i < 7; i++)
    await core.createNamespacedConfigMap({ namespace, body: configMap(`page-${i}`, {}, { set: 'page' }) });
  const names: (string | undefined)[] = [];
  let token: string | undefined;
  do {
    const page: Awaited<ReturnType<typeof core.listNamespacedConfigMap>> = await core.listNamespacedConfigMap({
      namespace,
      labelSelector,
      limit: 3,
      ...(token ? { _continue: token } : {}),
    });
    names.push(...page.items.map(i => i.metadata?.name));
    token = page.metadata?._continue;
  } while (token);
  assert.deepEqual(
    names,
    Array.from({ length: 7 }, (_, i) => `page-${i}`),
  );
  await core.deleteCollectionNamespacedConfigMap({ namespace, labelSelector });
  assert.deepEqual((await core.listNamespacedConfigMap({ namespace, labelSelector })).items, []);
});

test('watch with bookmarks', async () => {
  const { metadata } = await core.listNamespacedConfigMap({ namespace });
  const seen: string[] = [];
  let bookmarks = 0;
  const ended = Promise.withResolvers<unknown>();
  await new Watch(config).watch(
    `/api/v1/namespaces/${namespace}/configmaps`,
    {
      resourceVersion: metadata?.resourceVersion,
      labelSelector: 'w=1',
      allowWatchBookmarks: true,
      timeoutSeconds: 3,
    },
    (type, object) => {
      if (type === 'BOOKMARK') bookmarks++;
      else seen.push(`${type} ${object.metadata.name}`);
    },
    error => ended.resolve(error),
  );
  const name = 'watched';
  await core.createNamespacedConfigMap({ namespace, body: configMap(name, {}, { w: '1' }) });
  await core.patchNamespacedConfigMap(
    { namespace, name, body: { data: { a: 'b' } } },
    setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
  );
  await core.deleteNamespacedConfigMap({ namespace, name });
  const reason = await ended.promise;
  assert.ok(reason === null || reason === undefined || reason === Watch.SERVER_SIDE_CLOSE, String(reason));
  assert.deepEqual(
    seen,
    ['ADDED', 'MODIFIED', 'DELETED'].map(type => `${type} ${name}`),
  );
  assert.ok(bookmarks > 0);
});

test('informer', async () => {
  const path = `/api/v1/namespaces/${namespace}/configmaps`;
  const informer = makeInformer(config, path, () => core.listNamespacedConfigMap({ namespace }));
  const seen: string[] = [];
  const gone = Promise.withResolvers<void>();
  const note = (what: string) => (object: V1ConfigMap) => {
    if (object.metadata?.name !== 'informed') return;
    seen.push(what);
    if (what === 'delete') gone.resolve();
  };
  informer.on('add', note('add'));
  informer.on('update', note('update'));
  informer.on('delete', note('delete'));
  informer.on('error', gone.reject);
  await informer.start();
  try {
    const body = configMap('informed', { a: '1' });
    await core.createNamespacedConfigMap({ namespace, body });
    await core.replaceNamespacedConfigMap({ namespace, name: 'informed', body: { ...body, data: { a: '2' } } });
    await core.deleteNamespacedConfigMap({ namespace, name: 'informed' });
    await gone.promise;
    assert.deepEqual(seen, ['add', 'update', 'delete']);
    assert.ok(informer.get('kube-root-ca.crt', namespace));
  } finally {
    await informer.stop();
  }
});

test('objects of any kind', async () => {
  const objects = KubernetesObjectApi.makeApiClient(config);
  const body = { apiVersion: 'apps/v1', kind: 'Deployment', ...deployment('any', 0) };
  body.metadata!.namespace = namespace;
  const made: V1Deployment = await objects.create(body);
  assert.equal(made.spec?.progressDeadlineSeconds, 600);
  const listed = await objects.list('apps/v1', 'Deployment', namespace);
  assert.ok(listed.items.some(d => d.metadata?.name === 'any'));
  await objects.delete(body);
  const raw: any = await config
    .makeApiClient(CustomObjectsApi)
    .listNamespacedCustomObject({ group: 'apps', version: 'v1', namespace, plural: 'deployments' });
  assert.equal(raw.kind, 'DeploymentList');
});

test('tokens, versions', async () => {
  await core.createNamespacedServiceAccount({ namespace, body: { metadata: { name: 'robot' } } });
  const body = { spec: { audiences: [], expirationSeconds: 600 } };
  const { status } = await core.createNamespacedServiceAccountToken({ namespace, name: 'robot', body });
  const own = new KubeConfig();
  const cluster = config.getCurrentCluster()!;
  own.loadFromClusterAndUser(cluster, { name: 'robot', token: status!.token });
  const review = await own.makeApiClient(AuthenticationV1Api).createSelfSubjectReview({ body: {} });
  assert.equal(review.status?.userInfo?.username, `system:serviceaccount:${namespace}:robot`);
  const [code] = await refusal(own.makeApiClient(CoreV1Api).listNamespacedSecret({ namespace }));
  assert.equal(code, 403);
  assert.equal((await config.makeApiClient(VersionApi).getCode()).minor, '36');
});

test("a deployment's pods", async () => {
  await apps.createNamespacedDeployment({ namespace, body: deployment('web', 2) });
  const ready = Promise.withResolvers<void>();
  const watch = await new Watch(config).watch(
    `/apis/apps/v1/namespaces/${namespace}/deployments`,
    { fieldSelector: 'metadata.name=web' },
    (_type, d) => {
      if (d.status.readyReplicas === 2) ready.resolve();
    },
    error => ready.reject(error),
  );
  await ready.promise;
  watch.abort();
  const { items } = await core.listNamespacedPod({ namespace, labelSelector: 'app=web' });
  assert.deepEqual(
    items.map(p => p.status?.phase),
    ['Running', 'Running'],
  );
  await apps.deleteNamespacedDeployment({ namespace, name: 'web' });
});
