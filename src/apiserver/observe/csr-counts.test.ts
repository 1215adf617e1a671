import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetrics } from '../../base/metrics.ts';
import { systemRandom } from '../../base/random.ts';
import { createCa } from '../../base/x509.ts';
import { csrCounts } from './csr-counts.ts';
import { ServerCounts } from './server-counts.ts';

test('issued certificates are counted once, by whether they last as long as was asked', async () => {
  const metrics = createMetrics();
  const { afterUpdate } = csrCounts(new ServerCounts(metrics));
  const { certificatePem } = await createCa({ commonName: 'a', nowMs: 1.7e12, random: systemRandom, days: 1 });
  const certificate = Buffer.from(certificatePem).toString('base64');
  const day = 86_400;
  const issue = (signerName: string, expirationSeconds: number | undefined, before?: string) => {
    const spec = { signerName, ...(expirationSeconds ? { expirationSeconds } : {}) };
    afterUpdate!({ spec, status: { certificate } } as never, { spec, status: { certificate: before } } as never);
  };
  const client = 'kubernetes.io/kube-apiserver-client';
  issue(client, day);
  issue(client, 2 * day);
  issue('example.com/own', day);
  issue(client, undefined);
  issue(client, day, certificate);
  const lines = (await metrics.text()).split('\n').filter(l => l.startsWith('apiserver_certificates_registry_csr_'));
  assert.deepEqual(lines.sort(), [
    `apiserver_certificates_registry_csr_honored_duration_total{signerName="${client}"} 1`,
    'apiserver_certificates_registry_csr_honored_duration_total{signerName="other"} 1',
    `apiserver_certificates_registry_csr_requested_duration_total{signerName="${client}"} 2`,
    'apiserver_certificates_registry_csr_requested_duration_total{signerName="other"} 1',
  ]);
});
