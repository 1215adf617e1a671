// Who may approve, sign and attest for which signer, and which subjects nobody gets: CertificateApproval,
// CertificateSigning, CertificateSubjectRestriction, ClusterTrustBundleAttest.

import { FieldErrors, path } from '../../api/field-error.ts';
import { semanticEqual } from '../../api/rule/record.ts';
import { forbidden, invalid } from '../../api/status.ts';
import type { CertificateSigningRequest } from '../../api/type/certificates-v1.ts';
import type { ClusterTrustBundle, PodCertificateRequest } from '../../api/type/certificates-v1beta1.ts';
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
      const conditions = ({ status }: CertificateSigningRequest) => status?.conditions ?? [];
      const isSame = semanticEqual(conditions(before), conditions(now));
      if (before.status?.certificate === now.status?.certificate && isSame) return;
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

/** Whoever says what a signer's authorities are must be trusted with that. */
export function trustBundleAttest(authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'ClusterTrustBundleAttest',
    handles: ({ resource, operation }) =>
      resource.group === 'certificates.k8s.io' &&
      resource.resource === 'clustertrustbundles' &&
      (operation === 'CREATE' || operation === 'UPDATE'),
    async validate({ resource, name, user, object, old }) {
      const now = object as unknown as ClusterTrustBundle;
      const before = old as unknown as ClusterTrustBundle | undefined;
      const signerName = now.spec?.signerName ?? '';
      if (before && (before.spec?.signerName ?? '') !== signerName)
        throw forbidden(resource, name, 'changing signerName is forbidden');
      if (!signerName || (before && changesOnlyOwnership(now, before))) return;
      if (!(await mayForSigner(authorizer, user, 'attest', signerName)))
        throw forbidden(
          resource,
          name || now.metadata.name || '',
          `user not permitted to attest for signerName ${JSON.stringify(signerName)}`,
        );
    },
  };
}

/** As the garbage collector and storage migration write. */
function changesOnlyOwnership(now: ClusterTrustBundle, before: ClusterTrustBundle): boolean {
  const rest = ({ metadata, ...object }: ClusterTrustBundle) => {
    const { ownerReferences, finalizers, managedFields, resourceVersion, ...others } = metadata;
    return { ...object, metadata: others };
  };
  return semanticEqual(rest(now), rest(before));
}

/** No admission plugin of its own in Kubernetes: there the rules of the kind ask whether who writes its status may sign. */
export function podCertificateSigning(authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'PodCertificateRequestSigning',
    handles: ({ resource, operation, subresource }) =>
      resource.group === 'certificates.k8s.io' &&
      resource.resource === 'podcertificaterequests' &&
      operation === 'UPDATE' &&
      subresource === 'status',
    async validate({ resource, name, user, object, old }) {
      const before = old as unknown as PodCertificateRequest;
      const { signerName } = before.spec;
      if (semanticEqual((object as unknown as PodCertificateRequest).status, before.status)) return;
      if (await mayForSigner(authorizer, user, 'sign', signerName)) return;
      const errors = new FieldErrors();
      const who = `User ${JSON.stringify(user.name)} is not permitted to "sign" for signer ${JSON.stringify(signerName)}`;
      errors.forbidden(path('spec.signerName'), who);
      throw invalid({ group: resource.group, resource: resource.kind }, name, errors.list);
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
