// The Pod Security Standards: what a pod may not do at the levels baseline and restricted.
import type { Container, PodSpec, SecurityContext } from '../../../../api/type/core-v1.ts';
import type { ObjectMeta } from '../../../../api/type/meta-v1.ts';

export type Level = 'privileged' | 'baseline' | 'restricted';

export interface Violation {
  readonly reason: string;
  readonly detail: string;
}

export interface CheckedPod {
  readonly metadata: ObjectMeta;
  readonly spec: PodSpec;
}

/** Undefined when the pod keeps to it. `minor` is the policy's version, Infinity for latest. */
type Check = (pod: CheckedPod, minor: number) => Violation | undefined;

interface NamedCheck {
  readonly id: string;
  readonly level: 'baseline' | 'restricted';
  readonly check: Check;
  /** Of the baseline check that this one makes needless. */
  readonly overrides?: string;
}

function containersOf({ spec }: CheckedPod): Container[] {
  return [
    ...(spec.initContainers ?? []),
    ...spec.containers,
    ...((spec.ephemeralContainers ?? []) as unknown as Container[]),
  ];
}

const quoted = (names: readonly string[]) => names.map(n => JSON.stringify(n)).join(', ');
const plural = (n: number, one: string, many: string) => (n === 1 ? one : many);
const containerList = (names: readonly string[]) =>
  `${plural(names.length, 'container', 'containers')} ${quoted(names)}`;
const unique = (values: readonly string[]) => [...new Set(values)].sort();

/** Names of the containers that do something. */
const bad = (pod: CheckedPod, does: (context: SecurityContext | undefined, c: Container) => boolean): string[] =>
  containersOf(pod)
    .filter(c => does(c.securityContext, c))
    .map(c => c.name);

const hostNamespaces: Check = ({ spec }) => {
  const used = [
    spec.hostNetwork && 'hostNetwork=true',
    spec.hostPID && 'hostPID=true',
    spec.hostIPC && 'hostIPC=true',
  ].filter(Boolean);
  return used.length ? { reason: 'host namespaces', detail: used.join(', ') } : undefined;
};

const privileged: Check = pod => {
  const names = bad(pod, s => s?.privileged === true);
  return names.length
    ? {
        reason: 'privileged',
        detail: `${containerList(names)} must not set securityContext.privileged=true`,
      }
    : undefined;
};

const baselineCapabilities = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
]);

const capabilitiesBaseline: Check = pod => {
  const added = (s: SecurityContext | undefined) =>
    (s?.capabilities?.add ?? []).filter(c => !baselineCapabilities.has(c));
  const names = bad(pod, s => added(s).length > 0);
  if (!names.length) return undefined;
  const all = unique(containersOf(pod).flatMap(c => added(c.securityContext)));
  return {
    reason: 'non-default capabilities',
    detail: `${containerList(names)} must not include ${quoted(all)} in securityContext.capabilities.add`,
  };
};

const capabilitiesRestricted: Check = pod => {
  const noDrop = bad(pod, s => !s?.capabilities?.drop?.includes('ALL'));
  const added = (s: SecurityContext | undefined) => (s?.capabilities?.add ?? []).filter(c => c !== 'NET_BIND_SERVICE');
  const adding = bad(pod, s => added(s).length > 0);
  const details: string[] = [];
  if (noDrop.length) details.push(`${containerList(noDrop)} must set securityContext.capabilities.drop=["ALL"]`);
  if (adding.length) {
    const all = unique(containersOf(pod).flatMap(c => added(c.securityContext)));
    details.push(`${containerList(adding)} must not include ${quoted(all)} in securityContext.capabilities.add`);
  }
  return details.length ? { reason: 'unrestricted capabilities', detail: details.join('; ') } : undefined;
};

const hostPathVolumes: Check = ({ spec }) => {
  const names = (spec.volumes ?? []).filter(v => v.hostPath).map(v => v.name);
  return names.length
    ? { reason: 'hostPath volumes', detail: `${plural(names.length, 'volume', 'volumes')} ${quoted(names)}` }
    : undefined;
};

const hostPorts: Check = pod => {
  const ports = (c: Container) => (c.ports ?? []).map(p => p.hostPort ?? 0).filter(p => p !== 0);
  const names = bad(pod, (_, c) => ports(c).length > 0);
  if (!names.length) return undefined;
  const all = [...new Set(containersOf(pod).flatMap(ports))].sort((a, b) => a - b).map(String);
  return {
    reason: 'hostPort',
    detail: `${containerList(names)} ${plural(names.length, 'uses', 'use')} ${plural(all.length, 'hostPort', 'hostPorts')} ${all.join(', ')}`,
  };
};

const allowedAppArmor = (type: string | undefined) =>
  type === undefined || type === 'RuntimeDefault' || type === 'Localhost';

const appArmor: Check = pod => {
  const values: string[] = [];
  const setters: string[] = [];
  const podType = pod.spec.securityContext?.appArmorProfile?.type;
  if (!allowedAppArmor(podType)) {
    setters.push('pod');
    values.push(`${podType}`);
  }
  const names = bad(pod, s => !allowedAppArmor(s?.appArmorProfile?.type));
  if (names.length) setters.push(containerList(names));
  for (const c of containersOf(pod)) {
    const type = c.securityContext?.appArmorProfile?.type;
    if (!allowedAppArmor(type)) values.push(`${type}`);
  }
  if (setters.length) {
    return {
      reason: 'forbidden AppArmor profile',
      detail: `${setters.join(' and ')} must not set AppArmor profile type to ${quoted(unique(values))}`,
    };
  }
  const prefix = 'container.apparmor.security.beta.kubernetes.io/';
  const notes = Object.entries(pod.metadata.annotations ?? {}).filter(
    ([k, v]) => k.startsWith(prefix) && v !== '' && v !== 'runtime/default' && !v.startsWith('localhost/'),
  );
  if (!notes.length) return undefined;
  const list = notes.map(([k, v]) => `${k}=${JSON.stringify(v)}`).sort();
  return {
    reason: plural(list.length, 'forbidden AppArmor profile', 'forbidden AppArmor profiles'),
    detail: `${plural(list.length, 'annotation', 'annotations')} ${list.join(', ')}`,
  };
};

const seLinuxTypes = new Set(['', 'container_t', 'container_init_t', 'container_kvm_t', 'container_engine_t']);

const seLinux: Check = pod => {
  const options = [
    pod.spec.securityContext?.seLinuxOptions,
    ...containersOf(pod).map(c => c.securityContext?.seLinuxOptions),
  ];
  const types = unique(options.map(o => o?.type ?? '').filter(t => !seLinuxTypes.has(t)));
  const user = options.some(o => o?.user);
  const role = options.some(o => o?.role);
  if (!types.length && !user && !role) return undefined;
  const wrong = (o: { type?: string; user?: string; role?: string } | undefined) =>
    !seLinuxTypes.has(o?.type ?? '') || Boolean(o?.user) || Boolean(o?.role);
  const names = bad(pod, s => wrong(s?.seLinuxOptions));
  const setters = [wrong(options[0]) && 'pod', names.length > 0 && containerList(names)].filter(Boolean).join(' and ');
  const what = [
    types.length > 0 && `${plural(types.length, 'type', 'types')} ${quoted(types)}`,
    user && 'user may not be set',
    role && 'role may not be set',
  ].filter(Boolean);
  return {
    reason: 'seLinuxOptions',
    detail: `${setters} set forbidden securityContext.seLinuxOptions: ${what.join('; ')}`,
  };
};

const procMount: Check = pod => {
  const odd = (s: SecurityContext | undefined) => s?.procMount !== undefined && s.procMount !== 'Default';
  const names = bad(pod, odd);
  if (!names.length) return undefined;
  const values = unique(
    containersOf(pod).flatMap(c => (odd(c.securityContext) ? [`${c.securityContext!.procMount}`] : [])),
  );
  return {
    reason: 'procMount',
    detail: `${containerList(names)} must not set securityContext.procMount to ${quoted(values)}`,
  };
};

const seccompAllowed = (type: string | undefined) => type === 'RuntimeDefault' || type === 'Localhost';

const seccompBaseline: Check = pod => {
  const isOdd = (type: string | undefined) => type !== undefined && !seccompAllowed(type);
  const podType = pod.spec.securityContext?.seccompProfile?.type;
  const names = bad(pod, s => isOdd(s?.seccompProfile?.type));
  const setters = [isOdd(podType) && 'pod', names.length > 0 && containerList(names)].filter(Boolean).join(' and ');
  if (!setters) return undefined;
  const values = unique(
    [podType, ...containersOf(pod).map(c => c.securityContext?.seccompProfile?.type)].filter(isOdd).map(String),
  );
  return {
    reason: 'seccompProfile',
    detail: `${setters} must not set securityContext.seccompProfile.type to ${quoted(values)}`,
  };
};

const seccompRestricted: Check = pod => {
  const odd = seccompBaseline(pod, Number.POSITIVE_INFINITY);
  if (odd) return odd;
  if (seccompAllowed(pod.spec.securityContext?.seccompProfile?.type)) return undefined;
  const names = bad(pod, s => s?.seccompProfile?.type === undefined);
  return names.length
    ? {
        reason: 'seccompProfile',
        detail: `pod or ${containerList(names)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`,
      }
    : undefined;
};

const safeSysctls = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ping_group_range',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_wmem',
]);

const sysctls: Check = ({ spec }) => {
  const names = (spec.securityContext?.sysctls ?? []).map(s => s.name).filter(n => !safeSysctls.has(n));
  return names.length ? { reason: 'forbidden sysctls', detail: names.join(', ') } : undefined;
};

const hostProcess: Check = pod => {
  const names = bad(pod, s => s?.windowsOptions?.hostProcess === true);
  const ofPod = pod.spec.securityContext?.windowsOptions?.hostProcess === true;
  const setters = [ofPod && 'pod', names.length > 0 && containerList(names)].filter(Boolean).join(' and ');
  return setters
    ? { reason: 'hostProcess', detail: `${setters} must not set securityContext.windowsOptions.hostProcess=true` }
    : undefined;
};

const hostProbesSince = 34;

const hostProbes: Check = (pod, minor) => {
  if (minor < hostProbesSince) return undefined;
  const hosts = (c: Container) =>
    [c.livenessProbe, c.readinessProbe, c.startupProbe, c.lifecycle?.postStart, c.lifecycle?.preStop]
      .flatMap(h => [h?.httpGet?.host, h?.tcpSocket?.host])
      .filter((h): h is string => Boolean(h));
  const names = bad(pod, (_, c) => hosts(c).length > 0);
  if (!names.length) return undefined;
  const all = unique(containersOf(pod).flatMap(hosts));
  return {
    reason: 'probe or lifecycle host',
    detail: `${containerList(names)} ${plural(names.length, 'uses', 'use')} probe or lifecycle ${plural(all.length, 'host', 'hosts')} ${quoted(all)}`,
  };
};

const allowedVolumes = new Set([
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
]);

const restrictedVolumes: Check = ({ spec }) => {
  const odd = (spec.volumes ?? []).flatMap(v => {
    const type = Object.keys(v).find(k => k !== 'name');
    return type && !allowedVolumes.has(type) ? [{ name: v.name, type }] : [];
  });
  if (!odd.length) return undefined;
  const types = unique(odd.map(v => v.type));
  return {
    reason: 'restricted volume types',
    detail: `${plural(odd.length, 'volume', 'volumes')} ${quoted(odd.map(v => v.name))} ${plural(odd.length, 'uses', 'use')} restricted volume ${plural(types.length, 'type', 'types')} ${quoted(types)}`,
  };
};

const isWindows = (pod: CheckedPod) => pod.spec.os?.name === 'windows';

const privilegeEscalation: Check = pod => {
  const names = isWindows(pod) ? [] : bad(pod, s => s?.allowPrivilegeEscalation !== false);
  return names.length
    ? {
        reason: 'allowPrivilegeEscalation != false',
        detail: `${containerList(names)} must set securityContext.allowPrivilegeEscalation=false`,
      }
    : undefined;
};

const runAsNonRoot: Check = pod => {
  const ofPod = pod.spec.securityContext?.runAsNonRoot;
  const explicit = bad(pod, s => s?.runAsNonRoot === false);
  const setters = [ofPod === false && 'pod', explicit.length > 0 && containerList(explicit)]
    .filter(Boolean)
    .join(' and ');
  if (setters && (explicit.length > 0 || bad(pod, s => s?.runAsNonRoot !== true).length > 0))
    return { reason: 'runAsNonRoot != true', detail: `${setters} must not set securityContext.runAsNonRoot=false` };
  if (ofPod === true) return undefined;
  const names = bad(pod, s => s?.runAsNonRoot === undefined);
  return names.length
    ? {
        reason: 'runAsNonRoot != true',
        detail: `pod or ${containerList(names)} must set securityContext.runAsNonRoot=true`,
      }
    : undefined;
};

const runAsUser: Check = pod => {
  const names = bad(pod, s => s?.runAsUser === 0);
  const setters = [pod.spec.securityContext?.runAsUser === 0 && 'pod', names.length > 0 && containerList(names)]
    .filter(Boolean)
    .join(' and ');
  return setters ? { reason: 'runAsUser=0', detail: `${setters} must not set runAsUser=0` } : undefined;
};

// In the order in which Kubernetes lists what it finds.
const checks: readonly NamedCheck[] = [
  { id: 'allowPrivilegeEscalation', level: 'restricted', check: privilegeEscalation },
  { id: 'appArmorProfile', level: 'baseline', check: appArmor },
  { id: 'capabilities_baseline', level: 'baseline', check: capabilitiesBaseline },
  {
    id: 'capabilities_restricted',
    level: 'restricted',
    check: capabilitiesRestricted,
    overrides: 'capabilities_baseline',
  },
  { id: 'hostNamespaces', level: 'baseline', check: hostNamespaces },
  { id: 'hostPathVolumes', level: 'baseline', check: hostPathVolumes },
  { id: 'hostPorts', level: 'baseline', check: hostPorts },
  { id: 'hostProbesAndHostLifecycle', level: 'baseline', check: hostProbes },
  { id: 'privileged', level: 'baseline', check: privileged },
  { id: 'procMount', level: 'baseline', check: procMount },
  { id: 'restrictedVolumes', level: 'restricted', check: restrictedVolumes, overrides: 'hostPathVolumes' },
  { id: 'runAsNonRoot', level: 'restricted', check: runAsNonRoot },
  { id: 'runAsUser', level: 'restricted', check: runAsUser },
  { id: 'seLinuxOptions', level: 'baseline', check: seLinux },
  { id: 'seccompProfile_baseline', level: 'baseline', check: seccompBaseline },
  {
    id: 'seccompProfile_restricted',
    level: 'restricted',
    check: seccompRestricted,
    overrides: 'seccompProfile_baseline',
  },
  { id: 'sysctls', level: 'baseline', check: sysctls },
  { id: 'windowsHostProcess', level: 'baseline', check: hostProcess },
];

const overridden = new Set(checks.map(c => c.overrides));

/** Everything the pod does that `level` forbids. */
export function violations(pod: CheckedPod, level: Level, minor: number): Violation[] {
  if (level === 'privileged') return [];
  return checks
    .filter(c => (level === 'restricted' ? !overridden.has(c.id) : c.level === 'baseline'))
    .flatMap(c => c.check(pod, minor) ?? []);
}

/** `hostPort (container "a" uses hostPort 80), …` */
export const violationsText = (list: readonly Violation[]): string =>
  list.map(({ reason, detail }) => (detail ? `${reason} (${detail})` : reason)).join(', ');
