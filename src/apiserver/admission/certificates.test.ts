import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtinResources } from '../../api/resource.ts';
import type { AdmissionAttributes } from './admission.ts';
import { certificateSigning } from './certificates.ts';

test('who may not sign changes neither certificate nor conditions', async () => {
  const plugin = certificateSigning({ authorize: () => ({ decision: 'noOpinion', reason: '' }) });
  const resource = builtinResources().byId('certificates.k8s.io/v1/certificatesigningrequests');
  const request = (status: object) => ({ metadata: {}, spec: { signerName: 'example.com/a' }, status });
  const update = async (status: object) => {
    const attributes = {
      operation: 'UPDATE',
      resource,
      subresource: 'status',
      name: 'r',
      user: { name: 'ann', groups: [] },
      old: request({ conditions: [{ type: 'Approved', status: 'True' }] }),
      object: request(status),
    } as unknown as AdmissionAttributes;
    assert.ok(plugin.handles(attributes));
    await plugin.validate!(attributes);
  };
  const approved = { type: 'Approved', status: 'True' };
  await update({ conditions: [approved] });
  const why =
    /certificatesigningrequests.certificates.k8s.io "r" is forbidden: user not permitted to sign requests with signerName "example.com\/a"$/;
  await assert.rejects(update({ conditions: [approved], certificate: 'x' }), why);
  await assert.rejects(update({ conditions: [approved, { type: 'Failed', status: 'True' }] }), why);
  await assert.rejects(update({ conditions: [approved, { type: 'Odd', status: 'True' }] }), why);
});
