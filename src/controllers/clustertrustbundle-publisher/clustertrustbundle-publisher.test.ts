import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { certificatesV1beta1 } from '../../api/refs.ts';
import { controllerBench } from '../../engine/controller-bench.ts';
import { trustBundlePublisherController } from './clustertrustbundle-publisher.ts';

const bundles = certificatesV1beta1.clustertrustbundles;
const signerName = 'kubernetes.io/kube-apiserver-serving';
const bundle = (name: string, signer?: string) => ({
  apiVersion: 'certificates.k8s.io/v1beta1',
  kind: 'ClusterTrustBundle',
  metadata: { name, uid: name },
  spec: { trustBundle: 'old', ...(signer ? { signerName: signer } : {}) },
});

describe('kube-apiserver-serving-clustertrustbundle-publisher-controller', () => {
  it('publishes the authority and takes away what was published before', async () => {
    const stale = bundle('kubernetes.io:kube-apiserver-serving:old', signerName);
    await using b = await controllerBench([trustBundlePublisherController('ca')], {
      objects: [stale, bundle('mine'), bundle('example.com:a:b', 'example.com/a')],
    });
    const names = () => b.client.objects(bundles).map(o => o.metadata.name);
    const own = names().find(n => /^kubernetes\.io:kube-apiserver-serving:[0-9a-f]{12}$/.test(n!));
    assert.deepEqual(names().toSorted(), ['example.com:a:b', own, 'mine']);
    assert.equal(b.client.object(bundles, own!)?.spec.trustBundle, 'ca');
  });

  it('gives back what somebody changed or deleted', async () => {
    await using b = await controllerBench([trustBundlePublisherController('ca')]);
    const [made] = b.client.objects(bundles);
    const { name } = made!.metadata;
    b.client.set(bundles, { ...made!, spec: { ...made!.spec, trustBundle: 'other' } } as any);
    await b.settle();
    assert.equal(b.client.object(bundles, name!)?.spec.trustBundle, 'ca');
    await b.client.delete(bundles, { name: name! });
    await b.settle();
    assert.equal(b.client.object(bundles, name!)?.spec.trustBundle, 'ca');
  });
});
