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

// By OpenSSL, of keys nobody has.
const others = {
  pss: 'MIIBfzCBtQIBADAMMQowCAYDVQQDDAFhMIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDTGIaFb6oV1o6gwrU87UcHSLBDmkbB8O4+CF92M0ceyn+OiIk8zaVGYvTwKC/7sg8/Uu3Xo8LZ1xF18bXQNI/jhe0F64P7Y8LlnkHXf7UG2LYKS39dwkdaCkOCmqXrynEapJ8YReSbLpYLJ9nepCOKNB9vct/p/Jy8amvcTvWuTQIDAQABoAAwQQYJKoZIhvcNAQEKMDSgDzANBglghkgBZQMEAgEFAKEcMBoGCSqGSIb3DQEBCDANBglghkgBZQMEAgEFAKIDAgFeA4GBAKBGVDE+pSTIW9FHY87vHEHrXHXLhdouJeutTUSs7ww9anvxyuyitkj+5w/kjLqqB3VTbH/LqP0UaxD00tA193wtuvkeQuh2cD4Qd2mEj22jLYy2X7iJyFmiAPfqTLNkpPtC8s8P1Y26KcDgEjEAd32VEAi9TacCJ3f/IoLeDm7f',
  sha1: 'MIIBSzCBtQIBADAMMQowCAYDVQQDDAFhMIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDGNxNls3fTNR4zN7HVaUnhxGAp1XSSpdNKvOqloiQoiUCtLiyX4p6wUCJzaurEuvYW27ZUvzWwboQ+8I/mYa4bznXwlYhQF8dMmZuVwYcqxemTU6NmSJPyebyYo6lNoF5MrSS0NZikocSokvRmHgEX+VflVwAXc13rGuq5t9exeQIDAQABoAAwDQYJKoZIhvcNAQEFBQADgYEAKdIaQZ3l8yc/ztNZl6z/ly1rldRgD4QS6yS8dF78x1Pea4lxDr3hh1V67wB1BrSd8hLcX1KgAo0sHOtPgh3iDoQkcmw0NvOUivNHUTHXgYa80L9qVK77V+ZlVWgkvh14yqnUciHvS5t3oFOsF6dt/kKPbpecgVttHDSw56CzrJA=',
};

test('signatures others make are checked too', () => {
  for (const [name, text] of Object.entries(others)) {
    const request = Buffer.from(text, 'base64');
    assert.equal(readCertificateRequest(request).isSigned, true, name);
    assert.equal(readCertificateRequest(request.with(-1, request.at(-1)! ^ 1)).isSigned, false, name);
  }
  const unknown = Buffer.from(others.sha1, 'base64');
  // MD5.
  unknown[unknown.lastIndexOf(Buffer.from('010505', 'hex')) + 1] = 4;
  assert.equal(readCertificateRequest(unknown).isSigned, undefined);
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
