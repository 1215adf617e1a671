// Certificates of clients beside whom Kubernetes' own authenticator sees in them (testdata/README.md).
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { systemRandom } from '../../base/random.ts';
import { createCa, generateEcKey } from '../../base/x509.ts';
import { caller } from '../test-caller.ts';
import { startTestServer } from '../test-server.ts';
import { clientCertificateAuthenticator, peerVerifier } from './client-certificate.ts';
import { CredentialError, type UserInfo } from './user.ts';

interface Answer {
  readonly name: string;
  readonly ca: string;
  readonly chain: string;
  readonly key?: string;
  readonly user?: Partial<UserInfo>;
  readonly error?: string;
}

const certificatesIn = (pem: string) =>
  pem.split(/(?<=-----END CERTIFICATE-----\n)/).map(block => new X509Certificate(block));

const answers = JSON.parse(
  readFileSync(new URL('testdata/certificates.json', import.meta.url), 'utf8'),
) as readonly Answer[];

test('certificates, and what leads from them to an authority, make the users they make in Kubernetes', () => {
  for (const { name, ca, chain, user, error = '' } of answers) {
    const verify = peerVerifier({ clientCaPem: ca, clock: systemClock });
    const [certificate, ...intermediates] = certificatesIn(chain);
    let seen: UserInfo | undefined;
    let refusal = '';
    try {
      const peerCertificate = verify(certificate!, intermediates);
      const authenticator = clientCertificateAuthenticator(systemClock);
      seen = authenticator.authenticate({ headers: {}, peerCertificate }) as UserInfo | undefined;
    } catch (thrown) {
      assert.ok(thrown instanceof CredentialError, String((thrown as Error).stack));
      refusal = thrown.message;
    }
    // Go tells which certificate it is, and what time.
    const why = error.replace(/^.* failed: /, '').replace(/(?<=is not yet valid): .*| \(possibly .*/, '');
    assert.equal(refusal, why, name);
    assert.deepEqual(seen, user && { ...user, groups: user.groups ?? [] }, name);
  }
});

test('a connection shows what leads to the authority, too', async () => {
  const { ca, chain, key } = answers.find(a => a.name === 'middle')!;
  const authentication = { requestHeader: { allowedNames: ['ann'] } };
  const api = await startTestServer({ frontProxyCa: ca, authentication });
  const ann = caller({ url: api.url, ca: api.ca, cert: chain, key: key! });
  try {
    const review = { kind: 'SelfSubjectReview', apiVersion: 'authentication.k8s.io/v1' };
    const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
    const { status } = await ann.expect(201, 'POST', path, review, { 'x-remote-user': 'robin' });
    assert.equal(status.userInfo.username, 'robin');
  } finally {
    ann.close();
    await api.stop();
  }
});

test('authorities that all sign each other do not keep the server looking', async () => {
  const { keyPem } = generateEcKey();
  const making = { nowMs: systemClock.now(), random: systemRandom, days: 1, commonName: 'round' };
  const shown: X509Certificate[] = [];
  for (let i = 0; i < 10; i++) shown.push(new X509Certificate((await createCa({ ...making, keyPem })).certificatePem));
  const { certificatePem } = await createCa({ ...making, commonName: 'other' });
  const verify = peerVerifier({ clientCaPem: certificatePem, clock: systemClock });
  assert.throws(() => verify(shown[0]!, shown.slice(1)), {
    name: 'CredentialError',
    message: 'x509: signature check attempts limit reached while verifying certificate chain',
  });
});

test('a certificate with lengths that nobody writes so is none', async () => {
  const making = { nowMs: systemClock.now(), random: systemRandom, days: 1, commonName: 'odd' };
  const ca = (await createCa(making)).certificatePem;
  const verify = peerVerifier({ clientCaPem: ca, clock: systemClock });
  const odd = new X509Certificate(withLongLength(new X509Certificate(ca).raw));
  assert.throws(() => verify(odd), { name: 'CredentialError', message: 'x509: malformed certificate' });
});

/** The length of the version in eight bytes: OpenSSL reads that. */
function withLongLength(der: Buffer): Buffer {
  const version = der.indexOf(Buffer.of(0xa0, 3, 2, 1, 2));
  const long = Buffer.concat([
    der.subarray(0, version),
    Buffer.of(0xa0, 0x88, 0, 0, 0, 0, 0, 0, 0, 3),
    der.subarray(version + 2),
  ]);
  for (const at of [2, 6]) long.writeUInt16BE(long.readUInt16BE(at) + 8, at);
  return long;
}
