// NodeRestriction: a kubelet writes its own Node, its own pods, its own lease, and nothing that would reach further.
import type { KubeObject, Mutable } from '../../api/meta.ts';
import { apiReference } from '../../api/pod-reference.ts';
import { semanticEqual } from '../../api/rule/record.ts';
import { notFound } from '../../api/status.ts';
import type { TokenRequest } from '../../api/type/authentication-v1.ts';
import type { PodCertificateRequest } from '../../api/type/certificates-v1beta1.ts';
import type { Node, Pod } from '../../api/type/core-v1.ts';
import { nodeIdentity } from '../authn/user.ts';
import type { WatchCache } from '../registry/watch-cache.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';
import {
  checkClaimStatus,
  checkCsiNode,
  checkLease,
  checkResourceSlice,
  checkSigningRequest,
  deny,
} from './node-objects.ts';
import { checkTokenAudience, type TokenAudienceDeps } from './token-audience.ts';

const mirrorAnnotation = 'kubernetes.io/config.mirror';

export interface NodeRestrictionDeps {
  readonly pods: WatchCache;
  readonly nodes: WatchCache;
  readonly serviceAccounts: WatchCache;
  /** Absent: nodes ask for tokens for anybody. */
  readonly tokenAudience: TokenAudienceDeps | undefined;
  /** Nodes ask for certificates of other nodes: AllowInsecureKubeletCertificateSigningRequests. */
  readonly anyNodeName: boolean;
}

export function nodeRestriction(deps: NodeRestrictionDeps): AdmissionPlugin {
  return {
    name: 'NodeRestriction',
    handles: ({ user }) => nodeIdentity(user).isNode,
    mutate(attributes) {
      const { resource, subresource } = attributes;
      const { nodeName } = nodeIdentity(attributes.user);
      if (!nodeName)
        throw deny(attributes, `could not determine node from user ${JSON.stringify(attributes.user.name)}`);
      switch (`${resource.group}/${resource.resource}`) {
        case '/pods':
          if (subresource === '') return checkPod(attributes, nodeName, deps);
          if (subresource === 'status') return checkPodStatus(attributes, nodeName);
          if (subresource === 'eviction') return checkEviction(attributes, nodeName, deps);
          throw deny(
            attributes,
            `unexpected pod subresource ${JSON.stringify(subresource)}, only 'status' and 'eviction' are allowed`,
          );
        case '/nodes':
          return checkNode(attributes, nodeName);
        case '/persistentvolumeclaims':
          return checkClaimStatus(attributes, nodeName);
        case '/serviceaccounts':
          return checkToken(attributes, nodeName, deps);
        case 'certificates.k8s.io/podcertificaterequests':
          return checkCertificateRequest(attributes, nodeName, deps);
        case 'coordination.k8s.io/leases':
          return checkLease(attributes, nodeName);
        case 'storage.k8s.io/csinodes':
          return checkCsiNode(attributes, nodeName);
        case 'resource.k8s.io/resourceslices':
          return checkResourceSlice(attributes, nodeName);
        case 'certificates.k8s.io/certificatesigningrequests':
          return deps.anyNodeName ? undefined : checkSigningRequest(attributes, nodeName);
        default:
      }
    },
  };
}

/** The copies Kubernetes looks into name what they lack so. */
const absent = (resource: string, name: string) => notFound({ group: '', resource }, name);

function checkPod(a: AdmissionAttributes, nodeName: string, { pods, nodes }: NodeRestrictionDeps): void {
  if (a.operation === 'CREATE') {
    const pod = a.object as unknown as Pod;
    if (pod.metadata.annotations?.[mirrorAnnotation] === undefined)
      throw deny(
        a,
        `pod does not have ${JSON.stringify(mirrorAnnotation)} annotation, node ${JSON.stringify(nodeName)} can only create mirror pods`,
      );
    if (pod.spec.nodeName !== nodeName)
      throw deny(a, `node ${JSON.stringify(nodeName)} can only create pods with spec.nodeName set to itself`);
    const owners = pod.metadata.ownerReferences ?? [];
    if (owners.length > 1)
      throw deny(
        a,
        `node ${JSON.stringify(nodeName)} can only create pods with a single owner reference set to itself`,
      );
    const owner = owners[0];
    if (!owner)
      throw deny(a, `node ${JSON.stringify(nodeName)} can only create pods with an owner reference set to itself`);
    if (owner.apiVersion !== 'v1' || owner.kind !== 'Node' || owner.name !== nodeName)
      throw deny(a, `node ${JSON.stringify(nodeName)} can only create pods with an owner reference set to itself`);
    if (owner.controller !== true)
      throw deny(
        a,
        `node ${JSON.stringify(nodeName)} can only create pods with a controller owner reference set to itself`,
      );
    if (owner.blockOwnerDeletion)
      throw deny(a, `node ${JSON.stringify(nodeName)} must not set blockOwnerDeletion on an owner reference`);
    const uid = nodes.latest(nodeName)?.object.metadata.uid;
    if (uid === undefined) throw absent('node', nodeName);
    if (uid !== owner.uid) throw deny(a, `node ${nodeName} UID mismatch: expected ${owner.uid} got ${uid}`);
    const reference = apiReference(pod);
    if (reference) throw deny(a, `node ${JSON.stringify(nodeName)} can not create pods that reference ${reference}`);
    return;
  }
  if (a.operation === 'DELETE') {
    const pod = (a.old ?? pods.latest(`${a.namespace}/${a.name}`)?.object) as unknown as Pod | undefined;
    if (!pod) throw absent('pod', a.name);
    if (pod.spec.nodeName !== nodeName)
      throw deny(a, `node ${JSON.stringify(nodeName)} can only delete pods with spec.nodeName set to itself`);
    return;
  }
  throw deny(
    a,
    `unexpected operation ${JSON.stringify(a.operation)}, node ${JSON.stringify(nodeName)} can only create and delete mirror pods`,
  );
}

function checkPodStatus(a: AdmissionAttributes, nodeName: string): void {
  if (a.operation !== 'UPDATE') throw deny(a, `unexpected operation ${JSON.stringify(a.operation)}`);
  const before = a.old as unknown as Pod;
  if (before.spec.nodeName !== nodeName)
    throw deny(
      a,
      `node ${JSON.stringify(nodeName)} can only update pod status for pods with spec.nodeName set to itself`,
    );
  if (JSON.stringify(before.metadata.labels ?? {}) !== JSON.stringify(a.object!.metadata.labels ?? {}))
    throw deny(a, `node ${JSON.stringify(nodeName)} cannot update labels through pod status`);
  // Who sets them lets the node's devices be used.
  const { status: now } = a.object as unknown as Pod;
  if (!semanticEqual(before.status.resourceClaimStatuses ?? [], now.resourceClaimStatuses ?? []))
    throw deny(a, `node ${JSON.stringify(nodeName)} cannot update resource claim statuses`);
  if (!semanticEqual(before.status.extendedResourceClaimStatus, now.extendedResourceClaimStatus))
    throw deny(a, `node ${JSON.stringify(nodeName)} cannot update extended resource claim status`);
}

function checkEviction(a: AdmissionAttributes, nodeName: string, { pods }: NodeRestrictionDeps): void {
  if (a.operation !== 'CREATE') throw deny(a, `unexpected operation ${a.operation}`);
  const name = a.name || a.object?.metadata.name || '';
  const pod = pods.latest(`${a.namespace}/${name}`)?.object as unknown as Pod | undefined;
  if (!pod) throw absent('pod', name);
  if (pod.spec.nodeName !== nodeName)
    throw deny(a, `node ${nodeName} can only evict pods with spec.nodeName set to itself`);
}

function checkNode(a: AdmissionAttributes, nodeName: string): void {
  const asked = a.name || a.object?.metadata.name || '';
  if (a.operation === 'CREATE') {
    const node = a.object as unknown as Node;
    if (node.spec?.configSource)
      throw deny(a, `node ${JSON.stringify(nodeName)} is not allowed to create pods with a non-nil configSource`);
    const labels = forbiddenLabels({}, node.metadata.labels ?? {});
    if (labels.length)
      throw deny(
        a,
        `node ${JSON.stringify(nodeName)} is not allowed to set the following labels: ${labels.join(', ')}`,
      );
    if (asked !== nodeName)
      throw deny(a, `node ${JSON.stringify(nodeName)} is not allowed to modify node ${JSON.stringify(asked)}`);
    return;
  }
  if (asked !== nodeName)
    throw deny(a, `node ${JSON.stringify(nodeName)} is not allowed to modify node ${JSON.stringify(asked)}`);
  if (a.operation !== 'UPDATE') return;
  const node = a.object as unknown as Mutable<Node>;
  const before = a.old as unknown as Node;
  if (node.spec?.configSource && !semanticEqual(node.spec.configSource, before.spec?.configSource))
    throw deny(
      a,
      `node ${JSON.stringify(nodeName)} is not allowed to update configSource to a new non-nil configSource`,
    );
  if (JSON.stringify(node.metadata.ownerReferences ?? []) !== JSON.stringify(before.metadata.ownerReferences ?? []))
    throw deny(a, `node ${JSON.stringify(nodeName)} is not allowed to modify ownerReferences`);
  if (JSON.stringify(node.spec?.taints ?? []) !== JSON.stringify(before.spec?.taints ?? []))
    throw deny(a, `node ${JSON.stringify(nodeName)} is not allowed to modify taints`);
  const labels = forbiddenLabels(before.metadata.labels ?? {}, node.metadata.labels ?? {});
  if (labels.length) throw deny(a, `is not allowed to modify labels: ${labels.join(', ')}`);
}

type Labels = Readonly<Record<string, string>>;

const kubeletLabels = new Set([
  'kubernetes.io/hostname',
  'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region',
  'node.kubernetes.io/instance-type',
  'beta.kubernetes.io/instance-type',
  'kubernetes.io/os',
  'kubernetes.io/arch',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/arch',
]);
const kubeletDomains = ['kubelet.kubernetes.io', 'node.kubernetes.io'];

/** Changed labels under kubernetes.io and k8s.io that are not the kubelet's to set. */
function forbiddenLabels(before: Labels, after: Labels): string[] {
  const changed = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(k => before[k] !== after[k]);
  return changed.filter(isForbidden).sort();
}

function isForbidden(key: string): boolean {
  const domain = key.includes('/') ? key.slice(0, key.indexOf('/')) : '';
  const under = (parent: string) => domain === parent || domain.endsWith(`.${parent}`);
  if (under('node-restriction.kubernetes.io')) return true;
  if (!under('kubernetes.io') && !under('k8s.io')) return false;
  return !kubeletLabels.has(key) && !kubeletDomains.some(under);
}

function checkToken(
  a: AdmissionAttributes,
  nodeName: string,
  { pods, tokenAudience }: NodeRestrictionDeps,
): Promise<void> | undefined {
  if (a.operation !== 'CREATE' || a.subresource !== 'token') return undefined;
  const request = a.object as unknown as Partial<TokenRequest> | undefined;
  const ref = request?.spec?.boundObjectRef;
  if (ref?.apiVersion !== 'v1' || ref.kind !== 'Pod' || !ref.name)
    throw deny(a, `node requested token not bound to a pod`);
  if (!ref.uid) throw deny(a, `node requested token with a pod binding without a uid`);
  const pod = pods.latest(`${a.namespace}/${ref.name}`)?.object as unknown as (Pod & KubeObject) | undefined;
  if (!pod) throw absent('pod', ref.name);
  if (pod.metadata.uid !== ref.uid)
    throw deny(
      a,
      `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  if (pod.spec.nodeName !== nodeName)
    throw deny(a, `node requested token bound to a pod scheduled on a different node`);
  return tokenAudience && checkTokenAudience(a, pod, request?.spec?.audiences ?? [], tokenAudience);
}

/** A signer must be able to believe all a request says of its pod. */
function checkCertificateRequest(a: AdmissionAttributes, nodeName: string, deps: NodeRestrictionDeps): void {
  if (a.operation !== 'CREATE') throw deny(a, `unexpected operation ${a.operation}`);
  if (a.subresource) throw deny(a, `unexpected subresource ${JSON.stringify(a.subresource)}`);
  const { spec } = a.object as unknown as PodCertificateRequest;
  const q = JSON.stringify;
  if (spec.nodeName !== nodeName)
    throw deny(
      a,
      `PodCertificateRequest.Spec.NodeName=${q(spec.nodeName)}, which is not the requesting node ${q(nodeName)}`,
    );
  const pod = deps.pods.latest(`${a.namespace}/${spec.podName}`)?.object as unknown as Pod | undefined;
  if (!pod) throw deny(a, `pod ${q(spec.podName)} not found`);
  const differs = (what: string, said: string, is: string | undefined) => {
    if (said !== (is ?? ''))
      throw deny(
        a,
        `PodCertificateRequest for pod ${q(spec.podName)} contains ${what} (${q(said)}) which differs from the actual ${what} (${q(is ?? '')})`,
      );
  };
  differs('pod UID', spec.podUID, pod.metadata.uid);
  if (pod.spec.nodeName !== nodeName)
    throw deny(
      a,
      `PodCertificateRequest for pod ${q(spec.podName)}, which is not bound to the requesting node ${q(nodeName)}`,
    );
  if (pod.metadata.annotations?.[mirrorAnnotation] !== undefined)
    throw deny(a, `pod ${q(spec.podName)} is a mirror pod, which must not ask for certificates`);
  const uidOf = (cache: WatchCache, key: string) => cache.latest(key)?.object.metadata.uid;
  differs('service account name', spec.serviceAccountName, pod.spec.serviceAccountName);
  differs(
    'service account UID',
    spec.serviceAccountUID,
    uidOf(deps.serviceAccounts, `${a.namespace}/${spec.serviceAccountName}`),
  );
  differs('node UID', spec.nodeUID, uidOf(deps.nodes, nodeName));
}
