import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  derElements,
  emptyCertificateRequest,
  generatePrivateKey,
  isAuthority,
  keyTypeOf,
  keyTypes,
  readCertificateRequest,
} from './certificate-request.ts';
import { pemBlocks, pemText } from './pem.ts';
import { systemRandom } from './random.ts';
import { createCa, issueCertificate, parseCertificateRequest } from './x509.ts';

test('a request of every kind of key is read back, by the library too, and who does not hold the key is found out', async () => {
  for (const type of keyTypes.filter(t => t !== 'RSA4096')) {
    const key = await generatePrivateKey(type);
    assert.equal(keyTypeOf(key), type);
    const request = emptyCertificateRequest(key);
    const { spki, isSigned } = readCertificateRequest(request);
    assert.ok(isSigned, type);
    assert.deepEqual(Buffer.from(spki), createPublicKey(key).export({ type: 'spki', format: 'der' }));
    const parsed = await parseCertificateRequest(pemText('CERTIFICATE REQUEST', request));
    assert.deepEqual([parsed.subject.commonName, parsed.dnsNames], ['', []]);
    const spoilt = Uint8Array.from(request);
    spoilt[spoilt.length - 1]! ^= 1;
    assert.equal(readCertificateRequest(spoilt).isSigned, false);
  }
  assert.equal(keyTypeOf(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey), undefined);
  assert.throws(() => readCertificateRequest(Uint8Array.of(0x30, 0x05)), /cut off/);
  assert.throws(() => readCertificateRequest(new Uint8Array()), /no.* PKCS#10|certificate request/);
});

test('which certificates are authorities', async () => {
  const making = { nowMs: 0, random: systemRandom, days: 1 };
  const ca = await createCa({ commonName: 'ca', ...making });
  const leaf = await issueCertificate(ca, { subject: { commonName: 'leaf' }, usages: 'client', ...making });
  assert.equal(isAuthority(pemBlocks(ca.certificatePem)[0]!.der), true);
  assert.equal(isAuthority(pemBlocks(leaf.certificatePem)[0]!.der), false);
  assert.throws(() => isAuthority(Uint8Array.of(0x30, 0x03, 0x30)));
});

test('PEM comes back as it went, among other text, without what is damaged', () => {
  const some = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 4 });
  fc.assert(
    fc.property(some, fc.constantFrom('', 'words\n', '# - -----\n'), (all, between) => {
      const text = all.map(b => between + pemText('X', b)).join('');
      assert.deepEqual(
        pemBlocks(text).map(b => [...b.der]),
        all.map(b => [...b]),
      );
    }),
  );
  const headed = '-----BEGIN A B-----\nk: v\nl: w\n\nAAEC\n-----END A B-----';
  assert.deepEqual(pemBlocks(headed), [{ type: 'A B', hasHeaders: true, der: Uint8Array.of(0, 1, 2) }]);
  assert.deepEqual(pemBlocks('-----BEGIN A-----\n***\n-----END A-----\n'), []);
  assert.throws(() => derElements(Uint8Array.of(0x30, 0x84)), /cut off|bad length/);
});
