// Names, ordinals and labels of a StatefulSet's pods and claims.
import { cloneDeep, type Draft } from '../../../api/meta.ts';
import type { StatefulSet } from '../../../api/type/apps-v1.ts';
import type { PersistentVolumeClaim, Pod, PodTemplateSpec, Volume } from '../../../api/type/core-v1.ts';
import type { OwnerReference } from '../../../api/type/meta-v1.ts';
import { revisionLabel } from '../../history/kernel/revision.ts';
import { podFromTemplate } from '../../kernel/pod-template.ts';

export const podNameLabel = 'statefulset.kubernetes.io/pod-name';
export const podIndexLabel = 'apps.kubernetes.io/pod-index';

export const replicasOf = (set: StatefulSet): number => set.spec.replicas ?? 1;
export const startOrdinal = (set: StatefulSet): number => set.spec.ordinals?.start ?? 0;

export const podName = (set: StatefulSet, ordinal: number): string => `${set.metadata.name}-${ordinal}`;

/** The name of the set a pod's name speaks of, and its ordinal. */
function parseName(name: string): { set: string; ordinal: number } | undefined {
  const match = /^(.*)-([0-9]+)$/.exec(name);
  return match ? { set: match[1]!, ordinal: Number(match[2]) } : undefined;
}

/** Only a pod of a name that the set gives can be one of its own. */
export function ordinalIn(set: StatefulSet, pod: Pod): number | undefined {
  const parsed = parseName(pod.metadata.name);
  return parsed && parsed.set === set.metadata.name && parsed.ordinal < 2 ** 31 ? parsed.ordinal : undefined;
}

export function isInRange(set: StatefulSet, ordinal: number): boolean {
  const start = startOrdinal(set);
  return ordinal >= start && ordinal < start + replicasOf(set);
}

/** The claims of one pod, as they are to be created. */
export function claimsFor(set: StatefulSet, ordinal: number): Draft<PersistentVolumeClaim>[] {
  return (set.spec.volumeClaimTemplates ?? []).map(template => {
    const { status: _, metadata, ...rest } = cloneDeep(template) as Draft<PersistentVolumeClaim>;
    const labels = { ...metadata?.labels, ...set.spec.selector.matchLabels };
    return {
      ...rest,
      metadata: {
        ...metadata,
        name: claimName(set, template.metadata.name, ordinal),
        namespace: set.metadata.namespace!,
        ...(Object.keys(labels).length > 0 ? { labels } : {}),
      },
    };
  });
}

export const claimName = (set: StatefulSet, template: string, ordinal: number): string =>
  `${template}-${set.metadata.name}-${ordinal}`;

/** A new pod of the given revision. */
export function statefulPod(
  set: StatefulSet,
  template: PodTemplateSpec,
  owner: OwnerReference,
  ordinal: number,
  revision: string,
): Draft<Pod> {
  const pod = podFromTemplate(template, set.metadata.namespace!, owner);
  const name = podName(set, ordinal);
  const { generateName: _, ...metadata } = pod.metadata!;
  return {
    ...pod,
    metadata: {
      ...metadata,
      name,
      labels: { ...identityLabels(template.metadata?.labels, name, ordinal), [revisionLabel]: revision },
    },
    spec: {
      ...pod.spec,
      hostname: name,
      ...(set.spec.serviceName ? { subdomain: set.spec.serviceName } : {}),
      ...withVolumes(claimVolumes(set, ordinal, pod.spec?.volumes as readonly Volume[] | undefined)),
    },
  };
}

const withVolumes = (volumes: Draft<Volume>[]) => (volumes.length > 0 ? { volumes } : {});

const identityLabels = (labels: Readonly<Record<string, string>> | undefined, name: string, ordinal: number) => ({
  ...labels,
  [podNameLabel]: name,
  [podIndexLabel]: String(ordinal),
});

/** The claims as volumes, in place of volumes of the same names. */
function claimVolumes(set: StatefulSet, ordinal: number, own: readonly Volume[] = []): Draft<Volume>[] {
  const names = (set.spec.volumeClaimTemplates ?? []).map(t => t.metadata.name);
  return [
    ...names.map(name => ({ name, persistentVolumeClaim: { claimName: claimName(set, name, ordinal) } })),
    ...(own.filter(v => !names.includes(v.name)) as Draft<Volume>[]),
  ];
}

/** The pod carries its name as a label, and the claims of its ordinal as volumes. */
export function hasIdentity(set: StatefulSet, pod: Pod, ordinal: number): boolean {
  const volumes = new Map((pod.spec?.volumes ?? []).map(v => [v.name, v.persistentVolumeClaim?.claimName]));
  return (
    pod.metadata.labels?.[podNameLabel] === pod.metadata.name &&
    (set.spec.volumeClaimTemplates ?? []).every(
      t => volumes.get(t.metadata.name) === claimName(set, t.metadata.name, ordinal),
    )
  );
}

export function withIdentity(set: StatefulSet, pod: Pod, ordinal: number): Draft<Pod> {
  const draft = cloneDeep(pod) as Draft<Pod>;
  return {
    ...draft,
    metadata: { ...draft.metadata, labels: identityLabels(pod.metadata.labels, pod.metadata.name, ordinal) },
    spec: { ...draft.spec, ...withVolumes(claimVolumes(set, ordinal, pod.spec?.volumes)) },
  };
}
