import type { Pod } from '../../api/type/core-v1.ts';
import type { PodSandboxConfig, PortMapping } from '../../cri/type.ts';
import { milliOf, numberOf } from './amount.ts';
import type { ResolvConf } from './dns.ts';
import { sandboxAnnotations, sandboxLabels } from './label.ts';
import { cpuQuota, cpuShares, podTotal } from './qos.ts';
import { isSidecar } from './restart-policy.ts';
import { type SandboxSecurityInput, sandboxSecurity } from './security.ts';

export interface SandboxInput extends SandboxSecurityInput {
  readonly attempt: number;
  readonly hostname: string;
  readonly dns: ResolvConf;
  readonly logDirectory: string;
  readonly cgroupParent: string;
}

export function sandboxConfig(input: SandboxInput): PodSandboxConfig {
  const { pod } = input;
  const { metadata, spec } = pod;
  const hostNetwork = spec.hostNetwork ?? false;
  return {
    metadata: {
      name: metadata.name ?? '',
      namespace: metadata.namespace ?? '',
      uid: metadata.uid ?? '',
      attempt: input.attempt,
    },
    // The host's own name would be changed otherwise.
    ...(hostNetwork ? {} : { hostname: input.hostname }),
    log_directory: input.logDirectory,
    dns_config: {
      servers: input.dns.nameservers,
      searches: input.dns.searches,
      options: input.dns.options,
    },
    port_mappings: hostNetwork ? [] : portMappings(pod),
    labels: sandboxLabels(pod),
    annotations: sandboxAnnotations(pod),
    linux: {
      cgroup_parent: input.cgroupParent,
      security_context: sandboxSecurity(input),
      sysctls: Object.fromEntries((spec.securityContext?.sysctls ?? []).map(s => [s.name, s.value])),
      overhead: {
        cpu_shares: spec.overhead?.cpu ? cpuShares(milliOf(spec.overhead.cpu)) : 0,
        memory_limit_in_bytes: numberOf(spec.overhead?.memory),
      },
      resources: sandboxResources(pod),
    },
  };
}

/** What the pod's containers will use together, for runtimes that size a sandbox beforehand. */
function sandboxResources(pod: Pod) {
  const limit = podTotal(pod.spec, 'limits', 'cpu');
  return {
    cpu_period: 100_000,
    cpu_quota: cpuQuota(limit),
    cpu_shares: cpuShares(podTotal(pod.spec, 'requests', 'cpu')),
    memory_limit_in_bytes: podTotal(pod.spec, 'limits', 'memory'),
  };
}

function portMappings(pod: Pod): readonly PortMapping[] {
  const containers = [...(pod.spec.initContainers ?? []).filter(isSidecar), ...pod.spec.containers];
  return containers.flatMap(c =>
    (c.ports ?? []).map(p => ({
      protocol: p.protocol ?? ('TCP' as const),
      container_port: p.containerPort,
      host_port: p.hostPort ?? 0,
      host_ip: p.hostIP ?? '',
    })),
  );
}
