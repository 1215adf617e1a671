import assert from 'node:assert/strict';
import { it } from 'node:test';
import { formatTime } from '../../api/meta.ts';
import { certificatesV1beta1 } from '../../api/refs.ts';
import { controllerBench } from '../../engine/controller-bench.ts';
import { podCertificateRequestCleanerController } from './podcertificaterequest-cleaner.ts';

const requests = certificatesV1beta1.podcertificaterequests;
const startMs = Date.UTC(2026, 0, 1);

it('deletes requests a quarter of an hour after they were made, whatever came of them', async () => {
  const request = (name: string, ageMinutes: number) => ({
    apiVersion: 'certificates.k8s.io/v1beta1',
    kind: 'PodCertificateRequest',
    metadata: { namespace: 'a', name, uid: name, creationTimestamp: formatTime(startMs - ageMinutes * 60_000) },
    spec: {},
  });
  await using b = await controllerBench([podCertificateRequestCleanerController()], {
    startMs,
    objects: [request('old', 16), request('young', 8)],
  });
  const names = () => b.client.objects(requests).map(r => r.metadata.name);
  assert.deepEqual(names(), ['young']);
  await b.advance(6 * 60_000);
  assert.deepEqual(names(), ['young']);
  await b.advance(5 * 60_000);
  assert.deepEqual(names(), []);
});
