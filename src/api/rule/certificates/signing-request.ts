// The rules of CertificateSigningRequests.
import { derElements, readCertificateRequest } from '../../../base/certificate-request.ts';
import { pemBlocks } from '../../../base/pem.ts';
import { type FieldErrors, path } from '../../field-error.ts';
import { formatTime, type Mutable } from '../../meta.ts';
import type { RuleContext, Strategy } from '../../strategy.ts';
import type { CertificateSigningRequest } from '../../type/certificates-v1.ts';
import { diffText } from '../diff.ts';
import { semanticEqual, sortedRecord } from '../record.ts';
import { isCertificate } from './certificate.ts';
import { validateSignerName } from './signer-name.ts';

const SPEC = path('spec');
const CONDITIONS = path('status.conditions');
const MIN_SECONDS = 600;
const LEGACY_SIGNER = 'kubernetes.io/legacy-unknown';
const DECISIONS = ['Approved', 'Denied'];
const USAGES = [
  'signing',
  'digital signature',
  'content commitment',
  'key encipherment',
  'key agreement',
  'data encipherment',
  'cert sign',
  'crl sign',
  'encipher only',
  'decipher only',
  'any',
  'server auth',
  'client auth',
  'code signing',
  'email protection',
  's/mime',
  'ipsec end system',
  'ipsec tunnel',
  'ipsec user',
  'timestamping',
  'ocsp signing',
  'microsoft sgc',
  'netscape sgc',
];

type Request = CertificateSigningRequest;

/** As Go words it, by the kind of key. */
const unsigned: Readonly<Record<string, string>> = {
  rsa: 'crypto/rsa: verification error',
  ec: 'x509: ECDSA verification failure',
  ed25519: 'x509: Ed25519 verification failure',
};

/** Whoever asks must hold the key. */
function requestFault(request: string): string | undefined {
  const [block] = pemBlocks(Buffer.from(request, 'base64').toString('latin1'));
  if (block?.type !== 'CERTIFICATE REQUEST') return 'PEM block type must be CERTIFICATE REQUEST';
  let length = 0;
  try {
    length = derElements(block.der).length;
    const { isSigned, publicKey } = readCertificateRequest(block.der);
    if (isSigned) return undefined;
    const kind = publicKey.asymmetricKeyType ?? '';
    return isSigned === false ? unsigned[kind] : 'x509: cannot verify signature: algorithm unimplemented';
  } catch {
    if (length > 1) return 'asn1: syntax error: trailing data';
    return length === 1 ? "asn1: structure error: tags don't match" : 'asn1: syntax error: data truncated';
  }
}

function validateSpec({ spec }: Request, errors: FieldErrors): void {
  const fault = requestFault(spec.request ?? '');
  // As Go prints bytes.
  if (fault) errors.invalid(SPEC.child('request'), spec.request ?? null, fault);
  const usages = spec.usages ?? [];
  const at = SPEC.child('usages');
  if (usages.length === 0) errors.required(at);
  for (const [i, usage] of usages.entries()) {
    if (!USAGES.includes(usage)) errors.notSupported(at.index(i), usage, USAGES.toSorted());
    if (usages.indexOf(usage) < i) errors.duplicate(at.index(i), usage);
  }
  const signer = SPEC.child('signerName');
  if (spec.signerName === LEGACY_SIGNER)
    errors.invalid(signer, spec.signerName, 'the legacy signerName is not allowed via this API version');
  else validateSignerName(spec.signerName, signer, errors);
  if (spec.expirationSeconds !== undefined && spec.expirationSeconds < MIN_SECONDS)
    errors.invalid(
      SPEC.child('expirationSeconds'),
      spec.expirationSeconds,
      'may not specify a duration less than 600 seconds (10 minutes)',
    );
}

const conditionsOf = (request: Request) => request.status?.conditions ?? [];

function validateConditions(request: Request, errors: FieldErrors): void {
  const seen = new Set<string>();
  for (const [i, { type, status }] of conditionsOf(request).entries()) {
    const at = CONDITIONS.index(i);
    if (!type) errors.required(at.child('type'));
    else if (seen.has(type)) errors.duplicate(at.child('type'), type);
    seen.add(type);
    if (DECISIONS.includes(type) && DECISIONS.every(d => seen.has(d)))
      errors.invalid(CONDITIONS, type, 'Approved and Denied conditions are mutually exclusive');
    if (!status) errors.required(at.child('status'));
    else if (!['True', 'False', 'Unknown'].includes(status))
      errors.notSupported(at.child('status'), status, ['False', 'True', 'Unknown']);
    else if ((DECISIONS.includes(type) || type === 'Failed') && status !== 'True')
      errors.notSupported(at.child('status'), status, ['True']);
  }
}

/** What keeps base64 of PEM from being a chain of certificates. */
function certificateFault(certificate: string): string | undefined {
  const blocks = pemBlocks(Buffer.from(certificate, 'base64').toString('latin1'));
  for (const { type, hasHeaders, der } of blocks) {
    if (type !== 'CERTIFICATE') return `only CERTIFICATE PEM blocks are allowed, found ${JSON.stringify(type)}`;
    if (hasHeaders) return 'no PEM block headers are permitted';
    if (!areCertificates(der)) return 'x509: malformed certificate';
  }
  return blocks.length === 0 ? 'must contain one or more CERTIFICATE PEM blocks' : undefined;
}

/** One after the other, nothing else. */
function areCertificates(der: Uint8Array): boolean {
  try {
    const each = derElements(der);
    return each.length > 0 && each.every(({ whole }) => isCertificate(whole));
  } catch {
    return false;
  }
}

/** What was decided stays decided; only an approver decides. */
function validateDecision(now: Request, old: Request, mayDecide: boolean, errors: FieldErrors): void {
  for (const type of [...DECISIONS, 'Failed']) {
    const before = conditionsOf(old).find(c => c.type === type);
    const after = conditionsOf(now).find(c => c.type === type);
    if (before && !after) errors.forbidden(CONDITIONS, `updates may not remove a condition of type "${type}"`);
    if (!after || mayDecide || !DECISIONS.includes(type)) continue;
    if (!before) errors.forbidden(CONDITIONS, `updates may not add a condition of type "${type}"`);
    else if (!semanticEqual(before, after))
      errors.forbidden(
        CONDITIONS,
        `updates may not modify a condition of type "${type}"\n${diffText([before], [after])}`,
      );
  }
  if (mayDecide && now.status?.certificate !== old.status?.certificate)
    errors.forbidden(path('status.certificate'), 'updates may not set certificate content');
  else if (old.status?.certificate && now.status?.certificate !== old.status.certificate)
    errors.forbidden(path('status.certificate'), 'updates may not modify existing certificate content');
}

/** Conditions say when they were written and when they changed. */
function stampConditions(request: Mutable<Request>, old: Request, now: string): void {
  for (const condition of request.status?.conditions ?? []) {
    condition.lastUpdateTime ??= now;
    if (condition.lastTransitionTime) continue;
    const before = conditionsOf(old).find(c => c.type === condition.type && c.status === condition.status);
    condition.lastTransitionTime = before?.lastTransitionTime ?? now;
  }
}

/** Whoever signs must be able to trust who asked. */
function noteRequester(spec: Mutable<Request['spec']>, user: RuleContext['user']): void {
  for (const field of ['username', 'uid', 'groups', 'extra'] as const) delete spec[field];
  if (!user) return;
  spec.username = user.name;
  if (user.uid) spec.uid = user.uid;
  if (user.groups.length > 0) spec.groups = [...user.groups];
  if (user.extra)
    spec.extra = sortedRecord(Object.fromEntries(Object.entries(user.extra).map(([k, v]) => [k, [...v]])));
}

export const signingRequestStrategy: Strategy<Request> = {
  nameRule: 'any',
  prepareForCreate(request, { user }) {
    request.status = {};
    if (request.spec) noteRequester(request.spec, user);
  },
  prepareForUpdate(request, old, context) {
    request.spec = old.spec as Mutable<Request['spec']>;
    if (context.subresource === '') request.status = old.status as Mutable<Request['status']>;
    else stampConditions(request, old, formatTime(context.nowMs));
  },
  validate(request, errors, { old }) {
    if (!request.metadata.resourceVersion) validateSpec(request, errors);
    const { certificate } = request.status ?? {};
    const fault = certificate && certificate !== (old as Request)?.status?.certificate && certificateFault(certificate);
    if (fault) errors.invalid(path('status.certificate'), '<certificate data>', fault);
    validateConditions(request, errors);
  },
  validateUpdate(now, old, errors, context) {
    validateDecision(now, old, context.subresource === 'approval', errors);
  },
};
