// What a signer may write into a PodCertificateRequest.
import type { X509Certificate } from 'node:crypto';
import { readCertificateRequest } from '../../../base/certificate-request.ts';
import { pemBlocks } from '../../../base/pem.ts';
import { type FieldErrors, path } from '../../field-error.ts';
import { parseTime } from '../../meta.ts';
import type { PodCertificateRequest } from '../../type/certificates-v1beta1.ts';
import { validateConditions } from '../condition.ts';
import { semanticEqual } from '../record.ts';
import { readCertificate } from './certificate.ts';

const STATUS = path('status');
const CONDITIONS = STATUS.child('conditions');
const CHAIN = STATUS.child('certificateChain');
const OUTCOMES = ['Denied', 'Failed', 'Issued'];
const OMITTED = '<value omitted>';
const MAX_CHAIN_BYTES = 100 * 1024;
const SKEW_MS = 5 * 60_000;
const MARGIN_MS = 10 * 60_000;
const HOUR_MS = 3600_000;
const TIMES = ['notBefore', 'beginRefreshAt', 'notAfter'] as const;

type Request = PodCertificateRequest;

const outcomeOf = (request: Request) =>
  request.status?.conditions?.find(c => OUTCOMES.includes(c.type) && c.status === 'True')?.type;

/** At most one outcome; what came of a request stays; a certificate comes with its times and fits what was asked. */
export function validateStatus(now: Request, old: Request, nowMs: number, errors: FieldErrors): void {
  validateOutcomes(now, errors);
  if (outcomeOf(old)) {
    if (!semanticEqual(now.status, old.status))
      errors.invalid(STATUS, OMITTED, 'immutable after PodCertificateRequest is issued, denied, or failed');
    return;
  }
  if (outcomeOf(now) === 'Issued') {
    validateIssued(now, nowMs, errors);
    return;
  }
  const { certificateChain, ...status } = now.status ?? {};
  if (certificateChain) errors.invalid(CHAIN, OMITTED, 'must be empty unless the request is issued');
  for (const field of TIMES)
    if (status[field]) errors.invalid(STATUS.child(field), status[field], 'must be unset unless the request is issued');
}

function validateOutcomes({ status }: Request, errors: FieldErrors): void {
  validateConditions(status?.conditions, CONDITIONS, errors);
  let outcomes = 0;
  for (const [i, c] of (status?.conditions ?? []).entries()) {
    const at = CONDITIONS.index(i);
    if (!OUTCOMES.includes(c.type)) errors.notSupported(at.child('type'), c.type, OUTCOMES);
    else {
      if (++outcomes > 1)
        errors.invalid(
          at.child('type'),
          c.type,
          'There may be at most one condition with type "Issued", "Denied", or "Failed"',
        );
      if (c.status !== 'True') errors.notSupported(at.child('status'), c.status, ['True']);
    }
  }
}

function validateIssued(request: Request, nowMs: number, errors: FieldErrors): void {
  const chain = request.status.certificateChain ?? '';
  if (Buffer.byteLength(chain) > MAX_CHAIN_BYTES) {
    errors.tooLong(CHAIN, MAX_CHAIN_BYTES);
    return;
  }
  const leaf = readChain(chain, errors);
  if (!leaf) return;
  const key = requestedKey(request);
  if (!key || !leaf.publicKey.export({ type: 'spki', format: 'der' }).equals(key)) {
    errors.invalid(CHAIN, OMITTED, 'leaf certificate was not issued to the requested public key');
    return;
  }
  validateTimes(request, leaf, nowMs, errors);
}

function requestedKey({ spec }: Request): Buffer | undefined {
  if (!spec.stubPKCS10Request) return Buffer.from(spec.pkixPublicKey ?? '', 'base64');
  try {
    return Buffer.from(readCertificateRequest(Buffer.from(spec.stubPKCS10Request, 'base64')).spki);
  } catch {
    return undefined;
  }
}

/** The first certificate, when all of the chain is sound. */
function readChain(chain: string, errors: FieldErrors): X509Certificate | undefined {
  const blocks = pemBlocks(chain);
  const fault = (detail: string) => {
    errors.invalid(CHAIN, OMITTED, detail);
    return undefined;
  };
  if (blocks.length === 0) return fault('issued certificate chain must contain at least one certificate');
  let leaf: X509Certificate | undefined;
  for (const [i, { type, der }] of blocks.entries()) {
    if (type !== 'CERTIFICATE')
      return fault('issued certificate chain must consist entirely of CERTIFICATE PEM blocks');
    const certificate = readCertificate(der);
    if (!certificate) return fault(`${i === 0 ? 'leaf' : 'intermediate'} certificate does not parse as valid X.509`);
    leaf ??= certificate;
  }
  return leaf;
}

function validateTimes({ spec, status }: Request, leaf: X509Certificate, nowMs: number, errors: FieldErrors): void {
  const fromMs = leaf.validFromDate.getTime();
  const untilMs = leaf.validToDate.getTime();
  const ownTime = (field: 'notBefore' | 'notAfter', wantMs: number) => {
    const at = STATUS.child(field);
    if (!status[field]) errors.required(at, 'must be present and consistent with the issued certificate');
    else if (parseTime(status[field]) !== wantMs)
      errors.invalid(
        at,
        status[field],
        `must be set to the ${field === 'notBefore' ? 'NotBefore' : 'NotAfter'} time encoded in the leaf certificate`,
      );
  };
  ownTime('notBefore', fromMs);
  if (fromMs > nowMs + SKEW_MS || fromMs < nowMs - SKEW_MS)
    errors.invalid(
      STATUS.child('notBefore'),
      status.notBefore ?? null,
      "must be set to within 5 minutes of kube-apiserver's current time",
    );
  ownTime('notAfter', untilMs);
  const lifeMs = untilMs - fromMs;
  const most = spec.maxExpirationSeconds ?? 0;
  if (lifeMs < HOUR_MS) errors.invalid(CHAIN, OMITTED, 'leaf certificate lifetime must be >= 1 hour');
  if (lifeMs > most * 1000)
    errors.invalid(CHAIN, OMITTED, `leaf certificate lifetime must be <= spec.maxExpirationSeconds (${most})`);
  validateRefresh(status.beginRefreshAt, fromMs, untilMs, errors);
}

function validateRefresh(text: string | undefined, fromMs: number, untilMs: number, errors: FieldErrors): void {
  const at = STATUS.child('beginRefreshAt');
  const ms = parseTime(text);
  if (ms === undefined) errors.required(at, 'must be present and consistent with the issued certificate');
  else if (ms < fromMs + MARGIN_MS) errors.invalid(at, text, 'must be at least 10 minutes after status.notBefore');
  else if (ms > untilMs - MARGIN_MS) errors.invalid(at, text, 'must be at least 10 minutes before status.notAfter');
}
