// Who may approve and sign for which signer, and which subjects nobody gets: CertificateApproval, CertificateSigning,
// CertificateSubjectRestriction.

import { forbidden } from '../../api/status.ts';
import type { CertificateSigningRequest } from '../../api/type/certificates-v1.ts';
import { type ParsedCertificateRequest, parseCertificateRequest } from '../../base/x509.ts';
import { systemPrivilegedGroup, type UserInfo } from '../authn/user.ts';
import type { Authorizer } from '../authz/authorizer.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';

const isRequest = ({ resource, operation }: AdmissionAttributes, wanted: string) =>
  resource.group === 'certificates.k8s.io' &&
  resource.resource === 'certificatesigningrequests' &&
  operation === wanted;

/** For the signer by name, or for all of its domain. */
async function mayForSigner(
  authorizer: Authorizer,
  user: UserInfo,
  verb: string,
  signerName: string,
): Promise<boolean> {
  const at = { isResource: true, group: 'certificates.k8s.io', version: '*', resource: 'signers' };
  for (const name of [signerName, `${signerName.split('/', 1)[0]}/*`]) {
    const question = { user, verb, ...at, subresource: '', namespace: '', name, path: '' };
    if ((await authorizer.authorize(question)).decision === 'allow') return true;
  }
  return false;
}

export function certificateApproval(authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'CertificateApproval',
    handles: a => isRequest(a, 'UPDATE') && a.subresource === 'approval',
    async validate({ resource, name, user, old }) {
      const { signerName } = (old as unknown as CertificateSigningRequest).spec;
      if (!(await mayForSigner(authorizer, user, 'approve', signerName)))
        throw forbidden(
          resource,
          name,
          `user not permitted to approve requests with signerName ${JSON.stringify(signerName)}`,
        );
    },
  };
}

export function certificateSigning(authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'CertificateSigning',
    handles: a => isRequest(a, 'UPDATE') && a.subresource === 'status',
    async validate({ resource, name, user, old, object }) {
      const before = old as unknown as CertificateSigningRequest;
      const now = object as unknown as CertificateSigningRequest;
      const failed = (r: CertificateSigningRequest) =>
        JSON.stringify((r.status?.conditions ?? []).filter(c => c.type === 'Failed'));
      if (before.status?.certificate === now.status?.certificate && failed(before) === failed(now)) return;
      const { signerName } = before.spec;
      if (!(await mayForSigner(authorizer, user, 'sign', signerName)))
        throw forbidden(
          resource,
          name,
          `user not permitted to sign requests with signerName ${JSON.stringify(signerName)}`,
        );
    },
  };
}

const clientSigner = 'kubernetes.io/kube-apiserver-client';

export const certificateSubjectRestriction: AdmissionPlugin = {
  name: 'CertificateSubjectRestriction',
  handles: a => isRequest(a, 'CREATE') && a.subresource === '',
  async validate({ resource, name, object }) {
    const { signerName, request } = (object as unknown as CertificateSigningRequest).spec;
    if (signerName !== clientSigner) return;
    let parsed: ParsedCertificateRequest;
    try {
      parsed = await parseCertificateRequest(Buffer.from(request, 'base64').toString());
    } catch (error) {
      throw forbidden(resource, name, `failed to parse CSR: ${(error as Error).message}`);
    }
    if (parsed.subject.organizations.includes(systemPrivilegedGroup))
      throw forbidden(
        resource,
        name,
        `use of ${clientSigner} signer with ${systemPrivilegedGroup} group is not allowed`,
      );
  },
};
