import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { before, test } from 'node:test';
import { emptyCertificateRequest, generatePrivateKey } from '../../../base/certificate-request.ts';
import { pemBlocks, pemText } from '../../../base/pem.ts';
import { systemRandom } from '../../../base/random.ts';
import { type CertificateAndKey, createCa, issueCertificate, signCertificate } from '../../../base/x509.ts';
import { formatTime } from '../../meta.ts';
import type { PodCertificateRequest } from '../../type/certificates-v1beta1.ts';
import { create, ruleContext, update } from '../testing.ts';
import { podCertificateRequestStrategy } from './pod-certificate-request.ts';
import { signingRequestStrategy } from './signing-request.ts';
import { trustBundleStrategy } from './trust-bundle.ts';

const nowMs = Date.UTC(2026, 0, 1);
const hourMs = 3600_000;
const making = { nowMs, random: systemRandom, days: 1 };
let ca: CertificateAndKey;
let other: CertificateAndKey;
let key: KeyObject;
let stub: string;

before(async () => {
  ca = await createCa({ commonName: 'ca', ...making });
  other = await createCa({ commonName: 'other', ...making });
  key = await generatePrivateKey('ECDSAP256');
  stub = emptyCertificateRequest(key).toBase64();
});

const bundle = (name: string, trustBundle: string, signerName?: string) =>
  ({ metadata: { name }, spec: { trustBundle, ...(signerName ? { signerName } : {}) } }) as any;
const bundleErrors = (...of: Parameters<typeof bundle>) => create(trustBundleStrategy, bundle(...of)).errors;

test('the signer begins the name of a trust bundle', () => {
  const pem = ca.certificatePem;
  assert.deepEqual(bundleErrors('example.com:foo:v1', pem, 'example.com/foo'), []);
  assert.deepEqual(bundleErrors('v1', pem), []);
  assert.deepEqual(bundleErrors('v1', pem, 'example.com/foo'), [
    'metadata.name: Invalid value: "v1": ClusterTrustBundle for signerName example.com/foo must be named with prefix example.com:foo:',
  ]);
  assert.deepEqual(bundleErrors('a:b', pem), [
    'metadata.name: Invalid value: "a:b": ClusterTrustBundle without signer name must not have ":" in its name',
  ]);
  assert.deepEqual(bundleErrors('example:foo:v1', pem, 'example/foo'), [
    'spec.signerName: Invalid value: "example": should be a domain with at least two segments separated by dots',
  ]);
});

test('a trust bundle holds certificates of authorities, each once', async () => {
  const leaf = await issueCertificate(ca, { subject: { commonName: 'leaf' }, usages: 'client', ...making });
  const about = (detail: string) => [`spec.trustBundle: Invalid value: "<value omitted>": ${detail}`];
  const pem = ca.certificatePem;
  assert.deepEqual(bundleErrors('v', `words\n${pem}${other.certificatePem}`), []);
  assert.deepEqual(bundleErrors('v', 'words'), about('at least one trust anchor must be provided'));
  assert.deepEqual(
    bundleErrors('v', pem + other.certificatePem + pem),
    about('duplicate trust anchor (indices [0 2])'),
  );
  assert.deepEqual(bundleErrors('v', pem + leaf.certificatePem), about('entry 1 does not have the CA bit set'));
  assert.deepEqual(bundleErrors('v', ca.keyPem), about('entry 0 has bad block type: EC PRIVATE KEY'));
  const headed = pem.replace('CERTIFICATE-----\n', 'CERTIFICATE-----\na: b\n\n');
  assert.deepEqual(bundleErrors('v', headed), about('entry 0 has PEM block headers'));
  const broken = '-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n';
  assert.deepEqual(bundleErrors('v', broken), about('entry 0 does not parse as X.509'));
  assert.deepEqual(bundleErrors('v', 'x'.repeat(2 ** 20 + 1)), [
    'spec.trustBundle: Too long: may not be more than 1048576 bytes',
  ]);
});

test('the signer of a trust bundle stays; what was stored is not read again', () => {
  const old = bundle('example.com:foo:v1', 'no longer valid', 'example.com/foo');
  const context = { ...ruleContext(), old };
  assert.deepEqual(update(trustBundleStrategy, old, old, context).errors, []);
  const moved = bundle('example.com:foo:v1', 'no longer valid', 'example.com/bar');
  assert.deepEqual(update(trustBundleStrategy, moved, old, context).errors, [
    'metadata.name: Invalid value: "example.com:foo:v1": ClusterTrustBundle for signerName example.com/bar must be named with prefix example.com:bar:',
    'spec.signerName: Invalid value: "example.com/bar": field is immutable',
  ]);
});

const request = (spec: object = {}) =>
  ({
    metadata: { name: 'r', namespace: 'a' },
    spec: {
      signerName: 'example.com/foo',
      ...{ podName: 'p', podUID: 'pod-uid', serviceAccountName: 'default', serviceAccountUID: 'sa-uid' },
      ...{ nodeName: 'n', nodeUID: 'node-uid', maxExpirationSeconds: 7200, stubPKCS10Request: stub },
      ...spec,
    },
    status: {},
  }) as PodCertificateRequest;
const asked = (spec: object = {}) => create(podCertificateRequestStrategy, request(spec)).errors;

test('what a request must say', () => {
  assert.deepEqual(asked(), []);
  assert.deepEqual(asked({ podUID: '', nodeName: 'N_', maxExpirationSeconds: 3599 }), [
    'spec.podUID: Required value: must not be empty',
    "spec.nodeName: Invalid value: \"N_\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    'spec.maxExpirationSeconds: Invalid value: 3599: must be in the range [3600, 7862400]',
  ]);
  assert.deepEqual(asked({ signerName: 'kubernetes.io/x', maxExpirationSeconds: 86401 }), [
    'spec.maxExpirationSeconds: Invalid value: 86401: must be in the range [3600, 86400]',
  ]);
  assert.deepEqual(asked({ unverifiedUserAnnotations: { 'a.b/c': 'v', plain: 'v' } }), [
    'spec.unverifiedUserAnnotations: Invalid value: "plain": must be a domain-prefixed key (such as "acme.io/foo")',
  ]);
});

test('the key is of a known kind and in the hands of who asks', () => {
  const small = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const spoilt = Buffer.from(stub, 'base64');
  spoilt[spoilt.length - 1]! ^= 1;
  assert.match(asked({ stubPKCS10Request: spoilt.toString('base64') })[0]!, /could not verify the signature/);
  assert.match(asked({ stubPKCS10Request: 'AAEC' })[0]!, /must be a valid DER-encoded PKCS#10/);
  assert.match(asked({ pkixPublicKey: 'AAEC' })[0]!, /must be empty when stubPKCS10Request is set/);
  const der = (k: KeyObject) => createPublicKey(k).export({ type: 'spki', format: 'der' }).toString('base64');
  const proven = (k: KeyObject, podUid: string, digest: string | undefined) =>
    asked({
      stubPKCS10Request: '',
      pkixPublicKey: der(k),
      proofOfPossession: sign(digest, Buffer.from(podUid), k).toString('base64'),
    });
  assert.deepEqual(proven(key, 'pod-uid', 'sha256'), []);
  const ed = generateKeyPairSync('ed25519').privateKey;
  assert.deepEqual(proven(ed, 'pod-uid', undefined), []);
  assert.match(proven(ed, 'another', undefined)[0]!, /proofOfPossession: .*could not verify proof-of-possession/);
  assert.match(proven(small, 'pod-uid', 'sha256')[0]!, /RSA keys must have modulus size 3072 or 4096/);
});

test('a signing request is one, of who holds its key', async () => {
  const told = (text: string) => {
    const spec = { request: Buffer.from(text).toString('base64'), signerName: 'a.io/b', usages: ['client auth'] };
    return create(signingRequestStrategy, { metadata: { name: 'r' }, spec } as any).errors.map(e =>
      e.replace(/^spec\.request: Invalid value: "[^"]*": /, ''),
    );
  };
  const pem = (der: Uint8Array) => pemText('CERTIFICATE REQUEST', der);
  const der = Buffer.from(stub, 'base64');
  const spoilt = (bytes: Uint8Array) => bytes.with(-1, bytes.at(-1)! ^ 1);
  const ed = emptyCertificateRequest(await generatePrivateKey('ED25519'));
  // As crypto/x509 of Go tells them.
  const cases: [string, string?][] = [
    [pem(der)],
    [`words\n${pem(der)}${pem(spoilt(der))}`],
    ['', 'PEM block type must be CERTIFICATE REQUEST'],
    [pemText('CERTIFICATE', der), 'PEM block type must be CERTIFICATE REQUEST'],
    [pem(Buffer.from([...der, 0, 0])), 'asn1: syntax error: trailing data'],
    [pem(der.subarray(0, -3)), 'asn1: syntax error: data truncated'],
    [pem(Buffer.from([0x30, 3, 2, 1])), 'asn1: syntax error: data truncated'],
    [pem(spoilt(der)), 'x509: ECDSA verification failure'],
    [pem(spoilt(ed)), 'x509: Ed25519 verification failure'],
  ];
  for (const [text, fault] of cases) assert.deepEqual(told(text), fault ? [fault] : []);
});

test('a signer writes certificates and nothing else', () => {
  const der = pemBlocks(ca.certificatePem)[0]!.der;
  const told = (text: string) => {
    const status = { certificate: Buffer.from(text).toString('base64') };
    const request = { metadata: { name: 'r', resourceVersion: '1' }, spec: {}, status: {} };
    const context = { ...ruleContext('status'), old: request as any };
    return update(signingRequestStrategy, { ...request, status } as any, request as any, context).errors;
  };
  const about = (why: string) => [`status.certificate: Invalid value: "<certificate data>": ${why}`];
  assert.deepEqual(told(ca.certificatePem + other.certificatePem), []);
  assert.deepEqual(told(pemText('CERTIFICATE', Buffer.concat([der, der]))), []);
  assert.deepEqual(told('words'), about('must contain one or more CERTIFICATE PEM blocks'));
  assert.deepEqual(told(ca.keyPem), about('only CERTIFICATE PEM blocks are allowed, found "EC PRIVATE KEY"'));
  const headed = ca.certificatePem.replace('CERTIFICATE-----\n', 'CERTIFICATE-----\na: b\n\n');
  assert.deepEqual(told(headed), about('no PEM block headers are permitted'));
  // A sequence of the right length, but of nothing.
  assert.deepEqual(
    told(ca.certificatePem + pemText('CERTIFICATE', Uint8Array.of(0x30, 2, 5, 0))),
    about('x509: malformed certificate'),
  );
});

const condition = (type: string, more: object = {}) => ({
  ...{ type, status: 'True', reason: 'R', message: '', lastTransitionTime: formatTime(nowMs) },
  ...more,
});

async function issue(forKey: KeyObject, lifeMs = 2 * hourMs, fromMs = nowMs): Promise<any> {
  const publicKey = createPublicKey(forKey).export({ type: 'spki', format: 'pem' }) as string;
  const certificateChain = await signCertificate({ ...ca }, publicKey, {
    ...{ subject: { commonName: 'x' }, usages: 'client', ...making },
    exact: { notBeforeMs: fromMs, notAfterMs: fromMs + lifeMs, keyUsages: 0, extendedKeyUsages: [] },
  });
  return {
    conditions: [condition('Issued')],
    certificateChain,
    notBefore: formatTime(fromMs),
    beginRefreshAt: formatTime(fromMs + lifeMs / 2),
    notAfter: formatTime(fromMs + lifeMs),
  };
}
const told = (status: object, before: object = {}) => {
  const old = { ...request(), status: before } as PodCertificateRequest;
  const context = { ...ruleContext('status'), nowMs, old };
  return update(podCertificateRequestStrategy, { ...request(), status }, old, context).errors;
};

test('a certificate fits the request', async () => {
  const good = await issue(key);
  assert.deepEqual(told(good), []);
  assert.deepEqual(told({ ...good, certificateChain: good.certificateChain + ca.certificatePem }), []);
  const about = (detail: string) => [`status.certificateChain: Invalid value: "<value omitted>": ${detail}`];
  assert.deepEqual(
    told({ ...good, certificateChain: ca.certificatePem }),
    about('leaf certificate was not issued to the requested public key'),
  );
  assert.deepEqual(
    told(await issue(key, 3 * hourMs)),
    about('leaf certificate lifetime must be <= spec.maxExpirationSeconds (7200)'),
  );
  assert.deepEqual(told(await issue(key, hourMs / 2)), about('leaf certificate lifetime must be >= 1 hour'));
  assert.deepEqual(told({ ...good, notAfter: undefined, beginRefreshAt: good.notBefore }), [
    'status.notAfter: Required value: must be present and consistent with the issued certificate',
    `status.beginRefreshAt: Invalid value: "${good.notBefore}": must be at least 10 minutes after status.notBefore`,
  ]);
  assert.match(told(await issue(key, hourMs, nowMs + hourMs))[0]!, /must be set to within 5 minutes/);
  assert.deepEqual(told({ ...good, conditions: [] }).length, 4, 'all that came with it must come with Issued');
});

test('a chain of certificates, and its times', async () => {
  const good = await issue(key);
  const chain = (certificateChain: string) => told({ ...good, certificateChain });
  const about = (detail: string) => [`status.certificateChain: Invalid value: "<value omitted>": ${detail}`];
  assert.deepEqual(chain('x'.repeat(100 * 1024 + 1)), [
    'status.certificateChain: Too long: may not be more than 102400 bytes',
  ]);
  assert.deepEqual(chain('words'), about('issued certificate chain must contain at least one certificate'));
  assert.deepEqual(
    chain(good.certificateChain + ca.keyPem),
    about('issued certificate chain must consist entirely of CERTIFICATE PEM blocks'),
  );
  const broken = pemText('CERTIFICATE', Uint8Array.of(0x30, 0));
  assert.deepEqual(chain(broken), about('leaf certificate does not parse as valid X.509'));
  assert.deepEqual(
    chain(good.certificateChain + broken),
    about('intermediate certificate does not parse as valid X.509'),
  );
  const minutes = (n: number) => formatTime(nowMs + n * 60_000);
  const cases: [object, string][] = [
    [
      { notBefore: minutes(1) },
      `status.notBefore: Invalid value: "${minutes(1)}": must be set to the NotBefore time encoded in the leaf certificate`,
    ],
    [
      { notBefore: undefined },
      'status.notBefore: Required value: must be present and consistent with the issued certificate',
    ],
    [
      { notAfter: minutes(1) },
      `status.notAfter: Invalid value: "${minutes(1)}": must be set to the NotAfter time encoded in the leaf certificate`,
    ],
    [
      { beginRefreshAt: undefined },
      'status.beginRefreshAt: Required value: must be present and consistent with the issued certificate',
    ],
    [
      { beginRefreshAt: minutes(111) },
      `status.beginRefreshAt: Invalid value: "${minutes(111)}": must be at least 10 minutes before status.notAfter`,
    ],
  ];
  for (const [more, why] of cases) assert.deepEqual(told({ ...good, ...more }), [why]);
});

test('one outcome, and it stays', async () => {
  const denied = { conditions: [condition('Denied', { reason: 'UnsupportedKeyType' })] };
  assert.deepEqual(told(denied), []);
  assert.deepEqual(told(denied, denied), []);
  assert.deepEqual(told({ conditions: [condition('Denied'), condition('Failed')] }), [
    'status.conditions[1].type: Invalid value: "Failed": There may be at most one condition with type "Issued", "Denied", or "Failed"',
  ]);
  assert.deepEqual(told({ conditions: [condition('Odd'), condition('Failed', { status: 'False', reason: '' })] }), [
    'status.conditions[1].reason: Required value',
    'status.conditions[0].type: Unsupported value: "Odd": supported values: "Denied", "Failed", "Issued"',
    'status.conditions[1].status: Unsupported value: "False": supported values: "True"',
  ]);
  assert.deepEqual(told(await issue(key), denied), [
    'status: Invalid value: "<value omitted>": immutable after PodCertificateRequest is issued, denied, or failed',
  ]);
});
