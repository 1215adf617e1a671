// What kubelets may do: read what their pods need, write what is their own.
import { certificatesV1beta1, coreV1, resourceV1, storageV1 } from '../../api/refs.ts';
import type { PodCertificateRequest } from '../../api/type/certificates-v1beta1.ts';
import type { PersistentVolume, Pod } from '../../api/type/core-v1.ts';
import type { PolicyRule } from '../../api/type/rbac-v1.ts';
import type { ResourceSlice } from '../../api/type/resource-v1.ts';
import type { VolumeAttachment } from '../../api/type/storage-v1.ts';
import { nodeIdentity, type UserInfo } from '../authn/user.ts';
import type { Attributes, Authorizer, ResolvedRules, RuleResolver, Verdict } from './authorizer.ts';
import { NodeGraph, type VertexType } from './kernel/node-graph.ts';
import { sameReferences } from './kernel/pod-references.ts';
import type { Feed } from './rbac.ts';
import { RuleIndex } from './rule.ts';

export interface NodeFeeds {
  readonly pods: Feed<Pod>;
  readonly persistentVolumes: Feed<PersistentVolume>;
  readonly volumeAttachments: Feed<VolumeAttachment>;
  readonly resourceSlices: Feed<ResourceSlice>;
  /** Where they are served. */
  readonly podCertificateRequests?: Feed<PodCertificateRequest>;
}

/** What NodeFeeds is made of, for whoever starts the informers. */
export const nodeFeedResources = {
  pods: coreV1.pods,
  persistentVolumes: coreV1.persistentvolumes,
  volumeAttachments: storageV1.volumeattachments,
  resourceSlices: resourceV1.resourceslices,
  podCertificateRequests: certificatesV1beta1.podcertificaterequests,
};

/** Does an action on the graph, `AddPod`, and counts how long it takes. */
type TimedAction = (operation: string, act: () => void) => void;

/** A graph that follows the feeds. */
export function followingGraph(feeds: NodeFeeds, timed: TimedAction = (_, act) => act()): NodeGraph {
  const graph = new NodeGraph();
  feeds.pods.addHandler({
    onAdd: pod => timed('AddPod', () => graph.setPod(pod)),
    onUpdate: (pod, old) => {
      if (!sameReferences(pod, old)) timed('AddPod', () => graph.setPod(pod));
    },
    onDelete: pod => timed('DeletePod', () => graph.removePod(pod.metadata.namespace ?? '', pod.metadata.name ?? '')),
  });
  feeds.persistentVolumes.addHandler({
    onAdd: v => timed('AddPV', () => graph.setVolume(v)),
    onUpdate: v => timed('AddPV', () => graph.setVolume(v)),
    onDelete: v => timed('DeletePV', () => graph.removeVolume(v.metadata.name ?? '')),
  });
  feeds.volumeAttachments.addHandler({
    onAdd: a => timed('AddVolumeAttachment', () => graph.setAttachment(a)),
    onUpdate: a => timed('AddVolumeAttachment', () => graph.setAttachment(a)),
    onDelete: a => timed('DeleteVolumeAttachment', () => graph.removeAttachment(a.metadata.name ?? '')),
  });
  feeds.resourceSlices.addHandler({
    onAdd: s => timed('AddResourceSlice', () => graph.setSlice(s)),
    onUpdate: s => timed('AddResourceSlice', () => graph.setSlice(s)),
    onDelete: s => timed('DeleteResourceSlice', () => graph.removeSlice(s.metadata.name ?? '')),
  });
  feeds.podCertificateRequests?.addHandler({
    onAdd: r => timed('AddPodCertificateRequest', () => graph.setCertificateRequest(r)),
    // What they say of the node cannot change.
    onDelete: r =>
      timed('DeletePodCertificateRequest', () =>
        graph.removeCertificateRequest(r.metadata.namespace ?? '', r.metadata.name ?? ''),
      ),
  });
  return graph;
}

const allowed: Verdict = { decision: 'allow', reason: '' };
const nobody: Verdict = { decision: 'noOpinion', reason: '' };
const because = (reason: string): Verdict => ({ decision: 'noOpinion', reason });

type Rule = (authorizer: NodeAuthorizer, node: string, a: Attributes) => Verdict;

const reads = new Set(['get', 'list', 'watch']);
const ownWrites = new Set(['get', 'create', 'update', 'patch', 'delete']);

/** Needs the rules of ClusterRole system:node, for everything that is not decided object by object. */
export class NodeAuthorizer implements Authorizer, RuleResolver {
  readonly #graph: NodeGraph;
  readonly #rules = new RuleIndex<true>();

  constructor(graph: NodeGraph, nodeRules: readonly PolicyRule[]) {
    this.#graph = graph;
    this.#rules.add(nodeRules, true);
  }

  authorize(a: Attributes): Verdict {
    const { isNode, nodeName } = nodeIdentity(a.user);
    if (!isNode) return nobody;
    if (!nodeName) return because(`unknown node for user ${JSON.stringify(a.user.name)}`);
    const special = a.isResource ? specialRules.get(a.group)?.get(a.resource) : undefined;
    if (special) return special(this, nodeName, a);
    return this.#rules.find(a) ? allowed : nobody;
  }

  rulesFor(user: UserInfo): ResolvedRules {
    const { isNode } = nodeIdentity(user);
    return {
      rules: [],
      incomplete: isNode,
      errors: isNode ? ['node authorizer does not support user rule resolution'] : [],
    };
  }

  related(node: string, type: VertexType, a: Attributes): Verdict {
    if (!a.name) return because('No Object name found');
    return this.#graph.isRelated(node, type, a.namespace, a.name)
      ? allowed
      : because(`no relationship found between node '${node}' and this object`);
  }
}

/** get of one object by name. */
const getRelated =
  (type: VertexType): Rule =>
  (self, node, a) => {
    if (a.verb !== 'get') return because('can only get individual resources of this type');
    if (a.subresource) return because('cannot get subresource');
    return self.related(node, type, a);
  };

/** get, and list and watch with a selector on the name, in a namespace. */
const readRelated =
  (type: VertexType): Rule =>
  (self, node, a) => {
    if (!reads.has(a.verb)) return because('can only read resources of this type');
    if (a.subresource) return because('cannot read subresource');
    if (!a.namespace) return because('can only read namespaced object of this type');
    return self.related(node, type, a);
  };

const claims: Rule = (self, node, a) => {
  if (a.subresource !== 'status') return getRelated('pvc')(self, node, a);
  if (!['get', 'update', 'patch'].includes(a.verb)) return because('can only get/update/patch this type');
  return self.related(node, 'pvc', a);
};

const serviceAccounts: Rule = (self, node, a) => {
  if (a.verb === 'get' && !a.subresource) return self.related(node, 'serviceaccount', a);
  if (a.verb !== 'create' || !a.name) return because('can only create tokens for individual service accounts');
  if (a.subresource !== 'token') return because('can only create token subresource of service account');
  return self.related(node, 'serviceaccount', a);
};

const leases: Rule = (_, node, a) => {
  if (!ownWrites.has(a.verb)) return because('can only get, create, update, patch, or delete a node lease');
  if (a.namespace !== 'kube-node-lease')
    return because('can only access leases in the "kube-node-lease" system namespace');
  // The name of what is created is in the body: admission compares it.
  if (a.verb !== 'create' && a.name !== node)
    return because('can only access node lease with the same name as the requesting node');
  return allowed;
};

const csiNodes: Rule = (_, node, a) => {
  if (a.subresource) return because('cannot authorize CSINode subresources');
  if (!ownWrites.has(a.verb)) return because('can only get, create, update, patch, or delete a CSINode');
  if (a.verb !== 'create' && a.name !== node)
    return because('can only access CSINode with the same name as the requesting node');
  return allowed;
};

const selects = (a: Attributes, field: string, node: string) => a.fieldSelector?.requiredValue(field) === node;

const resourceSlices: Rule = (self, node, a) => {
  if (a.subresource) return because('cannot authorize ResourceSlice subresources');
  switch (a.verb) {
    case 'create':
      return allowed;
    case 'get':
    case 'update':
    case 'patch':
    case 'delete':
      return self.related(node, 'resourceslice', a);
    case 'list':
    case 'watch':
    case 'deletecollection':
      return selects(a, 'spec.nodeName', node)
        ? allowed
        : because('can only list/watch/deletecollection resourceslices with nodeName field selector');
    default:
      return because(
        'only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection',
      );
  }
};

const certificateRequests: Rule = (self, node, a) => {
  if (a.subresource) return because('cannot authorize PodCertificateRequest subresources');
  switch (a.verb) {
    // For whom, admission looks at.
    case 'create':
      return allowed;
    case 'get':
      return self.related(node, 'podcertificaterequest', a);
    case 'list':
    case 'watch':
      return selects(a, 'spec.nodeName', node)
        ? allowed
        : because('can only list/watch podcertificaterequests with nodeName field selector');
    default:
      return because('only the following verbs are allowed for a PodCertificateRequest: create, get, list, watch');
  }
};

const nodes: Rule = (_, node, a) => {
  if (a.subresource === 'status') return a.verb === 'update' || a.verb === 'patch' ? allowed : nobody;
  if (a.subresource) return nobody;
  if (a.verb === 'create' || a.verb === 'update' || a.verb === 'patch') return allowed;
  if (!reads.has(a.verb)) return nobody;
  if (a.name === node) return allowed;
  return because(
    a.name
      ? `node '${node}' cannot read '${a.name}', only its own Node object`
      : `node '${node}' cannot read all nodes, only its own Node object`,
  );
};

const pods: Rule = (self, node, a) => {
  switch (`${a.subresource}:${a.verb}`) {
    case ':get':
      return self.related(node, 'pod', a);
    case ':list':
    case ':watch':
      if (selects(a, 'spec.nodeName', node)) return allowed;
      return a.name
        ? self.related(node, 'pod', a)
        : because('can only list/watch pods with spec.nodeName field selector');
    // Mirror pods, which admission looks at.
    case ':create':
    case ':delete':
    case 'status:update':
    case 'status:patch':
    case 'eviction:create':
      return allowed;
    default:
      return nobody;
  }
};

// By group and resource; everything else follows the static rules.
const specialRules = new Map<string, Map<string, Rule>>([
  [
    '',
    new Map<string, Rule>([
      ['secrets', readRelated('secret')],
      ['configmaps', readRelated('configmap')],
      ['persistentvolumeclaims', claims],
      ['persistentvolumes', getRelated('pv')],
      ['serviceaccounts', serviceAccounts],
      ['nodes', nodes],
      ['pods', pods],
    ]),
  ],
  [
    'resource.k8s.io',
    new Map([
      ['resourceclaims', getRelated('resourceclaim')],
      ['resourceslices', resourceSlices],
    ]),
  ],
  [
    'storage.k8s.io',
    new Map([
      ['volumeattachments', getRelated('volumeattachment')],
      ['csinodes', csiNodes],
    ]),
  ],
  ['coordination.k8s.io', new Map([['leases', leases]])],
  ['certificates.k8s.io', new Map([['podcertificaterequests', certificateRequests]])],
]);
