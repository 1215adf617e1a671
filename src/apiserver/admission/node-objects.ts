// What a node may write besides its Node and its pods: claims' status, its lease, CSINode, slices and requests for
// certificates.
import type { KubeObject } from '../../api/meta.ts';
import { diffText } from '../../api/rule/diff.ts';
import { semanticEqual } from '../../api/rule/record.ts';
import { forbidden, type StatusError } from '../../api/status.ts';
import type { CertificateSigningRequest } from '../../api/type/certificates-v1.ts';
import type { PersistentVolumeClaim } from '../../api/type/core-v1.ts';
import type { ResourceSlice } from '../../api/type/resource-v1.ts';
import { parseCertificateRequest } from '../../base/x509.ts';
import type { AdmissionAttributes } from './admission.ts';

export const deny = ({ resource, name }: AdmissionAttributes, why: string): StatusError =>
  forbidden(resource, name, why);

/** On a create the name is the object's only. */
const nameOf = ({ operation, name, object }: AdmissionAttributes) =>
  operation === 'CREATE' ? (object?.metadata.name ?? name) : name;

/** A claim without what a node says of it. */
function rest({ metadata, status, ...claim }: PersistentVolumeClaim): object {
  const { resourceVersion, managedFields, ...kept } = metadata;
  const { capacity, conditions, allocatedResources, allocatedResourceStatuses, ...others } = status ?? {};
  return { ...claim, metadata: kept, status: others };
}

export function checkClaimStatus(a: AdmissionAttributes, nodeName: string): void {
  if (a.subresource !== 'status') throw deny(a, 'may only update PVC status');
  if (a.operation !== 'UPDATE') throw deny(a, `unexpected operation ${JSON.stringify(a.operation)}`);
  const [before, now] = [a.old, a.object].map(claim => rest(claim as unknown as PersistentVolumeClaim));
  if (semanticEqual(before, now)) return;
  throw deny(
    a,
    `node ${JSON.stringify(nodeName)} is not allowed to update fields other than status.capacity and status.conditions: ${diffText(before, now)}`,
  );
}

const leaseNamespace = 'kube-node-lease';

export function checkLease(a: AdmissionAttributes, nodeName: string): void {
  if (a.namespace !== leaseNamespace)
    throw deny(a, `can only access leases in the ${JSON.stringify(leaseNamespace)} system namespace`);
  if (nameOf(a) !== nodeName) throw deny(a, 'can only access node lease with the same name as the requesting node');
}

export function checkCsiNode(a: AdmissionAttributes, nodeName: string): void {
  if (nameOf(a) !== nodeName) throw deny(a, 'can only access CSINode with the same name as the requesting node');
}

/** Whose slice it is the authorizer cannot know of one that is made, or of many. */
export function checkResourceSlice(a: AdmissionAttributes, nodeName: string): void {
  const isMine = (slice: KubeObject | AdmissionAttributes['object']) =>
    (slice as unknown as ResourceSlice | undefined)?.spec.nodeName === nodeName;
  if (a.operation === 'CREATE' && !isMine(a.object))
    throw deny(a, 'can only create ResourceSlice with the same NodeName as the requesting node');
  if (a.operation === 'DELETE' && !isMine(a.old))
    throw deny(a, 'can only delete ResourceSlice with the same NodeName as the requesting node');
}

const kubeletSigners = new Set(['kubernetes.io/kubelet-serving', 'kubernetes.io/kube-apiserver-client-kubelet']);

/** A node asks to be itself. */
export function checkSigningRequest(a: AdmissionAttributes, nodeName: string): Promise<void> | undefined {
  if (a.operation !== 'CREATE' || a.subresource) return undefined;
  const { signerName, request } = (a.object as unknown as CertificateSigningRequest).spec;
  if (!kubeletSigners.has(signerName)) return undefined;
  return parseCertificateRequest(Buffer.from(request, 'base64').toString()).then(
    ({ subject }) => {
      if (subject.commonName.startsWith('system:node:') && subject.commonName !== a.user.name)
        throw deny(a, `can only create a node CSR with CN=system:node:${nodeName}`);
    },
    error => {
      throw deny(a, `unable to parse csr: ${(error as Error).message}`);
    },
  );
}
