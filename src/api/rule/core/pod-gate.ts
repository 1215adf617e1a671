// Fields whose feature is switched off are dropped, unless the stored object already uses them.
import type { Mutable } from '../../meta.ts';
import type { Container, ContainerStatus, PodSpec, PodStatus, PodTemplateSpec } from '../../type/core-v1.ts';
import { dropFields } from '../drop-fields.ts';

type Enabled = (gate: string) => boolean;

/** Changes `spec` in place. `old` is absent on create. */
export function dropDisabledFields(spec: Mutable<PodSpec>, old: PodSpec | undefined, enabled: Enabled): void {
  const fields = spec as Record<string, unknown>;
  const drop = (gate: string, field: keyof PodSpec) => {
    if (spec[field] !== undefined && old?.[field] === undefined && !enabled(gate)) delete fields[field];
  };
  drop('PodLevelResources', 'resources');
  drop('HostnameOverride', 'hostnameOverride');
  drop('GenericWorkload', 'schedulingGroup');
  dropContainerFields(spec, old, enabled);
  dropVolumeFields(spec, old, enabled);
}

/** As dropDisabledFields, for a workload's template. */
export function dropTemplateFields(
  template: Mutable<PodTemplateSpec> | undefined,
  old: PodTemplateSpec | undefined,
  enabled: Enabled,
): void {
  if (template?.spec) dropDisabledFields(template.spec, old?.spec, enabled);
}

/** As dropDisabledFields, for what is said of a pod. */
export function dropStatusFields(status: Mutable<PodStatus>, old: PodStatus, enabled: Enabled): void {
  const drop = (gate: string, of: (s: PodStatus) => readonly object[], ...fields: string[]) => {
    if (!enabled(gate)) dropFields(of(status as PodStatus), of(old), fields);
  };
  const containers = (s: PodStatus): readonly ContainerStatus[] => [
    ...(s.containerStatuses ?? []),
    ...(s.initContainerStatuses ?? []),
    ...(s.ephemeralContainerStatuses ?? []),
  ];
  const devices = (s: PodStatus) =>
    containers(s).flatMap(c => (c.allocatedResourcesStatus ?? []).flatMap(r => r.resources ?? []));
  const volumes = (s: PodStatus) =>
    containers(s).flatMap(c => (c.volumeMounts ?? []).flatMap(m => m.volumeStatus ?? []));
  const itself = (s: PodStatus) => [s];
  drop('ResourceHealthStatus', containers, 'allocatedResourcesStatus');
  drop('ResourceHealthStatusMessage', devices, 'message');
  drop('ContainerStopSignals', containers, 'stopSignal');
  drop('ImageVolumeWithDigest', volumes, 'image');
  drop('InPlacePodLevelResourcesVerticalScaling', itself, 'resources', 'allocatedResources');
  drop('DRAExtendedResource', itself, 'extendedResourceClaimStatus');
  drop('DRANodeAllocatableResources', itself, 'nodeAllocatableResourceClaimStatuses');
}

function dropContainerFields(spec: Mutable<PodSpec>, old: PodSpec | undefined, enabled: Enabled): void {
  const all = (s: Pick<PodSpec, 'containers' | 'initContainers' | 'ephemeralContainers'> | undefined) =>
    s ? [...(s.containers ?? []), ...(s.initContainers ?? []), ...(s.ephemeralContainers ?? [])] : [];
  const containers = all(spec as PodSpec) as Mutable<PodSpec>['containers'];
  for (const c of containers) {
    if (c.lifecycle?.stopSignal !== undefined && !enabled('ContainerStopSignals')) {
      if (!all(old).some(o => o.lifecycle?.stopSignal !== undefined))
        delete (c.lifecycle as { stopSignal?: unknown }).stopSignal;
    }
    if (c.restartPolicyRules && !enabled('ContainerRestartRules')) {
      if (!all(old).some(o => o.restartPolicyRules)) delete (c as { restartPolicyRules?: unknown }).restartPolicyRules;
    }
    // Lists of variables may be held by many.
    if (c.env && !enabled('EnvFiles') && c.env.some(usesFile) && !all(old).some(o => o.env?.some(usesFile)))
      c.env = c.env.map(env => (usesFile(env) ? withoutFile(env) : env));
  }
}

type Variable = NonNullable<Mutable<Container>['env']>[number];

const usesFile = ({ valueFrom }: Pick<Variable, 'valueFrom'>): boolean => Boolean(valueFrom?.fileKeyRef);

function withoutFile(env: Variable): Variable {
  const { fileKeyRef: _, ...valueFrom } = env.valueFrom!;
  return { ...env, valueFrom };
}

function dropVolumeFields(spec: Mutable<PodSpec>, old: PodSpec | undefined, enabled: Enabled): void {
  const uses = (key: 'clusterTrustBundle' | 'podCertificate') =>
    old?.volumes?.some(v => v.projected?.sources?.some(s => s[key])) ?? false;
  for (const volume of spec.volumes ?? []) {
    for (const source of volume.projected?.sources ?? []) {
      if (source.clusterTrustBundle && !enabled('ClusterTrustBundleProjection') && !uses('clusterTrustBundle'))
        delete (source as { clusterTrustBundle?: unknown }).clusterTrustBundle;
      if (source.podCertificate && !enabled('PodCertificateRequest') && !uses('podCertificate'))
        delete (source as { podCertificate?: unknown }).podCertificate;
    }
  }
}
