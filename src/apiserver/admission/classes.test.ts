// Plugins that look up classes, priorities and namespaces: corners the flows of other tests do not reach.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Caller, caller, type Json, mergePatch } from '../test-caller.ts';
import { startTestServer, type TestServer } from '../test-server.ts';

let server: TestServer;
let api: Caller;

before(async () => {
  server = await startTestServer({ defaultNotReadyTolerationSeconds: 7, defaultUnreachableTolerationSeconds: 0 });
  const { url, ca, admin } = server;
  api = caller({ url, ca, cert: admin.certificatePem, key: admin.keyPem });
  await api.expect(201, 'POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
});
after(async () => {
  api.close();
  await server.stop();
});

const pods = '/api/v1/namespaces/default/pods';
const pod = (name: string, spec: object) => ({
  metadata: { name },
  spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
});
const refusedPod = async (name: string, spec: object) =>
  (await api.expect(403, 'POST', pods, pod(name, spec))).message.replace(`pods "${name}" is forbidden: `, '');

test('a runtime class merges what it says of scheduling into its pods', async () => {
  const classes = '/apis/node.k8s.io/v1/runtimeclasses';
  const nodeSelector = { runtime: 'vm' };
  const tolerations = [{ key: 'vm', operator: 'Exists' }];
  const scheduling = { nodeSelector, tolerations };
  const overhead = { podFixed: { cpu: '100m' } };
  await api.expect(201, 'POST', classes, { metadata: { name: 'vm' }, handler: 'vm', scheduling, overhead });
  await api.expect(201, 'POST', classes, { metadata: { name: 'bare' }, handler: 'bare' });
  const runtimeClassName = 'vm';
  assert.equal(
    await refusedPod('conflict', { runtimeClassName, nodeSelector: { runtime: 'runc' } }),
    'conflict: runtimeClass.scheduling.nodeSelector[runtime] = vm; pod.spec.nodeSelector[runtime] = runc',
  );
  assert.equal(
    await refusedPod('other', { runtimeClassName, overhead: { cpu: '1' } }),
    "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
  );
  const without = 'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead';
  assert.equal(await refusedPod('none', { overhead: { cpu: '1' } }), without);
  assert.equal(await refusedPod('bare', { runtimeClassName: 'bare', overhead: { cpu: '1' } }), without);
  // A toleration that the class's covers goes.
  const narrow = { key: 'vm', operator: 'Equal', value: '1', effect: 'NoSchedule' };
  const made = await api.expect(201, 'POST', pods, pod('merged', { runtimeClassName, tolerations: [narrow] }));
  assert.deepEqual(made.spec.nodeSelector, nodeSelector);
  assert.deepEqual(made.spec.overhead, { cpu: '100m' });
  assert.deepEqual(
    made.spec.tolerations.filter((t: Json) => t.key === 'vm'),
    tolerations,
  );
});

test('how long pods bear a node that is not ready is a flag', async () => {
  const { spec } = await api.expect(201, 'POST', pods, pod('patient', {}));
  assert.deepEqual(
    spec.tolerations.map((t: Json) => [t.key, t.tolerationSeconds]),
    [
      ['node.kubernetes.io/not-ready', 7],
      ['node.kubernetes.io/unreachable', 0],
    ],
  );
});

test('one priority class is the default', async () => {
  const classes = '/apis/scheduling.k8s.io/v1/priorityclasses';
  const made = (name: string) => ({ metadata: { name }, value: 5, globalDefault: true });
  await api.expect(201, 'POST', classes, made('one'));
  const why = 'is forbidden: PriorityClass one is already marked as default. Only one default can exist';
  assert.equal(
    (await api.expect(403, 'POST', classes, made('two'))).message,
    `priorityclasses.scheduling.k8s.io "two" ${why}`,
  );
  assert.equal(
    (await api.expect(403, 'POST', classes, made('one'))).message,
    `priorityclasses.scheduling.k8s.io "one" ${why}`,
  );
  await api.expect(200, 'PATCH', `${classes}/one`, { description: 'd' }, mergePatch);
  await api.expect(200, 'DELETE', `${classes}/one`);
});

test('a claim that shrinks back needs no class that lets it grow', async () => {
  const classes = '/apis/storage.k8s.io/v1/storageclasses';
  await api.expect(201, 'POST', classes, { metadata: { name: 's' }, provisioner: 'p', allowVolumeExpansion: true });
  const claims = '/api/v1/namespaces/default/persistentvolumeclaims';
  const asking = (storage: string) => ({ spec: { resources: { requests: { storage } } } });
  const spec = { accessModes: ['ReadWriteOnce'], storageClassName: 's', volumeName: 'v' };
  await api.expect(201, 'POST', claims, { metadata: { name: 'c' }, spec: { ...spec, ...asking('1Gi').spec } });
  const bound = { status: { phase: 'Bound', capacity: { storage: '1Gi' } } };
  await api.expect(200, 'PATCH', `${claims}/c/status`, bound, mergePatch);
  await api.expect(200, 'PATCH', `${claims}/c`, asking('3Gi'), mergePatch);
  await api.expect(200, 'PATCH', `${classes}/s`, { allowVolumeExpansion: false }, mergePatch);
  await api.expect(200, 'PATCH', `${claims}/c`, asking('2Gi'), mergePatch);
  assert.match(
    (await api.expect(403, 'PATCH', `${claims}/c`, asking('4Gi'), mergePatch)).message,
    /: only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize$/,
  );
});

test('an attributes class is protected from the start', async () => {
  const classes = '/apis/storage.k8s.io/v1/volumeattributesclasses';
  const made = await api.expect(201, 'POST', classes, {
    metadata: { name: 'gold' },
    driverName: 'd',
    parameters: { a: 'b' },
  });
  assert.deepEqual(made.metadata.finalizers, ['kubernetes.io/vac-protection']);
});
