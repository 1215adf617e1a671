import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Mutable } from '../../api/meta.ts';
import { coreV1, rbacV1, storageV1 } from '../../api/refs.ts';
import { StatusError } from '../../api/status.ts';
import type { Volume } from '../../api/type/core-v1.ts';
import type { Client } from '../../client/client.ts';
import { startTestServer, type TestServer } from '../test-server.ts';

const namespace = 'default';
let server: TestServer;
let admin: Client;
let node: Client;

before(async () => {
  server = await startTestServer();
  admin = server.server.client({ userAgent: 'test' });
  node = await server.http({ name: 'system:node:n1', groups: ['system:nodes'] });
  await admin.create(coreV1.nodes, { metadata: { name: 'n1' } });
  await admin.create(coreV1.serviceaccounts, { metadata: { name: 'default', namespace } });
  for (const name of ['csi.example.com', 'file.csi.azure.com'])
    await admin.create(storageV1.csidrivers, {
      metadata: { name },
      spec: { tokenRequests: [{ audience: `of-${name}` }] },
    });
});
after(() => server.stop());

let count = 0;

/** A pod on the node, and what the server says of a token for these. */
async function podWith(volumes: Mutable<Volume>[]) {
  const name = `p${++count}`;
  const pod = await admin.create(coreV1.pods, {
    metadata: { name, namespace },
    spec: { nodeName: 'n1', automountServiceAccountToken: false, volumes, containers: [{ name: 'c', image: 'i' }] },
  });
  return async (...audiences: string[]): Promise<string> => {
    const boundObjectRef = { kind: 'Pod', apiVersion: 'v1', name, uid: pod.metadata.uid };
    const body = { kind: 'TokenRequest', apiVersion: 'authentication.k8s.io/v1', spec: { audiences, boundObjectRef } };
    try {
      const key = { namespace, name: 'default' };
      await node.createSubresource(coreV1.serviceaccounts, key, 'token', body);
      return 'given';
    } catch (error) {
      assert.ok(error instanceof StatusError, String(error));
      return error.message;
    }
  };
}

const refused = (audience: string) =>
  `serviceaccounts "default" is forbidden: audience "${audience}" not found in pod spec volume, system:node:n1 is not authorized to request tokens for this audience`;
const projected = (audience?: string): Mutable<Volume> =>
  ({ name: 'v', projected: { sources: [{ serviceAccountToken: { audience, path: 't' } }] } }) as Mutable<Volume>;

async function claimed(name: string, source: object): Promise<void> {
  const capacity = { storage: '1Gi' };
  const accessModes = ['ReadWriteOnce'];
  await admin.create(coreV1.persistentvolumes, {
    metadata: { name: `pv-${name}` },
    spec: { capacity, accessModes, ...source },
  });
  await admin.create(coreV1.persistentvolumeclaims, {
    metadata: { name, namespace },
    spec: { accessModes, volumeName: `pv-${name}`, resources: { requests: capacity } },
  });
}

test('a node asks for tokens for whom its pod names in a volume', async () => {
  const named = await podWith([projected('vault')]);
  assert.equal(await named('vault'), 'given');
  assert.equal(await named('other'), refused('other'));
  assert.equal(await named(), refused(''));
  assert.equal(
    await named('vault', 'other'),
    'serviceaccounts "default" is forbidden: node may only request 0 or 1 audiences',
  );
  const own = await podWith([projected()]);
  assert.equal(await own(), 'given');
  assert.equal(await own('vault'), refused('vault'));
});

test('and for whom the drivers of its volumes do', async () => {
  const audience = 'of-csi.example.com';
  const inline = await podWith([{ name: 'v', csi: { driver: 'csi.example.com' } }]);
  assert.equal(await inline(audience), 'given');
  assert.equal(await inline('of-file.csi.azure.com'), refused('of-file.csi.azure.com'));

  await claimed('mine', { csi: { driver: 'csi.example.com', volumeHandle: 'h' } });
  const byClaim = await podWith([{ name: 'v', persistentVolumeClaim: { claimName: 'mine' } }]);
  assert.equal(await byClaim(audience), 'given');
  const noClaim = await podWith([{ name: 'v', persistentVolumeClaim: { claimName: 'none' } }]);
  assert.equal(await noClaim(audience), refused(audience));

  await claimed(`p${count + 1}-scratch`, { csi: { driver: 'csi.example.com', volumeHandle: 'i' } });
  const volumeClaimTemplate = {
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  };
  const ephemeral = await podWith([{ name: 'scratch', ephemeral: { volumeClaimTemplate } }]);
  assert.equal(await ephemeral(audience), 'given');

  const taken = await podWith([{ name: 'v', azureFile: { secretName: 's', shareName: 's' } }]);
  assert.equal(await taken('of-file.csi.azure.com'), 'given');
});

test('and for whom rules let it', async () => {
  const none = await podWith([]);
  assert.equal(await none('registry'), refused('registry'));
  await admin.create(rbacV1.clusterroles, {
    metadata: { name: 'registry' },
    rules: [
      {
        verbs: ['request-serviceaccounts-token-audience'],
        apiGroups: [''],
        resources: ['registry'],
        resourceNames: ['default'],
      },
    ],
  });
  await admin.create(rbacV1.clusterrolebindings, {
    metadata: { name: 'registry' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'registry' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'system:nodes' }],
  });
  assert.equal(await none('registry'), 'given');
  assert.equal(await none('elsewhere'), refused('elsewhere'));
});
