import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { pemText } from '../../../base/pem.ts';
import { seededRandom } from '../../../base/random.ts';
import { createCa } from '../../../base/x509.ts';
import { create, ruleContext } from '../testing.ts';
import { secretStrategy } from './secret.ts';

const bytes = new TextEncoder();
const base64 = (text: string) => bytes.encode(text).toBase64();
const keyOf = (type: 'rsa' | 'ed25519' | 'ec') =>
  (type === 'rsa'
    ? generateKeyPairSync(type, { modulusLength: 2048 })
    : type === 'ec'
      ? generateKeyPairSync(type, { namedCurve: 'P-256' })
      : generateKeyPairSync(type)
  ).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;

test('warns of keys that do not fit their certificates, as Go says it', async () => {
  const ca = await createCa({ commonName: 'ca', days: 1, nowMs: 0, random: seededRandom(1) });
  const certificate = ca.certificatePem;
  const key = ca.keyPem;
  const [other, odd] = [pemText('OTHER', bytes.encode('x')), pemText('CERTIFICATE', bytes.encode('x'))];
  const skipped = (what: string, input: string, ...types: string[]) =>
    `tls: failed to find ${what} in ${input} input after skipping PEM blocks of the following types: [${types.join(' ')}]`;
  const ofKey = 'PEM block with type ending in "PRIVATE KEY"';
  const cases: [string, string, string?][] = [
    [certificate, key],
    [certificate + other, other + key],
    ['', '', 'tls: failed to find any PEM data in certificate input'],
    [
      key,
      certificate,
      'tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched',
    ],
    [other, key, skipped('"CERTIFICATE" PEM block', 'certificate', 'OTHER')],
    [key + other, '', skipped('"CERTIFICATE" PEM block', 'certificate', 'EC PRIVATE KEY', 'OTHER')],
    [odd, '', 'tls: failed to find any PEM data in key input'],
    [certificate, certificate, 'tls: found a certificate rather than a key in the PEM for the private key'],
    [certificate, certificate + other, skipped(ofKey, 'key', 'CERTIFICATE', 'OTHER')],
    [odd, key, 'x509: malformed certificate'],
    [certificate, pemText('PRIVATE KEY', bytes.encode('x')), 'tls: failed to parse private key'],
    [certificate, keyOf('ec'), 'tls: private key does not match public key'],
    [certificate, keyOf('ed25519'), 'tls: private key type does not match public key type'],
  ];
  for (const [crt, secretKey, warning] of cases) {
    const data = { 'tls.crt': base64(crt), 'tls.key': base64(secretKey) };
    const { object } = create(secretStrategy, { metadata: { name: 'x' }, type: 'kubernetes.io/tls', data });
    assert.deepEqual(secretStrategy.warnings!(object, undefined, ruleContext()), warning ? [warning] : []);
  }
  const { object } = create(secretStrategy, { metadata: { name: 'x' }, data: { 'tls.crt': '' } });
  assert.deepEqual(secretStrategy.warnings!(object, undefined, ruleContext()), []);
});
