// The rules of PodCertificateRequests, but for what is issued (issued-certificate.ts).
import { constants, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { keyTypeOf, readCertificateRequest } from '../../../base/certificate-request.ts';
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import { goValue } from '../../go-value.ts';
import { IMMUTABLE, isDns1123Subdomain } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { PodCertificateRequest, PodCertificateRequestSpec } from '../../type/certificates-v1beta1.ts';
import { semanticEqual } from '../record.ts';
import { validateStatus } from './issued-certificate.ts';
import { isKubernetesSigner, validateSignerName } from './signer-name.ts';
import { validateUserAnnotations } from './user-annotation.ts';

const SPEC = path('spec');
const TYPE = 'certificates.v1beta1.PodCertificateRequestSpec';
const MIN_SECONDS = 3600;
const MAX_SECONDS = 91 * 86400;
const MAX_SECONDS_KUBERNETES = 86400;
const MAX_UID = 128;
const MAX_KEY_BYTES = 10 * 1024;
const NO_PROOF = 'could not verify proof-of-possession signature';

type Spec = PodCertificateRequestSpec;

function validateWho(spec: Spec, errors: FieldErrors): void {
  for (const who of ['pod', 'serviceAccount', 'node'] as const) {
    const name = spec[`${who}Name`] ?? '';
    for (const m of isDns1123Subdomain(name)) errors.invalid(SPEC.child(`${who}Name`), name, m);
    const uid = spec[`${who}UID`] ?? '';
    if (!uid) errors.required(SPEC.child(`${who}UID`), 'must not be empty');
    else if (uid.length > MAX_UID) errors.tooLong(SPEC.child(`${who}UID`), MAX_UID);
  }
}

function validateLifetime({ signerName, maxExpirationSeconds: seconds }: Spec, errors: FieldErrors): void {
  const at = SPEC.child('maxExpirationSeconds');
  const most = isKubernetesSigner(signerName ?? '') ? MAX_SECONDS_KUBERNETES : MAX_SECONDS;
  if (seconds === undefined) errors.required(at, 'must be set');
  else if (seconds < MIN_SECONDS || seconds > most)
    errors.invalid(at, seconds, `must be in the range [${MIN_SECONDS}, ${most}]`);
}

/** Decoded, or undefined with a complaint. */
function bytesOf(base64: string, at: FieldPath, errors: FieldErrors): Buffer | undefined {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length <= MAX_KEY_BYTES) return bytes;
  errors.tooLong(at, MAX_KEY_BYTES);
  return undefined;
}

function keyFault(key: KeyObject): string | undefined {
  if (keyTypeOf(key)) return undefined;
  switch (key.asymmetricKeyType) {
    case 'ec':
      return 'elliptic public keys must use curve P256, P384 or P521';
    case 'rsa':
      return 'RSA keys must have modulus size 3072 or 4096';
    default:
      return 'unknown public key type; supported types are Ed25519, ECDSA, and RSA';
  }
}

function validateStub(spec: Spec, errors: FieldErrors): void {
  const at = SPEC.child('stubPKCS10Request');
  for (const field of ['pkixPublicKey', 'proofOfPossession'] as const)
    if (spec[field]) errors.invalid(SPEC.child(field), spec[field], 'must be empty when stubPKCS10Request is set');
  const bytes = bytesOf(spec.stubPKCS10Request, at, errors);
  if (!bytes) return;
  try {
    const { publicKey, isSigned } = readCertificateRequest(bytes);
    const fault = keyFault(publicKey);
    if (fault) errors.invalid(at, spec.stubPKCS10Request, fault);
    else if (!isSigned)
      errors.invalid(at, spec.stubPKCS10Request, 'could not verify the signature of the PKCS#10 request');
  } catch {
    errors.invalid(at, spec.stubPKCS10Request, 'must be a valid DER-encoded PKCS#10 certificate signing request');
  }
}

/** As kubelets before 1.36 sent it: the key by itself, and the pod's uid signed with it. */
function validateKeyAndProof(spec: Spec, errors: FieldErrors): void {
  const keyPath = SPEC.child('pkixPublicKey');
  const proofPath = SPEC.child('proofOfPossession');
  const der = bytesOf(spec.pkixPublicKey ?? '', keyPath, errors);
  const proof = bytesOf(spec.proofOfPossession ?? '', proofPath, errors);
  if (!der || !proof) return;
  let key: KeyObject;
  try {
    key = createPublicKey({ key: der, format: 'der', type: 'spki' });
  } catch {
    errors.invalid(keyPath, spec.pkixPublicKey ?? '', 'must be a valid PKIX-serialized public key');
    return;
  }
  const fault = keyFault(key);
  if (fault) errors.invalid(keyPath, spec.pkixPublicKey, fault);
  else if (!isProven(key, spec.podUID ?? '', proof)) errors.invalid(proofPath, spec.proofOfPossession ?? '', NO_PROOF);
}

function isProven(key: KeyObject, podUid: string, proof: Buffer): boolean {
  const signed = Buffer.from(podUid);
  if (key.asymmetricKeyType === 'ed25519') return verify(undefined, signed, key, proof);
  if (key.asymmetricKeyType === 'ec') return verify('sha256', signed, key, proof);
  const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_AUTO: saltLength } = constants;
  return verify('sha256', signed, { key, padding, saltLength }, proof);
}

export const podCertificateRequestStrategy: Strategy<PodCertificateRequest> = {
  allowUnconditionalUpdate: false,
  prepareForCreate(request) {
    request.status = {};
  },
  validate({ spec }, errors, { old }) {
    if (old || !spec) return;
    validateSignerName(spec.signerName, SPEC.child('signerName'), errors);
    validateWho(spec, errors);
    validateLifetime(spec, errors);
    validateUserAnnotations(spec.unverifiedUserAnnotations, SPEC.child('unverifiedUserAnnotations'), errors);
    if (spec.stubPKCS10Request) validateStub(spec, errors);
    else validateKeyAndProof(spec, errors);
  },
  validateUpdate(now, old, errors, context) {
    if (context.subresource === 'status') validateStatus(now, old, context.nowMs, errors);
    else if (!semanticEqual(now.spec, old.spec)) errors.invalid(SPEC, goValue(TYPE, now.spec), IMMUTABLE);
  },
};
