// Kinds that are off until a gate and --runtime-config switch them on, from end to end: every component together.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTime } from '../api/meta.ts';
import { appsV1, certificatesV1beta1, coreV1, resourceV1, resourceV1alpha3, resourceV1beta2 } from '../api/refs.ts';
import { readCertificateRequest } from '../base/certificate-request.ts';
import { systemRandom } from '../base/random.ts';
import { createCa, signCertificate } from '../base/x509.ts';
import { createCluster, virtualClock } from './create-cluster.ts';

type Any = any;
const namespace = 'default';
const hourMs = 3_600_000;

test('a pod starts with a certificate from a signer and the authorities of the API server', async () => {
  const cluster = await createCluster({
    ...{ nodes: 1, clock: virtualClock(), seed: 5 },
    featureGates: { ClusterTrustBundle: true, ClusterTrustBundleProjection: true, PodCertificateRequest: true },
    runtimeConfig: { 'certificates.k8s.io/v1beta1': true },
  });
  const client = cluster.client as Any;
  try {
    const published = await cluster.until(async () => {
      const fieldSelector = 'spec.signerName=kubernetes.io/kube-apiserver-serving';
      const { items } = await client.list(certificatesV1beta1.clustertrustbundles, { fieldSelector });
      return items[0];
    });
    assert.match(published.spec.trustBundle, /BEGIN CERTIFICATE/);
    const signerName = 'example.com/pods';
    const sources = [
      { clusterTrustBundle: { signerName: published.spec.signerName, labelSelector: {}, path: 'ca.pem' } },
      { podCertificate: { signerName, keyType: 'ECDSAP256', credentialBundlePath: 'pod.pem' } },
    ];
    await client.create(coreV1.pods, {
      metadata: { namespace, name: 'p' },
      spec: {
        containers: [{ name: 'c', image: 'i', volumeMounts: [{ name: 'v', mountPath: '/v' }] }],
        volumes: [{ name: 'v', projected: { sources } }],
      },
    });
    const request = await cluster.until(async () => {
      const fieldSelector = `spec.signerName=${signerName}`;
      return (await client.list(certificatesV1beta1.podcertificaterequests, { namespace, fieldSelector })).items[0];
    });
    assert.equal(request.spec.podName, 'p');
    assert.equal(request.spec.maxExpirationSeconds, 86_400);
    const get = () => client.get(coreV1.pods, { namespace, name: 'p' });
    assert.equal((await get()).status.phase, 'Pending');
    await client.updateStatus(certificatesV1beta1.podcertificaterequests, { ...request, status: await sign(request) });
    await cluster.until(async () => (await get()).status.phase === 'Running');
    await cluster.advance(20 * 60_000);
    const left = await client.list(certificatesV1beta1.podcertificaterequests, { namespace });
    assert.deepEqual(left.items, [], 'requests are cleaned up');
  } finally {
    await cluster.stop();
  }

  async function sign(request: Any): Promise<object> {
    const nowMs = cluster.clock.now();
    const making = { nowMs, random: systemRandom, days: 2 };
    const ca = await createCa({ commonName: 'signer', ...making });
    const { publicKey } = readCertificateRequest(Buffer.from(request.spec.stubPKCS10Request, 'base64'));
    const times = [0, 6 * hourMs, 12 * hourMs].map(ms => Math.floor(nowMs / 1000) * 1000 + ms);
    const [notBefore, beginRefreshAt, notAfter] = times.map(formatTime);
    const certificateChain = await signCertificate(ca, publicKey.export({ type: 'spki', format: 'pem' }) as string, {
      ...{ subject: { commonName: 'p' }, usages: 'client', ...making },
      exact: { notBeforeMs: times[0]!, notAfterMs: times[2]!, keyUsages: 0, extendedKeyUsages: [] },
    });
    const told = { type: 'Issued', status: 'True', reason: 'Signed', message: '' };
    const conditions = [{ ...told, lastTransitionTime: notBefore }];
    return { conditions, certificateChain, notBefore, beginRefreshAt, notAfter };
  }
});

test('a rule drives pods off the devices it taints, and keeps others away', async () => {
  const cluster = await createCluster({
    ...{ nodes: 1, clock: virtualClock(), seed: 6 },
    featureGates: { DRADeviceTaintRules: true, DRAResourcePoolStatus: true },
    runtimeConfig: { 'resource.k8s.io/v1beta2': true, 'resource.k8s.io/v1alpha3': true },
  });
  const client = cluster.client as Any;
  const driver = 'gpu.example.com';
  try {
    const nodeName = await cluster.until(async () => (await client.list(coreV1.nodes)).items[0]?.metadata.name);
    await client.create(resourceV1.deviceclasses, { metadata: { name: 'gpu' }, spec: {} });
    const pool = { name: nodeName, generation: 1, resourceSliceCount: 1 };
    await client.create(resourceV1.resourceslices, {
      metadata: { name: 's' },
      spec: { driver, nodeName, pool, devices: [{ name: 'x' }, { name: 'y' }] },
    });
    const pod = async (name: string) => {
      await client.create(resourceV1.resourceclaims, {
        metadata: { namespace, name },
        spec: { devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'gpu' } }] } },
      });
      await client.create(coreV1.pods, {
        metadata: { namespace, name },
        spec: {
          terminationGracePeriodSeconds: 0,
          resourceClaims: [{ name: 'g', resourceClaimName: name }],
          containers: [{ name: 'c', image: 'i', resources: { claims: [{ name: 'g' }] } }],
        },
      });
    };
    const find = (name: string) => client.get(coreV1.pods, { namespace, name }).catch(() => undefined);
    await pod('a');
    await cluster.until(async () => (await find('a')).status.phase === 'Running');
    const question = resourceV1alpha3.resourcepoolstatusrequests;
    await client.create(question, { metadata: { name: 'q' }, spec: { driver } });
    const { pools } = await cluster.until(async () => (await client.get(question, { name: 'q' })).status);
    assert.deepEqual([pools[0].totalDevices, pools[0].availableDevices], [2, 1]);
    const rules = resourceV1beta2.devicetaintrules;
    const made = await client.create(rules, {
      metadata: { name: 'broken' },
      spec: { deviceSelector: { driver }, taint: { key: 'example.com/broken', effect: 'None' } },
    });
    assert.ok(made.spec.taint.timeAdded);
    assert.equal(made.metadata.generation, 1);
    const condition = async (reason: string) => {
      const { conditions } = (await client.get(rules, { name: 'broken' })).status;
      return conditions?.[0].reason === reason && conditions[0];
    };
    const preview = await cluster.until(() => condition('NoEffect'));
    assert.match(
      preview.message,
      /^2 published devices selected\. 1 allocated device selected\. 1 pod would be evicted/,
    );
    const now = await client.get(rules, { name: 'broken' });
    await client.update(rules, { ...now, spec: { ...now.spec, taint: { ...now.spec.taint, effect: 'NoExecute' } } });
    await cluster.until(async () => !(await find('a')));
    const done = await cluster.until(() => condition('Completed'));
    assert.deepEqual([done.observedGeneration, done.message], [2, '1 pod evicted since starting the controller.']);
    await pod('b');
    await cluster.until(async () =>
      (await find('b')).status.conditions?.some((c: Any) => c.reason === 'Unschedulable'),
    );
    await client.delete(rules, { name: 'broken' });
    await cluster.until(async () => (await find('b')).status.phase === 'Running');
  } finally {
    await cluster.stop();
  }
});

test('all together run with everything switched on', async () => {
  const cluster = await createCluster({
    ...{ nodes: 1, clock: virtualClock(), seed: 5 },
    featureGates: { AllAlpha: true, AllBeta: true },
    runtimeConfig: { 'api/all': true },
  });
  const client = cluster.client as Any;
  try {
    const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    const spec = { replicas: 2, selector: { matchLabels: { a: 'b' } }, template };
    await client.create(appsV1.deployments, { metadata: { namespace, name: 'd' }, spec });
    await cluster.until(async () => {
      const { status } = await client.get(appsV1.deployments, { namespace, name: 'd' });
      return status.readyReplicas === 2;
    });
    await client.create(coreV1.namespaces, { metadata: { name: 'gone' } });
    await client.delete(coreV1.namespaces, { name: 'gone' });
    await cluster.until(async () => {
      const { items } = await client.list(coreV1.namespaces);
      return !items.some((n: Any) => n.metadata.name === 'gone');
    });
  } finally {
    await cluster.stop();
  }
});
