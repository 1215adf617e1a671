// The controllers of certificate signing requests: approving kubelets' own, signing what has been approved, cleaning up.
import { cloneDeep, type Draft, formatTime } from '../../api/meta.ts';
import { authorizationV1, certificatesV1 } from '../../api/refs.ts';
import type { SubjectAccessReview } from '../../api/type/authorization-v1.ts';
import type { CertificateSigningRequest } from '../../api/type/certificates-v1.ts';
import { messageOf } from '../../base/assert.ts';
import {
  type CertificateAndKey,
  parseCertificateRequest,
  parseCertificates,
  signCertificate,
} from '../../base/x509.ts';
import type { Controller, ControllerContext } from '../../engine/controller.ts';
import { cleanerController } from '../cleaner.ts';
import { certificateUsages, hasCondition, kubeletClientSigner, lifetime, refusal, signers } from './kernel/signer.ts';
import { isStale } from './kernel/stale.ts';

const serviceAccount = 'certificate-controller';
const yearMs = 365 * 24 * 3_600_000;
const cleanMs = 600_000;

const pemOf = (base64: string): string => Buffer.from(base64, 'base64').toString('utf8');
const isIssued = (csr: CertificateSigningRequest): boolean => !!csr.status?.certificate;

function onRequests(
  name: string,
  reconcile: (csr: CertificateSigningRequest, context: ControllerContext) => Promise<void>,
): Controller {
  return {
    name,
    serviceAccount,
    watches: [
      {
        resource: certificatesV1.certificatesigningrequests,
        keys: (csr: CertificateSigningRequest, _old, _context, deleted) =>
          deleted || isIssued(csr) ? [] : [csr.metadata.name],
      },
    ],
    writes: ['certificatesigningrequests/status', 'certificatesigningrequests/approval'],
    create: context => ({
      async reconcile(key) {
        const csr = context.lister(certificatesV1.certificatesigningrequests).get(key);
        if (csr && !isIssued(csr)) await reconcile(csr, context);
      },
    }),
  };
}

/** Approves requests of kubelets that may have what they ask for. */
export const csrApprovingController = (): Controller =>
  onRequests('certificatesigningrequest-approving-controller', approve);

const recognized = [
  {
    subresource: 'selfnodeclient',
    message: 'Auto approving self kubelet client certificate after SubjectAccessReview.',
  },
  { subresource: 'nodeclient', message: 'Auto approving kubelet client certificate after SubjectAccessReview.' },
];

async function approve(csr: CertificateSigningRequest, context: ControllerContext): Promise<void> {
  if (hasCondition(csr, 'Approved') || hasCondition(csr, 'Denied')) return;
  if (csr.spec.signerName !== kubeletClientSigner) return;
  const request = await parse(csr);
  if (refusal(kubeletClientSigner, request, csr.spec.usages ?? []) !== undefined) return;
  const own = csr.spec.username === request.subject.commonName;
  const tried: string[] = [];
  for (const { subresource, message } of own ? recognized : recognized.slice(1)) {
    tried.push(subresource);
    if (!(await mayCreate(csr, subresource, context))) continue;
    const now = formatTime(context.clock.now());
    const draft: Draft<CertificateSigningRequest> = cloneDeep(csr);
    const condition = { type: 'Approved', status: 'True', reason: 'AutoApproved', message, lastUpdateTime: now };
    draft.status = { ...draft.status, conditions: [...(draft.status?.conditions ?? []), condition] };
    const { name } = csr.metadata;
    await context.client.updateSubresource(certificatesV1.certificatesigningrequests, { name }, 'approval', draft);
    return;
  }
  throw new Error(
    `recognized csr "${csr.metadata.name}" as [${tried.join(' ')}] but subject access review was not approved`,
  );
}

async function mayCreate(
  csr: CertificateSigningRequest,
  subresource: string,
  context: ControllerContext,
): Promise<boolean> {
  const { username, uid, groups, extra } = csr.spec;
  const review = await context.client.create<SubjectAccessReview>(authorizationV1.subjectaccessreviews, {
    spec: {
      resourceAttributes: {
        group: 'certificates.k8s.io',
        resource: 'certificatesigningrequests',
        verb: 'create',
        subresource,
        version: '*',
      },
      ...(username ? { user: username } : {}),
      ...(groups ? { groups: [...groups] } : {}),
      ...(extra ? { extra: cloneDeep(extra) } : {}),
      ...(uid ? { uid } : {}),
    },
  });
  return review.status?.allowed === true;
}

async function parse(csr: CertificateSigningRequest) {
  try {
    return await parseCertificateRequest(pemOf(csr.spec.request));
  } catch (error) {
    throw new Error(`unable to parse csr "${csr.metadata.name}": ${messageOf(error)}`);
  }
}

/** Signs for Kubernetes' own signers with the cluster's authority. `ttlMs`: the longest life; default a year. */
export const csrSigningController = (ca: CertificateAndKey, ttlMs = yearMs): Controller =>
  onRequests('certificatesigningrequest-signing-controller', (csr, context) => sign(csr, context, ca, ttlMs));

async function sign(
  csr: CertificateSigningRequest,
  context: ControllerContext,
  ca: CertificateAndKey,
  ttlMs: number,
): Promise<void> {
  const { signerName, usages = [], expirationSeconds } = csr.spec;
  if (!signers.includes(signerName) || !hasCondition(csr, 'Approved')) return;
  if (hasCondition(csr, 'Denied') || hasCondition(csr, 'Failed')) return;
  const { client, clock, random } = context;
  const request = await parse(csr);
  const draft: Draft<CertificateSigningRequest> = cloneDeep(csr);
  const why = refusal(signerName, request, usages);
  if (why === undefined) {
    const pem = await signCertificate(ca, request.publicKeyPem, {
      ...request,
      nowMs: clock.now(),
      random,
      days: 0,
      usages: 'client',
      exact: { ...certificateUsages(usages), ...lifetime(expirationSeconds, ttlMs, clock.now()) },
    });
    draft.status = { ...draft.status, certificate: Buffer.from(pem).toString('base64') };
  } else {
    const now = formatTime(clock.now());
    const failed = {
      type: 'Failed',
      status: 'True',
      reason: 'SignerValidationFailure',
      message: why,
      lastUpdateTime: now,
      lastTransitionTime: now,
    };
    draft.status = { ...draft.status, conditions: [...(draft.status?.conditions ?? []), failed] };
  }
  await client.updateStatus<CertificateSigningRequest>(certificatesV1.certificatesigningrequests, draft);
}

/** Deletes requests that have been answered, or left without an answer, long ago. */
export const csrCleanerController = (): Controller =>
  cleanerController({
    name: 'certificatesigningrequest-cleaner-controller',
    serviceAccount,
    resource: certificatesV1.certificatesigningrequests,
    everyMs: cleanMs,
    isDone: (csr, nowMs) => isStale(csr, certificateEndMs(csr), nowMs),
  });

function certificateEndMs(csr: CertificateSigningRequest): number | undefined {
  try {
    return csr.status?.certificate ? parseCertificates(pemOf(csr.status.certificate))[0]?.notAfterMs : undefined;
  } catch {
    return undefined;
  }
}
