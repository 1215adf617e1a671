import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isCanonicalPart } from '../../api/canonical-part.ts';
import type { Draft } from '../../api/meta.ts';
import { normalize } from '../../api/normalize.ts';
import { coreV1, rbacV1, resourceV1, storageV1 } from '../../api/refs.ts';
import { StatusError } from '../../api/status.ts';
import type { Pod, ResourceQuota } from '../../api/type/core-v1.ts';
import type { ResourceClaim } from '../../api/type/resource-v1.ts';
import type { Client } from '../../client/client.ts';
import { startTestServer, type TestServer } from '../test-server.ts';

let server: TestServer;
let client: Client;
let count = 0;

before(async () => {
  server = await startTestServer();
  client = server.server.client({ userAgent: 'test' });
});
after(() => server.stop());

async function newNamespace(labels: Record<string, string> = {}): Promise<string> {
  const name = `ns-${++count}`;
  await client.create(coreV1.namespaces, { metadata: { name, labels } });
  await client.create(coreV1.serviceaccounts, { metadata: { name: 'default', namespace: name } });
  return name;
}

const podIn = (namespace: string, spec: object = {}, name = 'p') =>
  ({ metadata: { name, namespace }, spec: { containers: [{ name: 'c', image: 'x' }], ...spec } }) as Draft<Pod>;

async function message(promise: Promise<unknown>, code = 403): Promise<string> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof StatusError, String(error));
    assert.equal(error.status.code, code);
    return error.message;
  }
  assert.fail('expected an error');
}

test('a limit range fills in and limits', async () => {
  const namespace = await newNamespace();
  await client.create(coreV1.limitranges, {
    metadata: { name: 'l', namespace },
    spec: {
      limits: [{ type: 'Container', default: { cpu: '500m' }, defaultRequest: { cpu: '100m' }, max: { cpu: '1' } }],
    },
  });
  const pod = await client.create(coreV1.pods, podIn(namespace));
  assert.deepEqual(pod.spec.containers[0]?.resources, { limits: { cpu: '500m' }, requests: { cpu: '100m' } });
  assert.equal(
    pod.metadata.annotations?.['kubernetes.io/limit-ranger'],
    'LimitRanger plugin set: cpu request for container c; cpu limit for container c',
  );
  const big = podIn(namespace, { containers: [{ name: 'c', image: 'x', resources: { limits: { cpu: '2' } } }] }, 'big');
  assert.equal(
    await message(client.create(coreV1.pods, big)),
    'pods "big" is forbidden: maximum cpu usage per Container is 1, but limit is 2',
  );
});

test('who mutates names an object by what its name is made of, who validates by its name', async () => {
  const namespace = await newNamespace();
  const draft = {
    ...podIn(namespace, { serviceAccountName: 'absent' }),
    metadata: { generateName: 'web-', namespace },
  };
  assert.equal(
    await message(client.create(coreV1.pods, draft as Draft<Pod>)),
    `pods "web-" is forbidden: error looking up service account ${namespace}/absent: serviceaccount "absent" not found`,
  );
  const limits = [{ type: 'Container', max: { cpu: '1' } }];
  await client.create(coreV1.limitranges, { metadata: { name: 'l', namespace }, spec: { limits } });
  const containers = [{ name: 'c', image: 'x', resources: { limits: { cpu: '2' } } }];
  const big = { ...podIn(namespace, { containers }), metadata: { generateName: 'web-', namespace } };
  assert.match(
    await message(client.create(coreV1.pods, big as Draft<Pod>)),
    /^pods "web-[a-z0-9]{5}" is forbidden: maximum cpu/,
  );
});

test('a quota holds against requests at the same time', async () => {
  const namespace = await newNamespace();
  const hard = { pods: '3', 'requests.cpu': '250m' };
  const made = await client.create(coreV1.resourcequotas, { metadata: { name: 'q', namespace }, spec: { hard } });
  // Not yet: the controller has not taken note of it.
  await client.create(coreV1.pods, podIn(namespace), { dryRun: true });
  const noted = await client.updateStatus(coreV1.resourcequotas, {
    metadata: { name: 'q', namespace, resourceVersion: made.metadata.resourceVersion },
    spec: { hard },
    status: { hard, used: { pods: '0' } },
  });
  assert.match(
    await message(client.create(coreV1.pods, podIn(namespace))),
    /^pods "p" is forbidden: failed quota: q: must specify requests.cpu for: c$/,
  );
  const asking = (name: string) =>
    podIn(namespace, { containers: [{ name: 'c', image: 'x', resources: { requests: { cpu: '100m' } } }] }, name);
  assert.equal(
    await message(client.create(coreV1.pods, asking('p'))),
    'pods "p" is forbidden: status unknown for quota: q, resources: pods,requests.cpu',
  );
  const used = { pods: '0', 'requests.cpu': '0' };
  await client.updateStatus(coreV1.resourcequotas, { ...noted, status: { hard, used } } as Draft<ResourceQuota>);
  const tries = await Promise.allSettled(
    Array.from({ length: 8 }, (_, i) => client.create(coreV1.pods, asking(`p${i}`))),
  );
  assert.equal(tries.filter(t => t.status === 'fulfilled').length, 2);
  const refused = tries.find(t => t.status === 'rejected') as PromiseRejectedResult;
  assert.match(
    (refused.reason as Error).message,
    /^pods "p\d" is forbidden: exceeded quota: q, requested: requests.cpu=100m, used: requests.cpu=200m, limited: requests.cpu=250m$/,
  );
  const quota = await client.get(coreV1.resourcequotas, { namespace, name: 'q' });
  assert.deepEqual(quota.status?.used, { pods: '2', 'requests.cpu': '200m' });
});

test('pod security refuses by the level of the namespace', async () => {
  const namespace = await newNamespace({ 'pod-security.kubernetes.io/enforce': 'restricted' });
  assert.equal(
    await message(client.create(coreV1.pods, podIn(namespace))),
    'pods "p" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
  );
  const good = podIn(namespace, {
    securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [
      {
        name: 'c',
        image: 'x',
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
      },
    ],
  });
  await client.create(coreV1.pods, good);
  const baseline = await newNamespace({ 'pod-security.kubernetes.io/enforce': 'baseline' });
  await client.create(coreV1.pods, podIn(baseline));
  assert.equal(
    await message(client.create(coreV1.pods, podIn(baseline, { hostNetwork: true, hostPID: true }, 'h'))),
    'pods "h" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true, hostPID=true)',
  );
  assert.match(
    await message(
      client.create(coreV1.namespaces, {
        metadata: { name: 'odd', labels: { 'pod-security.kubernetes.io/enforce': 'x' } },
      }),
      422,
    ),
    /must be one of privileged, baseline, restricted/,
  );
});

test('claims get the newest default class and are protected', async () => {
  const namespace = await newNamespace();
  await client.create(storageV1.storageclasses, {
    metadata: { name: 'std', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
    provisioner: 'example.com/p',
  });
  const claim = await client.create(coreV1.persistentvolumeclaims, {
    metadata: { name: 'c', namespace },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  });
  assert.equal(claim.spec.storageClassName, 'std');
  assert.deepEqual(claim.metadata.finalizers, ['kubernetes.io/pvc-protection']);
});

test('nobody hands out more than they hold', async () => {
  const namespace = await newNamespace();
  await client.create(rbacV1.clusterroles, {
    metadata: { name: 'rbac-writer' },
    rules: [{ apiGroups: ['rbac.authorization.k8s.io'], resources: ['*'], verbs: ['create', 'update'] }],
  });
  await client.create(rbacV1.clusterrolebindings, {
    metadata: { name: 'writer' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'rbac-writer' },
    subjects: [{ kind: 'ServiceAccount', name: 'w', namespace: 'kube-system' }],
  });
  const writer = server.server.client({ userAgent: 'w', serviceAccount: 'w' });
  const role = {
    metadata: { name: 'r', namespace },
    rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['get'] }],
  };
  const denied = await message(writer.create(rbacV1.roles, role));
  assert.match(denied, /is attempting to grant RBAC permissions not currently held:\n\{APIGroups:\[""\]/);
});

test('a node writes its own things only', async () => {
  const namespace = await newNamespace();
  const node = await server.http({ name: 'system:node:n1', groups: ['system:nodes'] });
  const own = await node.create(coreV1.nodes, { metadata: { name: 'n1' } });
  assert.equal(
    await message(node.create(coreV1.nodes, { metadata: { name: 'n2' } })),
    'nodes "n2" is forbidden: node "n1" is not allowed to modify node "n2"',
  );
  assert.match(
    await message(node.create(coreV1.pods, podIn(namespace, { nodeName: 'n1' }))),
    /node "n1" can only create mirror pods$/,
  );
  assert.match(
    await message(
      node.patch(
        coreV1.nodes,
        { name: own.metadata.name },
        { type: 'merge', body: { metadata: { labels: { 'node-restriction.kubernetes.io/x': '1' } } } },
      ),
    ),
    /is not allowed to modify labels: node-restriction.kubernetes.io\/x$/,
  );
});

test('of two quotas, the one that wants requests stated speaks before the one that is exceeded', async () => {
  const namespace = await newNamespace();
  const add = async (name: string, hard: Record<string, string>) => {
    const quota = await client.create(coreV1.resourcequotas, { metadata: { name, namespace }, spec: { hard } });
    const used = Object.fromEntries(Object.keys(hard).map(r => [r, '0']));
    await client.updateStatus(coreV1.resourcequotas, { ...quota, status: { hard, used } } as Draft<ResourceQuota>);
  };
  await add('a-none', { pods: '0' });
  await add('b-cpu', { 'requests.cpu': '1' });
  assert.equal(
    await message(client.create(coreV1.pods, podIn(namespace))),
    'pods "p" is forbidden: failed quota: b-cpu: must specify requests.cpu for: c',
  );
});

test('a quota limits the devices that claims ask for', async () => {
  const namespace = await newNamespace();
  const gpus = 'gpu.example.com.deviceclass.resource.k8s.io/devices';
  const quota = await client.create(coreV1.resourcequotas, {
    metadata: { name: 'q', namespace },
    spec: { hard: { [gpus]: '3' } },
  });
  const status = { hard: { [gpus]: '3' }, used: { [gpus]: '0' } };
  await client.updateStatus(coreV1.resourcequotas, { ...quota, status } as Draft<ResourceQuota>);
  const claim = (name: string, deviceCount: number) =>
    client.create(resourceV1.resourceclaims, {
      metadata: { name, namespace },
      spec: {
        devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'gpu.example.com', count: deviceCount } }] },
      },
    } as Draft<ResourceClaim>);
  await claim('two', 2);
  assert.equal(
    await message(claim('more', 2)),
    `resourceclaims.resource.k8s.io "more" is forbidden: exceeded quota: q, requested: ${gpus}=2, used: ${gpus}=2, limited: ${gpus}=3`,
  );
});

test('what every pod is given is held once, and is in canonical form', async () => {
  const namespace = await newNamespace();
  const [a, b] = [
    await client.create(coreV1.pods, podIn(namespace, {}, 'a')),
    await client.create(coreV1.pods, podIn(namespace, {}, 'b')),
  ];
  const projected = (pod: typeof a) => pod.spec.volumes?.[0]?.projected;
  assert.ok(isCanonicalPart(a.spec.tolerations!) && isCanonicalPart(projected(a)!));
  assert.equal(a.spec.tolerations, b.spec.tolerations);
  assert.equal(projected(a), projected(b));
  // A copy that is looked into.
  const copy = JSON.parse(JSON.stringify(a)) as object;
  assert.equal(JSON.stringify(normalize('io.k8s.api.core.v1.Pod', copy)), JSON.stringify(a));
});
