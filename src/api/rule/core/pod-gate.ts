// Fields whose feature is switched off are dropped, unless the stored object already uses them.
import type { Mutable } from '../../meta.ts';
import type { Container, PodSpec, PodTemplateSpec } from '../../type/core-v1.ts';

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
  drop('DynamicResourceAllocation', 'resourceClaims');
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
    if (c.env && !enabled('EnvFiles') && c.env.some(usesFile))
      c.env = c.env.map(env => (usesFile(env) ? withoutFile(env) : env));
  }
}

type Variable = NonNullable<Mutable<Container>['env']>[number];

const usesFile = ({ valueFrom }: Variable): boolean => Boolean(valueFrom?.fileKeyRef);

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
