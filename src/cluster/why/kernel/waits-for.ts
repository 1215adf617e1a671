// One plain sentence: what a pod waits for and who can change that.
import type { ContainerStatus, Pod } from '../../../api/type/core-v1.ts';
import type { Decision, Facts } from './fact.ts';

type Answer = string | undefined;

export function waitsFor(facts: Facts): string {
  const { pod } = facts;
  return (
    leaving(facts) ??
    ended(pod) ??
    (pod.spec.nodeName ? (nodeSilent(facts) ?? starting(facts) ?? notReady(facts)) : unplaced(facts)) ??
    'It runs and is ready: it waits for nothing.'
  );
}

const list = (names: readonly string[]): string =>
  names.length < 2 ? (names[0] ?? '') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
const quoted = (names: readonly string[]): string => list(names.map(n => `"${n}"`));
const sentenceOf = (text: string | undefined): string => (text ? text.replace(/[.\s]+$/, '') : '');
const ofPart = (text: string | undefined): string => (sentenceOf(text) ? ` (${sentenceOf(text)})` : '');

function isNodeReady({ node, nodeUnknown }: Facts): boolean {
  return (
    nodeUnknown === true || node?.status?.conditions?.some(c => c.type === 'Ready' && c.status === 'True') === true
  );
}

function leaving(facts: Facts): Answer {
  const { metadata, spec } = facts.pod;
  if (!metadata.deletionTimestamp) return undefined;
  const { finalizers = [] } = metadata;
  if (finalizers.length)
    return `It is being deleted and waits for its finalizers ${quoted(finalizers)} to be taken away: whoever put them there can do that.`;
  if (!spec.nodeName) return 'It is being deleted: it waits for nothing else.';
  if (!facts.node && !facts.nodeUnknown)
    return `It is being deleted; its node "${spec.nodeName}" is gone, and the pod garbage collector will remove it.`;
  if (!isNodeReady(facts))
    return `It is being deleted and waits for the kubelet of "${spec.nodeName}", which does not answer: bring the node back, delete the node, or delete the pod with --force.`;
  return `It is being deleted and waits for its containers on "${spec.nodeName}" to end, at the latest at ${metadata.deletionTimestamp}.`;
}

function ended({ status }: Pod): Answer {
  if (status?.phase === 'Succeeded') return 'It has ended well: it waits for nothing.';
  if (status?.phase !== 'Failed') return undefined;
  return `It has failed${ofPart([status.reason, status.message].filter(Boolean).join(': '))} and will not run again: it waits for nothing; its owner can delete it or make another.`;
}

// ---- without a node ----

/** What nobody but these can change, by the plugin that said no. */
const changers: Readonly<Record<string, readonly [what: string, who: string]>> = {
  NodeResourcesFit: [
    'a node with enough free resources',
    'its owner can ask for less, and whoever runs the cluster can add nodes or free some',
  ],
  TaintToleration: [
    'a node whose taints it tolerates',
    'its owner can add tolerations, and whoever runs the cluster can remove taints',
  ],
  NodeAffinity: [
    'a node that its node selector and affinity allow',
    'its owner can change them, and whoever runs the cluster can label nodes',
  ],
  NodeUnschedulable: ['a node that is not cordoned', 'whoever runs the cluster can uncordon one'],
  NodeName: ['the node its spec names', 'its owner can name another'],
  NodePorts: ['a node where its host ports are free', 'its owner can choose other ports or none'],
  InterPodAffinity: [
    'a node that pod affinity rules allow',
    'its owner can change the rules, and so can the owners of pods that keep it away',
  ],
  PodTopologySpread: [
    'a node that its topology spread constraints allow',
    'its owner can relax them, and whoever runs the cluster can add nodes to the smaller domains',
  ],
  VolumeBinding: [
    'a node that its volumes can be used on',
    'the owner of its claims can change them, and whoever runs the cluster can provide volumes there',
  ],
  VolumeZone: ["a node in its volumes' zone", 'whoever runs the cluster can add one'],
  VolumeRestrictions: ['another pod to let its volume go', 'the owner of that pod can delete it'],
  NodeVolumeLimits: ['a node that can take another volume', 'whoever runs the cluster can add nodes'],
  DynamicResources: [
    'a node with the devices it claims',
    'the owner of its resource claims can change them, and whoever runs the cluster can add devices',
  ],
};

function unplaced(facts: Facts): Answer {
  const { pod, decisions } = facts;
  const gates = (pod.spec.schedulingGates ?? []).map(g => g.name);
  if (gates.length)
    return `It waits for its scheduling gates ${quoted(gates)} to be removed: whoever put them there can do that.`;
  const scheduler = pod.spec.schedulerName || 'default-scheduler';
  const last = decisions?.decisions?.at(-1);
  const nominated = pod.status?.nominatedNodeName ?? last?.nominatedNode;
  if (nominated)
    return `It waits for pods of lower priority to leave "${nominated}", where the scheduler makes room for it: that happens by itself.`;
  const claim = missingClaim(facts);
  if (claim) return claim;
  if (last?.result === 'error')
    return `It waits for the scheduler, which failed${ofPart(last.message)} and will try again by itself.`;
  if (last?.result === 'unschedulable') return unschedulable(last);
  const condition = pod.status?.conditions?.find(c => c.type === 'PodScheduled' && c.status === 'False');
  if (condition?.message)
    return `It waits for a node (${sentenceOf(condition.message)}): whoever runs the cluster, or its owner, can change that.`;
  if (decisions?.queue) return 'It waits for its turn in the queue of the scheduler: that comes by itself.';
  return `It waits for the scheduler "${scheduler}", which has said nothing about it: whoever runs the cluster can see whether it runs.`;
}

function unschedulable({ rejected = [], message }: Decision): string {
  const known = rejected.filter(r => changers[r.plugin]);
  // The group that is largest: most nodes are one change away from taking it.
  const [first] = known;
  if (!first) {
    const none = message.startsWith('no nodes available')
      ? 'a node: there is none; whoever runs the cluster can add one'
      : undefined;
    return `It waits for ${none ?? `a node that takes it (${sentenceOf(message)}): its owner or whoever runs the cluster can change that`}.`;
  }
  const total = rejected.reduce((sum, r) => sum + r.count, 0);
  const [what, who] = changers[first.plugin]!;
  const said = `${first.count} of ${total} ${total === 1 ? 'node' : 'nodes'}: ${first.reasons.join(', ')}`;
  const others = new Set(known.slice(1).map(r => changers[r.plugin]![0]));
  others.delete(what);
  const also = others.size ? `, on others for ${list([...others])}` : '';
  return `It waits for ${what} (${said})${also}: ${who}.`;
}

function missingClaim({ claims, pod }: Facts): Answer {
  const { namespace } = pod.metadata;
  const absent = claims.find(c => !c.claim);
  if (absent)
    return `It waits for the claim "${absent.name}" of its volume "${absent.volume}", which does not exist: whoever may create claims in "${namespace}" can make it.`;
  const lost = claims.find(c => c.claim?.status?.phase === 'Lost');
  if (lost) return `It waits for the claim "${lost.name}", whose volume is lost: its owner can replace the claim.`;
  const pending = claims.find(
    c => c.claim?.status?.phase !== 'Bound' && c.said && !c.said.startsWith('WaitForFirstConsumer'),
  );
  if (pending)
    return `It waits for the claim "${pending.name}" to be bound${ofPart(pending.said)}: whoever runs the cluster can provide a volume or a provisioner.`;
  return undefined;
}

// ---- on a node ----

function nodeSilent(facts: Facts): Answer {
  const { pod, node } = facts;
  const name = pod.spec.nodeName!;
  if (!node && !facts.nodeUnknown)
    return `It waits for its node "${name}", which does not exist: the pod garbage collector will remove the pod.`;
  if (isNodeReady(facts)) return undefined;
  const ready = node?.status?.conditions?.find(c => c.type === 'Ready');
  return `It waits for its node "${name}", which is not ready${ofPart(ready?.message ?? ready?.reason)}: whoever runs the node can bring it back.`;
}

const newest = ({ events }: Facts, ...reasons: readonly string[]) =>
  events.findLast(e => reasons.includes(e.reason ?? ''));

const imageTroubles = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'ImageInspectError',
  'RegistryUnavailable',
]);
const configTroubles = new Set(['CreateContainerConfigError', 'CreateContainerError', 'RunContainerError']);

function starting(facts: Facts): Answer {
  const { pod } = facts;
  const { initContainerStatuses = [], containerStatuses = [] } = pod.status ?? {};
  const initial = initContainerStatuses.find(s => !isDone(pod, s));
  for (const status of initial ? [initial] : containerStatuses) {
    const trouble = troubleOf(pod, status, facts);
    if (trouble) return trouble;
  }
  if (initial?.state?.running)
    return `It waits for its init container "${initial.name}" to end: that is up to the container; see kubectl logs ${pod.metadata.name} -c ${initial.name}.`;
  const waiting = containerStatuses.filter(s => s.state?.waiting);
  if (containerStatuses.length > 0 && waiting.length === 0) return undefined;
  const mount = newest(facts, 'FailedMount', 'FailedAttachVolume', 'FailedMapVolume');
  if (mount)
    return `It waits for its volumes to be mounted on "${pod.spec.nodeName}"${ofPart(mount.message)}: whoever provides them can change that.`;
  const sandbox = newest(facts, 'FailedCreatePodSandBox', 'NetworkNotReady');
  if (sandbox)
    return `It waits for the node "${pod.spec.nodeName}" to set it up${ofPart(sandbox.message)}: whoever runs the node can change that.`;
  return `It waits for the kubelet of "${pod.spec.nodeName}" to start its containers: that happens by itself.`;
}

/** An init container that ended well, or one that goes on beside the others and has started. */
function isDone({ spec }: Pod, { name, state, started }: ContainerStatus): boolean {
  const stays = spec.initContainers?.find(c => c.name === name)?.restartPolicy === 'Always';
  return stays ? started === true : state?.terminated?.exitCode === 0;
}

function troubleOf(pod: Pod, { name, image, state, lastState }: ContainerStatus, facts: Facts): Answer {
  const { reason = '', message } = state?.waiting ?? {};
  if (imageTroubles.has(reason)) {
    const pulled = facts.events.findLast(e => e.reason === 'Failed' && e.message?.startsWith('Failed to pull'));
    const said = pulled?.message ?? message;
    return `It waits for the image "${image}" of its container "${name}"${ofPart(said)}: its owner can name another or give it pull secrets, and whoever runs the registry can provide it.`;
  }
  if (configTroubles.has(reason))
    return `It waits for its container "${name}" to be made${ofPart(message)}: its owner can correct its configuration or create what it names.`;
  const last = lastState?.terminated ?? state?.terminated;
  if (reason === 'CrashLoopBackOff' || (last && state?.waiting && last.exitCode !== 0))
    return `It waits to start its container "${name}" again, which keeps ending (exit code ${last?.exitCode ?? '?'}${last?.reason && last.reason !== 'Error' ? `, ${last.reason}` : ''}): whoever wrote it can find out why with kubectl logs ${pod.metadata.name} -c ${name} --previous.`;
  return undefined;
}

function notReady(facts: Facts): Answer {
  const { pod } = facts;
  const statuses = pod.status?.containerStatuses ?? [];
  const unready = statuses.find(s => !s.ready);
  if (unready) {
    const probe = newest(facts, 'Unhealthy');
    const kind = unready.started === false ? 'startup' : 'readiness';
    if (unready.state?.terminated)
      return `It waits for nothing more from its container "${unready.name}", which has ended (exit code ${unready.state.terminated.exitCode}); the others go on.`;
    return `It waits for its container "${unready.name}" to pass its ${kind} probe${ofPart(probe?.message)}: that is up to the container, and its owner can correct the probe.`;
  }
  const conditions = pod.status?.conditions ?? [];
  const gates = (pod.spec.readinessGates ?? [])
    .map(g => g.conditionType)
    .filter(type => conditions.find(c => c.type === type)?.status !== 'True');
  if (gates.length)
    return `It waits for its readiness gates ${quoted(gates)}: whoever sets these conditions can do that.`;
  return undefined;
}
