// The pod of a DaemonSet on one node, and whether it should be there.
import type { Draft } from '../../../api/meta.ts';
import { requiredNodeAffinityMatches } from '../../../api/node-affinity.ts';
import { semanticEqual } from '../../../api/rule/record.ts';
import { fitsTaints } from '../../../api/toleration.ts';
import type { DaemonSet } from '../../../api/type/apps-v1.ts';
import type { Node, Pod, PodSpec, Toleration } from '../../../api/type/core-v1.ts';
import type { OwnerReference } from '../../../api/type/meta-v1.ts';
import { revisionLabel } from '../../history/kernel/revision.ts';
import { podFromTemplate } from '../../kernel/pod-template.ts';

const generationLabel = 'pod-template-generation';
const generationAnnotation = 'deprecated.daemonset.template.generation';
const nodeNameField = 'metadata.name';

// Daemons stay on nodes in trouble: others depend on them.
const always: readonly (readonly [key: string, effect: 'NoExecute' | 'NoSchedule'])[] = [
  ['not-ready', 'NoExecute'],
  ['unreachable', 'NoExecute'],
  ['disk-pressure', 'NoSchedule'],
  ['memory-pressure', 'NoSchedule'],
  ['pid-pressure', 'NoSchedule'],
  ['unschedulable', 'NoSchedule'],
];

/** The template's tolerations and those every daemon has. */
export function daemonTolerations(spec: PodSpec | undefined): Toleration[] {
  const tolerations = [...(spec?.tolerations ?? [])];
  const add = (key: string, effect: Toleration['effect']) => {
    const toleration = { key: `node.kubernetes.io/${key}`, operator: 'Exists', effect } as Toleration;
    const same = tolerations.findIndex(
      t => t.key === toleration.key && t.effect === effect && t.operator === 'Exists' && !t.value,
    );
    if (same < 0) tolerations.push(toleration);
    else if (!semanticEqual(tolerations[same], toleration)) tolerations[same] = toleration;
  };
  for (const [key, effect] of always) add(key, effect);
  if (spec?.hostNetwork) add('network-unavailable', 'NoSchedule');
  return tolerations;
}

export interface Placement {
  readonly shouldRun: boolean;
  /** A pod that is there already may stay. */
  readonly mayStay: boolean;
}

/** Decides for the nodes, one after the other, of one DaemonSet. */
export function placementOf(ds: DaemonSet): (node: Node) => Placement {
  const spec = ds.spec.template.spec;
  const tolerations = daemonTolerations(spec);
  return node => {
    const named = !spec?.nodeName || spec.nodeName === node.metadata.name;
    if (!named || !requiredNodeAffinityMatches({ spec: spec ?? {} }, node)) return { shouldRun: false, mayStay: false };
    if (fitsTaints(tolerations, node, ['NoSchedule', 'NoExecute'])) return { shouldRun: true, mayStay: true };
    return { shouldRun: false, mayStay: fitsTaints(tolerations, node, ['NoExecute']) };
  };
}

/** The pod for a node, which the scheduler binds there by its affinity. */
export function daemonPod(ds: DaemonSet, owner: OwnerReference, hash: string, nodeName: string): Draft<Pod> {
  const pod = podFromTemplate(ds.spec.template, ds.metadata.namespace!, owner);
  const generation = templateGeneration(ds);
  pod.metadata!.labels = {
    ...pod.metadata!.labels,
    [revisionLabel]: hash,
    ...(generation === undefined ? {} : { [generationLabel]: generation }),
  };
  const tolerations = daemonTolerations(ds.spec.template.spec) as Draft<PodSpec>['tolerations'];
  pod.spec = { ...pod.spec, affinity: onlyOn(nodeName, pod.spec?.affinity), tolerations };
  return pod;
}

/** Replaces what the template requires of nodes (which this one meets) by its name. */
function onlyOn(nodeName: string, affinity: Draft<PodSpec>['affinity']): Draft<PodSpec>['affinity'] {
  const term = { matchFields: [{ key: nodeNameField, operator: 'In' as const, values: [nodeName] }] };
  return {
    ...affinity,
    nodeAffinity: {
      ...affinity?.nodeAffinity,
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] },
    },
  };
}

/** The node a pod runs on or is meant for; '' when it says neither. */
export function targetNode(pod: Pod): string {
  if (pod.spec?.nodeName) return pod.spec.nodeName;
  const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  for (const term of required?.nodeSelectorTerms ?? [])
    for (const { key, operator, values } of term.matchFields ?? [])
      if (key === nodeNameField && operator === 'In' && values?.length === 1) return values[0]!;
  return '';
}

function templateGeneration(ds: DaemonSet): string | undefined {
  const text = ds.metadata.annotations?.[generationAnnotation];
  return text && /^[0-9]+$/.test(text) ? text : undefined;
}

/** Was made from the template as it is now. */
export function isUpdated(pod: Pod, ds: DaemonSet, hash: string): boolean {
  const { labels } = pod.metadata;
  const generation = templateGeneration(ds);
  return labels?.[revisionLabel] === hash || (generation !== undefined && labels?.[generationLabel] === generation);
}
