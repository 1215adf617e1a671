import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { before, test } from 'node:test';
import { emptyCertificateRequest, generatePrivateKey } from '../../../base/certificate-request.ts';
import { pemText } from '../../../base/pem.ts';
import { checkFaults, create, ruleContext, update, wording } from '../testing.ts';
import { podCertificateRequestStrategy } from './pod-certificate-request.ts';
import { signingRequestStrategy } from './signing-request.ts';

// A key of 3072 bits takes long to make: one, and 'pod-uid' signed with it by RSASSA-PSS.
const rsaKey =
  'MIIBojANBgkqhkiG9w0BAQEFAAOCAY8AMIIBigKCAYEAn77c73rvaZPD27kpVL1+RK0djh6blLbNCVQ1mbI31NnkATxTYcRL8zIi7r+6GLUHS2' +
  'w+cxK1CnFhZWrVNS6Ol3pN5pEWvRM/G2b98moJgIXyThIPIaDbpcai+hdbDsSv0lLoiNzHjUcak8plnH24jEgSV/Bi0fM0rPwEjhBMKDKjhao9' +
  'ajZpCaXfrZJaYuBKRJ1HB76QB+SoYdz8dcwNomGjlbQlaWqG9/3np/nnABnyISBK+wGd35/pb6NmSZ/KZYpwEmfn1PVjf2qpo1PXMRn83uvy75' +
  'MsdBbnY2eY1Fu7opqf4X1t9+BE5vWreWO7eIdkaBwNoofACz9bsE0Czfb/qq8g0yVYfdv9Ugr54SnoU8ui7N5iMYEN0T09Y6v5lSxvvvuWkcjU' +
  '1IqEpSEug7qKfMZVL6tJX9S31OrOp4BHfHSzoyGwWcQo9j0DyuRGCv4P4bUUaj0Ao8I/6SnudeEEf3aEKg/mIMKR3vLcCOuiWzul0KUcuCzv0B' +
  'kUShpFAgMBAAE=';
const rsaProof =
  'k8tElcX+dsoSoi2kmic1zwSzRbuM84ciQ6BFk3psNKuG2stp0c+RtU6BI7ZqsTlDdM0pfPChAfBxY8vzLHcWodXXL5x9o8yMSsk6xsvJzxl2Z6' +
  '0rlSA86fz0GjlYc4SEvQOSOcLrOKTHU5cnJ5Oyvv5/A1XkGjsLf3EeGiHZmlFgiDBGuxRVkr8izmSYOJR6dqoo4qlV6xyy/GPDHRH6fgDEL1G5' +
  'e52eu6ATCmdfmSipJSHbcptlDLQ+hC2/vnLEEZJavNU/Ru+2LOqbSxdqXFfeydIGvNj9LTC3AwnKZGU0x/I9Rc1KwB4iB95A7NSIN5u7lIaHz7' +
  '2BWMTo8MjvR6QBKuo0HXzDpPF1DwwFm6e3H+UGo37siThVDxYeJ4tZojeMB2ljMTlRQHIXBAKgJYsTnqHJiWeG/kp9ZMzqPcRsw+ifctxs+g26' +
  'dC02VTXdGmWHr1hwQWgVihHNqCX4DwdFLTiGomJ188sS/TG0I/porqNwgqnjCcoY7PvCRH/m';

let pem: string;

before(async () => {
  const der = emptyCertificateRequest(await generatePrivateKey('ECDSAP256'));
  pem = Buffer.from(pemText('CERTIFICATE REQUEST', der)).toString('base64');
});

const signing = (more: object, status: object = {}) => ({
  metadata: { name: 'r', resourceVersion: '1' },
  spec: { request: pem, signerName: 'a.io/b', usages: ['client auth'], ...more },
  status,
});
const asked = (more: object) =>
  create(signingRequestStrategy, { ...signing(more), metadata: { name: 'r' } } as any).errors;

test('who signs', () => {
  const at = 'spec.signerName: Invalid value';
  const long = (letters: number) => Array(4).fill('a'.repeat(letters)).join('.');
  checkFaults(
    {
      nobody: [{ signerName: '' }, 'spec.signerName: Required value'],
      'no path': [
        { signerName: 'a.io' },
        `${at}: "a.io": must be a fully qualified domain and path of the form 'example.com/signer-name'`,
      ],
      'two paths': [
        { signerName: 'a.io/b/c' },
        `${at}: "a.io/b/c": must be a fully qualified domain and path of the form 'example.com/signer-name'`,
      ],
      'domain of one part': [
        { signerName: 'a/b' },
        `${at}: "a": should be a domain with at least two segments separated by dots`,
      ],
      'part of the domain': [{ signerName: 'A.B.io/b' }, `${at}: "A.B.io": validating label "A": ${wording.label}`],
      'part of the path': [{ signerName: 'a.io/b.C.D' }, `${at}: "b.C.D": validating label "C": ${wording.subdomain}`],
      'long domain': [{ signerName: `${long(63)}/b` }, 'spec.signerName: Too long: may not be more than 253 bytes'],
      'long path': [{ signerName: `a.io/${long(63)}` }, 'spec.signerName: Too long: may not be more than 253 bytes'],
      'long altogether': [
        { signerName: `${long(71)}/${long(71)}` },
        'spec.signerName: Too long: may not be more than 253 bytes',
        `${at}: "${long(71)}": validating label "${'a'.repeat(71)}": must be no more than 63 characters`,
        'spec.signerName: Too long: may not be more than 253 bytes',
        'spec.signerName: Too long: may not be more than 571 bytes',
      ],
      'of before': [
        { signerName: 'kubernetes.io/legacy-unknown' },
        `${at}: "kubernetes.io/legacy-unknown": the legacy signerName is not allowed via this API version`,
      ],
    },
    asked,
  );
});

test('what a certificate is for', () => {
  checkFaults(
    {
      whole: [{}],
      nothing: [{ usages: [] }, 'spec.usages: Required value'],
      usage: [
        { usages: ['tea'] },
        'spec.usages[0]: Unsupported value: "tea": supported values: "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment", "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel", "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime", "server auth", "signing", "timestamping"',
      ],
      'usage twice': [{ usages: ['client auth', 'client auth'] }, 'spec.usages[1]: Duplicate value: "client auth"'],
      'nine minutes': [
        { expirationSeconds: 540 },
        'spec.expirationSeconds: Invalid value: 540: may not specify a duration less than 600 seconds (10 minutes)',
      ],
    },
    asked,
  );
});

test('what is decided of a request', () => {
  const condition = (type: string, more: object = {}) => ({
    ...{ type, status: 'True', reason: 'R', message: 'm' },
    ...{ lastUpdateTime: '2026-01-01T00:00:00Z', lastTransitionTime: '2026-01-01T00:00:00Z' },
    ...more,
  });
  const told = (sub: string, now: object[], old: object[] = [], certificate?: string, before?: string) => {
    const stored = signing({}, { conditions: old, certificate: before }) as any;
    const changed = signing({}, { conditions: now, certificate }) as any;
    return update(signingRequestStrategy, changed, stored, { ...ruleContext(sub), old: stored }).errors;
  };
  const at = 'status.conditions';
  checkFaults(
    {
      approved: [[condition('Approved')]],
      'no type': [[condition('')], `${at}[0].type: Required value`],
      'type twice': [[condition('Odd'), condition('Odd')], `${at}[1].type: Duplicate value: "Odd"`],
      'no status': [[condition('Odd', { status: '' })], `${at}[0].status: Required value`],
      status: [
        [condition('Odd', { status: 'Maybe' })],
        `${at}[0].status: Unsupported value: "Maybe": supported values: "False", "True", "Unknown"`,
      ],
      'half a decision': [
        [condition('Denied', { status: 'False' })],
        `${at}[0].status: Unsupported value: "False": supported values: "True"`,
      ],
      'approved and denied': [
        [condition('Approved'), condition('Denied')],
        `${at}: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive`,
      ],
      'denied and approved': [
        [condition('Denied'), condition('Approved')],
        `${at}: Invalid value: "Approved": Approved and Denied conditions are mutually exclusive`,
      ],
    },
    conditions => told('approval', conditions as object[]),
  );
  const approved = [condition('Approved')];
  assert.deepEqual(told('approval', [], approved), [
    `${at}: Forbidden: updates may not remove a condition of type "Approved"`,
  ]);
  assert.deepEqual(told('status', approved), [`${at}: Forbidden: updates may not add a condition of type "Approved"`]);
  assert.deepEqual(told('status', [condition('Approved', { message: 'n' })], approved), [
    `${at}: Forbidden: updates may not modify a condition of type "Approved"\n- [0].message: "m"\n+ [0].message: "n"\n`,
  ]);
  assert.deepEqual(told('approval', [condition('Approved', { message: 'n' })], approved), []);
  assert.deepEqual(told('status', [...approved, condition('Failed')], approved), []);
  assert.deepEqual(told('approval', approved, approved, undefined, pem), [
    'status.certificate: Forbidden: updates may not set certificate content',
  ]);
  assert.deepEqual(told('status', approved, approved, undefined, pem), [
    'status.certificate: Forbidden: updates may not modify existing certificate content',
  ]);
});

test('what a pod asks for', () => {
  const spec = {
    signerName: 'example.com/foo',
    ...{ podName: 'p', podUID: 'pod-uid', serviceAccountName: 'default', serviceAccountUID: 'sa-uid' },
    ...{ nodeName: 'n', nodeUID: 'node-uid', maxExpirationSeconds: 7200 },
    ...{ pkixPublicKey: rsaKey, proofOfPossession: rsaProof },
  };
  const metadata = { name: 'r', namespace: 'a' };
  const der = (key: KeyObject) => createPublicKey(key).export({ type: 'spki', format: 'der' }).toString('base64');
  const key = (k: KeyObject) => ({ pkixPublicKey: der(k) });
  const odd = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey;
  const other = generateKeyPairSync('x25519').privateKey;
  const large = Buffer.alloc(10 * 1024 + 1).toString('base64');
  checkFaults(
    {
      whole: [{}],
      'no lifetime': [{ maxExpirationSeconds: undefined }, 'spec.maxExpirationSeconds: Required value: must be set'],
      'long uid': [{ nodeUID: 'u'.repeat(129) }, 'spec.nodeUID: Too long: may not be more than 128 bytes'],
      'large key': [{ pkixPublicKey: large }, 'spec.pkixPublicKey: Too long: may not be more than 10240 bytes'],
      'no key': [
        { pkixPublicKey: 'AAEC' },
        'spec.pkixPublicKey: Invalid value: "AAEC": must be a valid PKIX-serialized public key',
      ],
      curve: [
        key(odd),
        `spec.pkixPublicKey: Invalid value: "${der(odd)}": elliptic public keys must use curve P256, P384 or P521`,
      ],
      'kind of key': [
        key(other),
        `spec.pkixPublicKey: Invalid value: "${der(other)}": unknown public key type; supported types are Ed25519, ECDSA, and RSA`,
      ],
      'proof of another': [
        { podUID: 'another' },
        `spec.proofOfPossession: Invalid value: "${rsaProof}": could not verify proof-of-possession signature`,
      ],
      'stub with a key of another kind': [
        { pkixPublicKey: '', proofOfPossession: '', stubPKCS10Request: large },
        'spec.stubPKCS10Request: Too long: may not be more than 10240 bytes',
      ],
    },
    more => create(podCertificateRequestStrategy, { metadata, spec: { ...spec, ...more }, status: {} } as any).errors,
  );
  const request = (more: object) =>
    ({ metadata: { ...metadata, resourceVersion: '1' }, spec: { ...spec, ...more } }) as any;
  const old = request({});
  const now = request({ podName: 'q', pkixPublicKey: '', proofOfPossession: '' });
  assert.deepEqual(update(podCertificateRequestStrategy, now, old, { ...ruleContext(), old }).errors, [
    'spec: Invalid value: {"SignerName":"example.com/foo","PodName":"q","PodUID":"pod-uid","ServiceAccountName":"default","ServiceAccountUID":"sa-uid","NodeName":"n","NodeUID":"node-uid","MaxExpirationSeconds":7200,"PKIXPublicKey":"","ProofOfPossession":"","StubPKCS10Request":null,"UnverifiedUserAnnotations":null}: field is immutable',
  ]);
});
