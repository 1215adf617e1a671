import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../api/meta.ts';
import type { ResourceRef } from '../api/ref.ts';
import { apiextensionsV1, appsV1, coreV1, discoveryV1, storagemigrationV1beta1, storageV1 } from '../api/refs.ts';
import { definition, isTrue } from '../apiserver/custom/test-definition.ts';
import type { ApiServerOptions } from '../apiserver/server-options.ts';
import { startTestServer } from '../apiserver/test-server.ts';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { createMetrics } from '../base/metrics.ts';
import { systemRandom } from '../base/random.ts';
import type { Client, DeleteOptions, WatchEventType } from '../client/client.ts';
import { memoryStore } from '../store/memory-store.ts';
import type { Store } from '../store/store.ts';
import type { ControlPlaneContext } from './component-context.ts';
import { createControllers } from './control-plane-controllers.ts';

/** Resolves once an event of the kind is as wanted. */
function seen(
  client: Client,
  resource: ResourceRef<any>,
  wanted: (object: any, type: WatchEventType) => boolean,
): Promise<any> {
  return new Promise((resolve, reject) => {
    const namespace = resource.namespaced ? { namespace: 'default' } : {};
    const handle = client.watch<KubeObject>(resource, namespace, {
      onEvent(type, object) {
        if (type === 'BOOKMARK' || !wanted(object, type)) return;
        queueMicrotask(() => handle.stop());
        resolve(object);
      },
      onClose: error => reject(error ?? new Error('the watch has ended')),
    });
  });
}

const named = (name: string) => (o: KubeObject, type: WatchEventType) => o.metadata.name === name && type !== 'DELETED';
const gone = (name: string) => (o: KubeObject, type: WatchEventType) => o.metadata.name === name && type === 'DELETED';

async function withControllers(
  use: (client: Client) => Promise<void>,
  settings: Pick<ApiServerOptions, 'featureGates' | 'runtimeConfig'> & { store?: Store } = {},
): Promise<void> {
  const { server, ca, stop } = await startTestServer(settings);
  const abort = new AbortController();
  const context = {
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    metrics: createMetrics(),
    clusterCa: ca,
    config: { podCidr: '10.244.0.0/16', featureGates: settings.featureGates },
    client: (identity: Parameters<ControlPlaneContext['client']>[0]) => server.client(identity),
  } as unknown as ControlPlaneContext;
  const running = createControllers(context).run(abort.signal);
  try {
    const client = server.client({ userAgent: 'test' });
    await seen(client, coreV1.serviceaccounts, named('default'));
    await use(client);
  } finally {
    abort.abort();
    await running;
    await stop();
  }
}

const key = (name: string) => ({ namespace: 'default', name });

test(
  'services get their slices and endpoints through the API server, and lose them with the service',
  {
    timeout: 30_000,
  },
  () =>
    withControllers(async client => {
      const labels = { app: 'web' };
      await client.create(coreV1.nodes, { metadata: { name: 'n', labels: { 'topology.kubernetes.io/zone': 'z' } } });
      await client.create(coreV1.services, {
        metadata: key('web'),
        spec: { selector: labels, ports: [{ port: 80, targetPort: 'http' }] },
      } as object);
      const ports = [{ name: 'http', containerPort: 8080 }];
      await client.create(coreV1.pods, {
        metadata: { ...key('p'), labels },
        spec: { nodeName: 'n', containers: [{ name: 'c', image: 'i', ports }] },
      } as object);
      const status = { phase: 'Running', podIP: '10.1.0.1', podIPs: [{ ip: '10.1.0.1' }] };
      const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }];
      const body = { status: { ...status, conditions } };
      await client.patch(coreV1.pods, key('p'), { type: 'merge', body }, { subresource: 'status' });
      const slice = await seen(
        client,
        discoveryV1.endpointslices,
        s => s.endpoints?.[0]?.conditions.ready && s.ports[0].port === 8080,
      );
      assert.equal(slice.endpoints[0].zone, 'z');
      const endpoints = await seen(
        client,
        coreV1.endpoints,
        e => e.metadata.name === 'web' && e.subsets?.[0]?.addresses,
      );
      assert.equal(endpoints.subsets[0].addresses[0].ip, '10.1.0.1');
      const ends = Promise.all([
        seen(client, discoveryV1.endpointslices, gone(slice.metadata.name)),
        seen(client, coreV1.endpoints, gone('web')),
      ]);
      await client.delete(coreV1.services, key('web'));
      await ends;
    }),
);

test('owners go before, after or without their dependents, as the deletion asks', { timeout: 30_000 }, () =>
  withControllers(async client => {
    const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    const spec = { replicas: 1, selector: { matchLabels: { a: 'b' } }, template };
    const end = async (policy: NonNullable<DeleteOptions['propagationPolicy']>) => {
      const order: string[] = [];
      await client.create(appsV1.deployments, { metadata: key('d'), spec } as object);
      const ownedBy = (name: string) => (o: KubeObject, type: WatchEventType) =>
        type !== 'DELETED' && !!o.metadata.ownerReferences?.some(r => r.name === name);
      const replicaSet = await seen(client, appsV1.replicasets, ownedBy('d'));
      const pod = await seen(client, coreV1.pods, ownedBy(replicaSet.metadata.name));
      const follow = (resource: ResourceRef<any>, name: string) =>
        seen(client, resource, gone(name)).then(() => order.push(resource.kind));
      const deployment = follow(appsV1.deployments, 'd');
      const rest = [follow(appsV1.replicasets, replicaSet.metadata.name), follow(coreV1.pods, pod.metadata.name)];
      await client.delete(appsV1.deployments, key('d'), { propagationPolicy: policy });
      await deployment;
      if (policy === 'Orphan') {
        await seen(client, appsV1.replicasets, (o: KubeObject) => !o.metadata.ownerReferences?.length);
        await client.delete(appsV1.replicasets, key(replicaSet.metadata.name), { propagationPolicy: 'Background' });
      }
      await Promise.all(rest);
      return order.join();
    };
    assert.equal(await end('Foreground'), 'Pod,ReplicaSet,Deployment');
    assert.equal(await end('Background'), 'Deployment,ReplicaSet,Pod');
    assert.equal(await end('Orphan'), 'Deployment,ReplicaSet,Pod');
  }),
);

test('a claim is bound to a volume, holds it, and lets it go', { timeout: 30_000 }, () =>
  withControllers(async client => {
    const size = { storage: '1Gi' };
    const accessModes = ['ReadWriteOnce'];
    await client.create(coreV1.persistentvolumes, {
      metadata: { name: 'v' },
      spec: { capacity: size, accessModes, persistentVolumeReclaimPolicy: 'Retain', hostPath: { path: '/data' } },
    } as object);
    await client.create(coreV1.persistentvolumeclaims, {
      metadata: key('c'),
      spec: { storageClassName: '', accessModes, resources: { requests: size } },
    } as object);
    const bound = await seen(client, coreV1.persistentvolumeclaims, c => c.status.phase === 'Bound');
    assert.deepEqual(bound.metadata.finalizers, ['kubernetes.io/pvc-protection']);
    await client.delete(coreV1.persistentvolumeclaims, key('c'));
    await seen(client, coreV1.persistentvolumes, v => v.status.phase === 'Released');
    const end = seen(client, coreV1.persistentvolumes, gone('v'));
    await client.delete(coreV1.persistentvolumes, { name: 'v' });
    await end;
  }),
);

test('a service of type LoadBalancer gets the addresses of the nodes', async () => {
  await withControllers(async client => {
    await client.create(coreV1.nodes, { metadata: { name: 'n' } });
    const condition = { type: 'Ready', status: 'True', lastHeartbeatTime: '2026-01-01T00:00:00Z' };
    const addresses = [{ type: 'InternalIP', address: '10.1.1.1' }];
    const status = { addresses, conditions: [condition] };
    const key = { namespace: 'default', name: 'front' };
    await client.patch(coreV1.nodes, { name: 'n' }, { type: 'merge', body: { status } }, { subresource: 'status' });
    const balanced = seen(client, coreV1.services, s => s.status.loadBalancer?.ingress?.[0]?.ip === '10.1.1.1');
    await client.create(coreV1.services, {
      metadata: { name: key.name, namespace: key.namespace },
      spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
    });
    const service = await balanced;
    assert.deepEqual(service.metadata.finalizers, ['service.kubernetes.io/load-balancer-cleanup']);
    const over = seen(client, coreV1.services, gone(key.name));
    await client.delete(coreV1.services, key);
    await over;
  });
});

test('a storage version migration stores every object in the version of today', { timeout: 30_000 }, async () => {
  const store = memoryStore({ clock: systemClock });
  const lies = async (path: string) => JSON.parse(Buffer.from((await store.get(path))!.value).toString());
  const attributes = '/registry/volumeattributesclasses/a';
  const old = {
    kind: 'VolumeAttributesClass',
    apiVersion: 'storage.k8s.io/v1beta1',
    metadata: { name: 'a', uid: 'u', creationTimestamp: '2026-01-01T00:00:00Z' },
    driverName: 'd.example.com',
    parameters: { a: 'b' },
  };
  await store.create(attributes, () => Buffer.from(JSON.stringify(old)));
  await withControllers(
    async client => {
      const { storageversionmigrations } = storagemigrationV1beta1;
      const migrate = async (name: string, group: string, resource: string) => {
        const over = seen(
          client,
          storageversionmigrations,
          m => m.metadata.name === name && m.status?.conditions?.length > 1,
        );
        await client.create(storageversionmigrations, {
          metadata: { name },
          spec: { resource: { group, resource } },
        });
        const { status } = await over;
        assert.deepEqual(
          status.conditions.map((c: { type: string; status: string }) => `${c.type}=${c.status}`),
          ['Running=False', 'Succeeded=True'],
        );
        assert.ok(Number(status.resourceVersion) > 0);
      };
      assert.equal((await lies(attributes)).apiVersion, 'storage.k8s.io/v1beta1');
      await migrate('built-in', 'storage.k8s.io', 'volumeattributesclasses');
      const { apiVersion, driverName, metadata } = await lies(attributes);
      assert.deepEqual([apiVersion, driverName, metadata.uid], ['storage.k8s.io/v1', 'd.example.com', 'u']);

      const group = 'migrated.example.com';
      const versions = (stored: string) => ['v1', 'v2'].map(name => ({ name, storage: name === stored }));
      const established = seen(client, apiextensionsV1.customresourcedefinitions, crd => isTrue(crd, 'Established'));
      await client.create(apiextensionsV1.customresourcedefinitions, definition(group, versions('v1')));
      await established;
      const ref = (version: string) =>
        ({
          group,
          version,
          resource: 'widgets',
          kind: 'Widget',
          namespaced: true,
        }) as unknown as ResourceRef<KubeObject>;
      for (const name of ['x', 'y'])
        await client.create(ref('v1'), { metadata: { name, namespace: 'default' }, spec: { a: 1 } } as never);
      const path = (name: string) => `/registry/${group}/widgets/default/${name}`;
      const moved = seen(client, apiextensionsV1.customresourcedefinitions, c => c.status.storedVersions.length > 1);
      const { spec } = definition(group, versions('v2'));
      await client.patch(
        apiextensionsV1.customresourcedefinitions,
        { name: `widgets.${group}` },
        {
          type: 'merge',
          body: { spec: { versions: spec.versions } },
        },
      );
      await moved;
      assert.equal((await lies(path('x'))).apiVersion, `${group}/v1`);
      await migrate('custom', group, 'widgets');
      for (const name of ['x', 'y']) {
        const stored = await lies(path(name));
        assert.deepEqual([stored.apiVersion, stored.spec], [`${group}/v2`, { a: 1 }]);
      }
    },
    {
      store,
      featureGates: { StorageVersionMigrator: true },
      runtimeConfig: { 'storagemigration.k8s.io/v1beta1': true },
    },
  );
});

test('a volume of a CSI driver is attached for a pod, and detached after it', async () => {
  await withControllers(async client => {
    const annotations = { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' };
    await client.create(coreV1.nodes, { metadata: { name: 'm', annotations } });
    await client.create(coreV1.persistentvolumes, {
      metadata: { name: 'v' },
      spec: {
        capacity: { storage: '1Gi' },
        accessModes: ['ReadWriteOnce'],
        csi: { driver: 'd.example.com', volumeHandle: 'h' },
        claimRef: { namespace: 'default', name: 'c' },
      },
    });
    await client.create(coreV1.persistentvolumeclaims, {
      metadata: { name: 'c', namespace: 'default' },
      spec: {
        accessModes: ['ReadWriteOnce'],
        storageClassName: '',
        volumeName: 'v',
        resources: { requests: { storage: '1Gi' } },
      },
    });
    const attachment = seen(client, storageV1.volumeattachments, (_, type) => type !== 'DELETED');
    await client.create(coreV1.pods, {
      metadata: { name: 'user', namespace: 'default' },
      spec: {
        nodeName: 'm',
        tolerations: [{ operator: 'Exists' }],
        containers: [{ name: 'c', image: 'x' }],
        volumes: [{ name: 'x', persistentVolumeClaim: { claimName: 'c' } }],
      },
    });
    const { metadata, spec } = await attachment;
    assert.deepEqual(spec, { attacher: 'd.example.com', source: { persistentVolumeName: 'v' }, nodeName: 'm' });
    const attached = seen(client, coreV1.nodes, n => n.status.volumesAttached?.length);
    const body = { status: { attached: true } };
    await client.patch(storageV1.volumeattachments, metadata, { type: 'merge', body }, { subresource: 'status' });
    const node = await attached;
    assert.deepEqual(node.status.volumesAttached, [{ name: 'kubernetes.io/csi/d.example.com^h', devicePath: '' }]);
    const detached = seen(client, storageV1.volumeattachments, gone(metadata.name));
    await client.delete(coreV1.pods, { namespace: 'default', name: 'user' }, { gracePeriodSeconds: 0 });
    await detached;
  });
});
