import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { Draft } from '../../api/meta.ts';
import { certificatesV1 } from '../../api/refs.ts';
import type { CertificateSigningRequest } from '../../api/type/certificates-v1.ts';
import { seededRandom } from '../../base/random.ts';
import {
  type CertificateAndKey,
  createCa,
  createCertificateRequest,
  generateEcKey,
  parseCertificate,
} from '../../base/x509.ts';
import type { FakeClient } from '../../client/fake-client.ts';
import { type ControllerBench, controllerBench } from '../../engine/controller-bench.ts';
import { csrApprovingController, csrCleanerController, csrSigningController } from './certificate.ts';

const nowMs = Date.UTC(2026, 0, 1);
const node = { commonName: 'system:node:n', organizations: ['system:nodes'] };
const kubelet = {
  signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
  usages: ['digital signature', 'client auth'],
};
const approved = { type: 'Approved', status: 'True', lastUpdateTime: '2026-01-01T00:00:00Z' };

async function csr(
  name: string,
  spec: Draft<CertificateSigningRequest>['spec'],
  subject: { commonName: string; organizations?: string[] } = node,
  conditions: object[] = [],
): Promise<Draft<CertificateSigningRequest>> {
  const pem = await createCertificateRequest(generateEcKey().keyPem, subject);
  return {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { request: Buffer.from(pem).toString('base64'), username: 'system:node:n', ...spec },
    status: conditions.length ? { conditions: conditions as [] } : {},
  };
}

/** Subject access reviews that name this subresource are allowed. */
const allowing = (subresource: string) => (client: FakeClient) => {
  const as = client.as.bind(client);
  client.as = identity => {
    const inner = as(identity);
    const create = inner.create.bind(inner);
    inner.create = (resource, object, options) =>
      resource.resource === 'subjectaccessreviews'
        ? Promise.resolve({
            status: { allowed: (object as any).spec.resourceAttributes.subresource === subresource },
          } as never)
        : create(resource, object, options);
    return inner;
  };
};

const found = (bench: ControllerBench, name: string) =>
  bench.client.object(certificatesV1.certificatesigningrequests, name);
const conditions = (bench: ControllerBench, name: string) =>
  found(bench, name)!.status?.conditions?.map(c => `${c.type} ${c.reason}: ${c.message}`) ?? [];

/** Cryptography takes time of its own. */
async function until(bench: ControllerBench, done: () => boolean): Promise<void> {
  while (!done()) await bench.advance(1);
}

describe('certificatesigningrequest-approving-controller', () => {
  it('approves what a kubelet asks for itself, and for a new node who may', async () => {
    const objects = [await csr('own', kubelet), await csr('other', { ...kubelet, username: 'bootstrap' })];
    await using self = await controllerBench([csrApprovingController()], {
      objects,
      prepare: allowing('selfnodeclient'),
    });
    await until(self, () => conditions(self, 'own').length > 0 && self.log.some(l => l.includes('not approved')));
    assert.deepEqual(conditions(self, 'own'), [
      'Approved AutoApproved: Auto approving self kubelet client certificate after SubjectAccessReview.',
    ]);
    assert.deepEqual(conditions(self, 'other'), []);
    assert.ok(self.log.some(l => l.includes('as [nodeclient] but subject access review was not approved')));
    await using others = await controllerBench([csrApprovingController()], {
      objects,
      prepare: allowing('nodeclient'),
    });
    await until(others, () => conditions(others, 'other').length > 0);
    assert.equal(conditions(others, 'other').length, 1);
  });

  it('leaves all other requests to people', async () => {
    const objects = [
      await csr('serving', {
        signerName: 'kubernetes.io/kubelet-serving',
        usages: ['digital signature', 'server auth'],
      }),
      await csr('usages', { ...kubelet, usages: ['client auth'] }),
      await csr('group', kubelet, { commonName: 'system:node:n', organizations: ['system:masters'] }),
      await csr('denied', kubelet, node, [{ type: 'Denied', status: 'True' }]),
      await csr('z-mine', kubelet),
    ];
    await using bench = await controllerBench([csrApprovingController()], {
      objects,
      prepare: allowing('selfnodeclient'),
    });
    await until(bench, () => conditions(bench, 'z-mine').length > 0);
    assert.deepEqual(bench.client.writes(), ['update certificatesigningrequests/approval z-mine']);
  });
});

describe('certificatesigningrequest-signing-controller', () => {
  let ca: CertificateAndKey;
  before(async () => {
    ca = await createCa({ commonName: 'kubernetes', nowMs, random: seededRandom(1), days: 3650 });
  });
  const client = { signerName: 'kubernetes.io/kube-apiserver-client', usages: ['client auth'] };
  const jane = { commonName: 'jane', organizations: ['dev', 'ops'] };

  it('signs what has been approved, as asked', async () => {
    const objects = [
      await csr('year', client, jane, [approved]),
      await csr('hour', { ...client, expirationSeconds: 3600 }, jane, [approved]),
      await csr('pending', client, jane),
      await csr('foreign', { ...client, signerName: 'example.com/mine' }, jane, [approved]),
    ];
    await using bench = await controllerBench([csrSigningController(ca)], { objects, startMs: nowMs });
    await until(bench, () => ['hour', 'year'].every(n => !!found(bench, n)!.status?.certificate));
    const of = (name: string) =>
      parseCertificate(Buffer.from(found(bench, name)!.status!.certificate!, 'base64').toString());
    const year = of('year');
    assert.deepEqual(year.subject, jane);
    assert.deepEqual(year.extendedKeyUsages, ['1.3.6.1.5.5.7.3.2']);
    assert.equal(year.isCa, false);
    assert.equal(year.notBeforeMs, nowMs - 300_000);
    assert.equal(year.notAfterMs, nowMs + 365 * 86_400_000 - 300_000);
    assert.ok(year.certificate.verify(parseCertificate(ca.certificatePem).certificate.publicKey));
    assert.ok(of('hour').notAfterMs - nowMs >= 3_600_000 && of('hour').notAfterMs - nowMs < 3_601_000);
    assert.equal(found(bench, 'pending')!.status?.certificate, undefined);
    assert.equal(found(bench, 'foreign')!.status?.certificate, undefined);
  });

  it('says why it does not', async () => {
    const objects = [
      await csr('usages', { ...client, usages: ['client auth', 'server auth'] }, jane, [approved]),
      await csr(
        'serving',
        { signerName: 'kubernetes.io/kubelet-serving', usages: ['digital signature', 'server auth'] },
        node,
        [approved],
      ),
    ];
    await using bench = await controllerBench([csrSigningController(ca)], { objects, startMs: nowMs });
    await until(bench, () => ['usages', 'serving'].every(n => conditions(bench, n).length === 2));
    assert.equal(conditions(bench, 'usages')[1], 'Failed SignerValidationFailure: usage "server auth" is not allowed');
    assert.equal(
      conditions(bench, 'serving')[1],
      'Failed SignerValidationFailure: DNS or IP subjectAltName is required',
    );
    bench.client.clearActions();
    await bench.advance(60_000);
    assert.deepEqual(bench.client.writes(), []);
  });
});

describe('certificatesigningrequest-cleaner-controller', () => {
  it('deletes what is answered after an hour and what is not after a day', async () => {
    const objects = [
      await csr('pending', kubelet),
      await csr('denied', kubelet, node, [{ ...approved, type: 'Denied' }]),
      { ...(await csr('issued', kubelet)), status: { conditions: [approved], certificate: 'eA==' } },
      await csr('unsigned', kubelet, node, [approved]),
    ];
    await using bench = await controllerBench([csrCleanerController()], { objects, startMs: nowMs });
    const names = () => bench.client.objects(certificatesV1.certificatesigningrequests).map(c => c.metadata.name);
    await bench.advance(3_600_000);
    assert.equal(names().length, 4);
    await bench.advance(600_000);
    assert.deepEqual(names(), ['pending', 'unsigned']);
    await bench.advance(24 * 3_600_000);
    assert.deepEqual(names(), ['unsigned']);
  });
});
