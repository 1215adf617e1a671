// Trust bundles and certificates in projected volumes, on a whole kubelet with files in memory.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatTime } from '../../api/meta.ts';
import { certificatesV1alpha1, certificatesV1beta1, coreV1 } from '../../api/refs.ts';
import { notFound } from '../../api/status.ts';
import type { PodCertificateRequest } from '../../api/type/certificates-v1beta1.ts';
import { readCertificateRequest } from '../../base/certificate-request.ts';
import { pemBlocks, pemText } from '../../base/pem.ts';
import { startTestNode, type TestNode } from '../test-node.ts';

const bundles = certificatesV1beta1.clustertrustbundles;
const requests = certificatesV1beta1.podcertificaterequests;
const anchor = (n: number) => pemText('CERTIFICATE', Uint8Array.of(n, 7, 9 - n));
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

const pod = (sources: object[], more: object = {}) =>
  ({
    metadata: { name: 'p', uid: 'pod-uid' },
    spec: {
      containers: [{ name: 'c', image: 'busybox', volumeMounts: [{ name: 'v', mountPath: '/v' }] }],
      volumes: [{ name: 'v', projected: { sources } }],
      ...more,
    },
  }) as any;

const bundle = (name: string, trustBundle: string, signerName?: string, labels: Record<string, string> = {}) => ({
  metadata: { name, labels },
  spec: { trustBundle, ...(signerName ? { signerName } : {}) },
});

async function file(node: TestNode, path: string): Promise<string | undefined> {
  const { uid } = (await node.getPod('p')).metadata;
  return node.host.readFile(`/var/lib/kubelet/pods/${uid}/volumes/kubernetes.io~projected/v/${path}`);
}
const phase = async (node: TestNode) => (await node.getPod('p')).status?.phase;

describe('clusterTrustBundle', () => {
  const source = (more: object) => ({ clusterTrustBundle: { path: 'ca.pem', ...more } });

  it('shows a bundle by name, sorted and without doubles, and follows it', async () => {
    const node = await startTestNode();
    await node.client.create(bundles, bundle('b', `a: b\n${anchor(1)}x\n${anchor(2)}${anchor(1)}`));
    await node.createPod(pod([source({ name: 'b' })]));
    await node.pass(2000);
    assert.equal(await phase(node), 'Running');
    assert.equal(await file(node, 'ca.pem'), anchor(2) + anchor(1));
    const now = await node.client.get(bundles, { name: 'b' });
    await node.client.update(bundles, { ...now, spec: { trustBundle: anchor(3) } } as any);
    await node.pass(2000);
    assert.equal(await file(node, 'ca.pem'), anchor(3));
    await node.stop();
  });

  it('takes all of a signer that a selector leaves', async () => {
    const node = await startTestNode();
    const signerName = 'example.com/a';
    await node.client.create(bundles, bundle('x', anchor(1), signerName, { live: 'yes' }));
    await node.client.create(bundles, bundle('y', anchor(2) + anchor(1), signerName, { live: 'yes' }));
    await node.client.create(bundles, bundle('z', anchor(3), signerName));
    await node.client.create(bundles, bundle('other', anchor(4), 'example.com/b', { live: 'yes' }));
    await node.createPod(pod([source({ signerName, labelSelector: { matchLabels: { live: 'yes' } } })]));
    await node.pass(2000);
    assert.equal(await file(node, 'ca.pem'), anchor(2) + anchor(1));
    await node.stop();
  });

  it('waits for what is not there, unless that is optional', async () => {
    const node = await startTestNode();
    await node.createPod(pod([source({ name: 'b' })]));
    await node.pass(1000);
    assert.equal(await phase(node), 'Pending');
    assert.match((await node.events('p')).join('\n'), /clustertrustbundle\.certificates\.k8s\.io "b" not found/);
    await node.client.create(bundles, bundle('b', anchor(1)));
    await node.pass(2000);
    assert.equal(await phase(node), 'Running');
    await node.stop();
    const second = await startTestNode();
    await second.createPod(pod([source({ signerName: 'example.com/a', labelSelector: {}, optional: true })]));
    await second.pass(2000);
    assert.equal(await phase(second), 'Running');
    assert.equal(await file(second, 'ca.pem'), '');
    await second.stop();
  });

  it('takes bundles of v1alpha1 where the server has no other', async () => {
    const node = await startTestNode();
    node.client.react(a =>
      a.resource.resource === 'clustertrustbundles' && a.resource.version === 'v1beta1'
        ? notFound(bundles, '')
        : undefined,
    );
    await node.client.create(certificatesV1alpha1.clustertrustbundles, bundle('b', anchor(1)));
    await node.createPod(pod([source({ name: 'b' })]));
    await node.pass(2000);
    assert.equal(await file(node, 'ca.pem'), anchor(1));
    await node.stop();
  });

  it('matches nothing without a selector, and says when the kind is not served', async () => {
    const node = await startTestNode();
    await node.client.create(bundles, bundle('x', anchor(1), 'example.com/a'));
    await node.createPod(pod([source({ signerName: 'example.com/a' })]));
    await node.pass(1000);
    const zero = /combination of signerName and labelSelector matched zero ClusterTrustBundles/;
    assert.match((await node.events('p')).join('\n'), zero);
    await node.stop();
    const bare = await startTestNode();
    bare.client.react(a =>
      a.verb === 'list' && a.resource.resource === 'clustertrustbundles' ? notFound(bundles, '') : undefined,
    );
    await bare.createPod(pod([source({ name: 'b' })]));
    await bare.pass(1000);
    assert.match((await bare.events('p')).join('\n'), /the API server does not serve ClusterTrustBundles/);
    await bare.stop();
  });
});

describe('podCertificate', () => {
  const source = (more: object = {}) => ({
    podCertificate: {
      ...{ signerName: 'example.com/a', keyType: 'ED25519', maxExpirationSeconds: 7200 },
      ...{ credentialBundlePath: 'both.pem', keyPath: 'key.pem', certificateChainPath: 'chain.pem' },
      ...more,
    },
  });

  async function start(more: object = {}, spec: object = {}): Promise<TestNode> {
    const node = await startTestNode();
    await node.client.create(coreV1.serviceaccounts, { metadata: { name: 'default', namespace: 'default' } });
    await node.createPod(pod([source(more)], spec));
    await node.pass(1000);
    return node;
  }
  const all = async (node: TestNode) => (await node.client.list(requests, {})).items;

  async function answer(node: TestNode, request: PodCertificateRequest, type: string, more: object = {}) {
    const lastTransitionTime = formatTime(node.clock.now());
    const conditions = [{ type, status: 'True', reason: 'Because', message: 'so it is', lastTransitionTime }];
    await node.client.updateStatus(requests, { ...request, status: { conditions, ...more } } as any);
    await node.pass(2000);
  }
  const issued = (node: TestNode, n: number) => ({
    certificateChain: `x\n${anchor(n)}y\n${anchor(n + 1)}`,
    notBefore: formatTime(node.clock.now()),
    beginRefreshAt: formatTime(node.clock.now() + hourMs),
    notAfter: formatTime(node.clock.now() + 2 * hourMs),
  });

  it('makes a key, asks for a certificate, and starts the pod with both', async () => {
    const node = await start({ userAnnotations: { 'a.b/c': 'd' } }, { securityContext: { fsGroup: 5 } });
    assert.equal(await phase(node), 'Pending');
    assert.match((await node.events('p')).join('\n'), /credential bundle is not issued yet/);
    const [request] = await all(node);
    const { stubPKCS10Request, ...spec } = request!.spec;
    const account = await node.client.get(coreV1.serviceaccounts, { namespace: 'default', name: 'default' });
    const machine = await node.client.get(coreV1.nodes, { name: 'node-a' });
    const { uid } = (await node.getPod('p')).metadata;
    assert.deepEqual(spec, {
      ...{ signerName: 'example.com/a', podName: 'p', podUID: uid, maxExpirationSeconds: 7200 },
      ...{ serviceAccountName: 'default', serviceAccountUID: account.metadata.uid },
      ...{ nodeName: 'node-a', nodeUID: machine.metadata.uid, unverifiedUserAnnotations: { 'a.b/c': 'd' } },
    });
    assert.ok(readCertificateRequest(Buffer.from(stubPKCS10Request, 'base64')).isSigned);
    await answer(node, request!, 'Issued', issued(node, 1));
    assert.equal(await phase(node), 'Running');
    const key = await file(node, 'key.pem');
    assert.deepEqual(
      pemBlocks(key!).map(b => b.type),
      ['PRIVATE KEY'],
    );
    assert.equal(await file(node, 'chain.pem'), anchor(1) + anchor(2));
    assert.equal(await file(node, 'both.pem'), key! + anchor(1) + anchor(2));
    assert.equal((await all(node)).length, 1);
    await node.stop();
  });

  it('renews it with another key when the signer says, and keeps the old one until then', async () => {
    const node = await start();
    await answer(node, (await all(node))[0]!, 'Issued', issued(node, 1));
    const key = await file(node, 'key.pem');
    await node.pass(hourMs - minuteMs);
    assert.equal((await all(node)).length, 1);
    await node.pass(8 * minuteMs);
    const second = (await all(node)).find(r => !r.status?.conditions)!;
    assert.ok(second, 'a second request');
    assert.equal(await file(node, 'chain.pem'), anchor(1) + anchor(2));
    await node.pass(5 * minuteMs);
    assert.match((await node.events('p')).join('\n'), /CertificateOverdueForRefresh/);
    await answer(node, second, 'Issued', issued(node, 3));
    assert.equal(await file(node, 'chain.pem'), anchor(3) + anchor(4));
    assert.notEqual(await file(node, 'key.pem'), key);
    await node.stop();
  });

  it('does not start the pod when the signer refuses, and asks no more', async () => {
    for (const type of ['Denied', 'Failed']) {
      const node = await start();
      await answer(node, (await all(node))[0]!, type);
      await node.pass(10 * minuteMs);
      assert.equal(await phase(node), 'Pending');
      const events = (await node.events('p')).join('\n');
      assert.match(
        events,
        new RegExp(
          `^${type}: PodCertificateRequest "req-.*" was ${type.toLowerCase()}, reason="Because", message="so it is"$`,
          'm',
        ),
      );
      assert.match(events, new RegExp(`permanently ${type.toLowerCase()}: reason="Because" message="so it is"`));
      assert.equal((await all(node)).length, 1);
      await node.stop();
    }
  });

  it('goes on with the old one until it expires when renewing is refused', async () => {
    const node = await start();
    await answer(node, (await all(node))[0]!, 'Issued', issued(node, 1));
    await node.pass(hourMs + 6 * minuteMs);
    await answer(node, (await all(node)).find(r => !r.status?.conditions)!, 'Denied');
    assert.equal(await file(node, 'chain.pem'), anchor(1) + anchor(2));
    await node.pass(hourMs);
    assert.match((await node.events('p')).join('\n'), /CertificateExpired/);
    assert.equal(await phase(node), 'Running');
    await node.stop();
  });

  it('asks again when the request is swept up without an answer', async () => {
    const node = await start();
    const [first] = await all(node);
    await node.client.delete(requests, { namespace: 'default', name: first!.metadata.name! });
    await node.pass(20 * minuteMs);
    const [second, ...more] = await all(node);
    assert.ok(second && second.metadata.name !== first!.metadata.name);
    assert.equal(more.length, 0);
    await node.stop();
  });
});
