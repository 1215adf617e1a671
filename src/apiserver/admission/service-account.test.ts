import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Caller, caller, type Json } from '../test-caller.ts';
import { startTestServer, type TestServer } from '../test-server.ts';

let server: TestServer;
let api: Caller;
let count = 0;

before(async () => {
  server = await startTestServer();
  const { url, ca, admin } = server;
  api = caller({ url, ca, cert: admin.certificatePem, key: admin.keyPem });
});
after(async () => {
  api.close();
  await server.stop();
});

/** The path of a new namespace with this account. */
async function namespaceWith(account?: object): Promise<string> {
  const name = `ns-${++count}`;
  await api.expect(201, 'POST', '/api/v1/namespaces', { metadata: { name } });
  if (account) await api.expect(201, 'POST', `/api/v1/namespaces/${name}/serviceaccounts`, account);
  return `/api/v1/namespaces/${name}`;
}

const pod = (name: string, spec: object = {}, metadata: object = {}) => ({
  metadata: { name, ...metadata },
  spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
});

test('the default account of a new namespace is waited for, for a while', async () => {
  const at = await namespaceWith();
  const waiting = api.expect(201, 'POST', `${at}/pods`, pod('p'));
  await api.expect(201, 'POST', `${at}/serviceaccounts`, { metadata: { name: 'default' } });
  assert.equal((await waiting).spec.serviceAccountName, 'default');
  const bare = await namespaceWith();
  const refused = await api.expect(403, 'POST', `${bare}/pods`, pod('p'));
  assert.match(refused.message, /error looking up service account ns-2\/default: serviceaccount "default" not found$/);
});

test('an account that says so limits the secrets its pods use', async () => {
  const annotations = { 'kubernetes.io/enforce-mountable-secrets': 'true' };
  const at = await namespaceWith({
    metadata: { name: 'default', annotations },
    secrets: [{ name: 'mine' }],
    imagePullSecrets: [{ name: 'pull' }],
  });
  const end = 'is not allowed because service account default does not reference that secret';
  const refused = async (spec: object) => {
    const { message } = await api.expect(403, 'POST', `${at}/pods`, pod('no', spec));
    return message.replace('pods "no" is forbidden: ', '');
  };
  const env = (secret: string) => [{ name: 'E', valueFrom: { secretKeyRef: { name: secret, key: 'k' } } }];
  const one = (more: object) => [{ name: 'c', image: 'i', ...more }];
  const from = (secret: string) => ({ envFrom: [{ secretRef: { name: secret } }] });
  assert.equal(
    await refused({ volumes: [{ name: 'v', secret: { secretName: 'x' } }] }),
    `volume with secret.secretName="x" ${end}`,
  );
  assert.equal(
    await refused({ containers: one({ env: env('x') }) }),
    `container c with envVar E referencing secret.secretName="x" ${end}`,
  );
  assert.equal(
    await refused({ containers: one(from('x')) }),
    `container c with envFrom referencing secret.secretName="x" ${end}`,
  );
  assert.equal(
    await refused({ initContainers: [{ name: 'i', image: 'i', env: env('x') }] }),
    `init container i with envVar E referencing secret.secretName="x" ${end}`,
  );
  assert.equal(
    await refused({ imagePullSecrets: [{ name: 'pull' }, { name: 'x' }] }),
    'imagePullSecrets[1].name="x" is not allowed because service account default does not reference that imagePullSecret',
  );
  const volumes = [{ name: 'v', secret: { secretName: 'mine' } }];
  const made = await api.expect(
    201,
    'POST',
    `${at}/pods`,
    pod('yes', { volumes, containers: one({ env: env('mine'), ...from('mine') }) }),
  );
  assert.deepEqual(made.spec.imagePullSecrets, [{ name: 'pull' }]);
  const debug = (more: object) => ({
    ...made,
    spec: { ...made.spec, ephemeralContainers: [{ name: 'd', image: 'i', ...more }] },
  });
  const { message } = await api.expect(403, 'PUT', `${at}/pods/yes/ephemeralcontainers`, debug({ env: env('x') }));
  assert.equal(
    message,
    `pods "yes" is forbidden: ephemeral container d with envVar E referencing secret.secretName="x" ${end}`,
  );
  await api.expect(200, 'PUT', `${at}/pods/yes/ephemeralcontainers`, debug({ env: env('mine') }));
});

test('mirror pods use nothing of the API', async () => {
  const at = await namespaceWith({ metadata: { name: 'default' } });
  const mirror = { annotations: { 'kubernetes.io/config.mirror': 'x' } };
  const refused = async (spec: object) => {
    const { message } = await api.expect(403, 'POST', `${at}/pods`, pod('m', { nodeName: 'n', ...spec }, mirror));
    return message;
  };
  const secrets = 'pods "m" is forbidden: a mirror pod may not reference secrets';
  const container = { name: 'c', image: 'i', envFrom: [{ secretRef: { name: 's' } }] };
  assert.equal(await refused({ imagePullSecrets: [{ name: 's' }] }), secrets);
  assert.equal(await refused({ containers: [container] }), secrets);
  assert.equal(
    await refused({ serviceAccountName: 'default' }),
    'pods "m" is forbidden: a mirror pod may not reference service accounts',
  );
  const token = { projected: { sources: [{ serviceAccountToken: { path: 't' } }] } };
  assert.match(
    await refused({ volumes: [{ name: 'v', ...token }] }),
    /may not use ServiceAccountToken volume projections$/,
  );
  const made: Json = await api.expect(201, 'POST', `${at}/pods`, pod('m', { nodeName: 'n' }, mirror));
  assert.equal(made.spec.serviceAccountName, undefined);
  assert.equal(made.spec.volumes, undefined);
});
