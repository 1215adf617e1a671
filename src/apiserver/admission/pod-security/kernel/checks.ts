// The Pod Security Standards: what a pod may not do at the levels baseline and restricted.
import type { Container, PodSpec, SeccompProfile, SecurityContext } from '../../../../api/type/core-v1.ts';
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
  /** Minor version of the first policy that has it. */
  readonly since: number;
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

const capabilitiesRestricted: Check = (pod, minor) => {
  if (isWindows(pod, minor)) return undefined;
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

const allowedAppArmor = (profile: { readonly type?: string } | undefined) =>
  profile === undefined || profile.type === 'RuntimeDefault' || profile.type === 'Localhost';

const appArmorNote = 'container.apparmor.security.beta.kubernetes.io/';

const appArmor: Check = pod => {
  const ofPod = pod.spec.securityContext?.appArmorProfile;
  const names = bad(pod, s => !allowedAppArmor(s?.appArmorProfile));
  const notes = Object.entries(pod.metadata.annotations ?? {}).filter(
    ([k, v]) => k.startsWith(appArmorNote) && v !== '' && v !== 'runtime/default' && !v.startsWith('localhost/'),
  );
  const setters = [
    !allowedAppArmor(ofPod) && 'pod',
    names.length > 0 && containerList(names),
    notes.length > 0 && plural(notes.length, 'annotation', 'annotations'),
  ].filter(Boolean);
  if (!setters.length) return undefined;
  const profiles = [ofPod, ...containersOf(pod).map(c => c.securityContext?.appArmorProfile)];
  const values = [
    ...unique(profiles.flatMap(profile => (allowedAppArmor(profile) ? [] : [profile!.type ?? '']))),
    ...unique(notes.map(([k, v]) => `${k}=${JSON.stringify(v)}`)),
  ];
  return {
    reason: plural(values.length, 'forbidden AppArmor profile', 'forbidden AppArmor profiles'),
    detail: `${setters.join(' and ')} must not set AppArmor profile type to ${values.map(v => `"${v}"`).join(', ')}`,
  };
};

const seLinuxTypes = new Set(['', 'container_t', 'container_init_t', 'container_kvm_t']);
const engineTypeSince = 31;

const seLinux: Check = (pod, minor) => {
  const isOdd = (type = '') => !seLinuxTypes.has(type) && !(type === 'container_engine_t' && minor >= engineTypeSince);
  const options = [
    pod.spec.securityContext?.seLinuxOptions,
    ...containersOf(pod).map(c => c.securityContext?.seLinuxOptions),
  ];
  const types = unique(options.map(o => o?.type ?? '').filter(isOdd));
  const user = options.some(o => o?.user);
  const role = options.some(o => o?.role);
  if (!types.length && !user && !role) return undefined;
  const wrong = (o: { type?: string; user?: string; role?: string } | undefined) =>
    isOdd(o?.type) || Boolean(o?.user) || Boolean(o?.role);
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

// Who is root in a user namespace of its own is nobody outside.
const userNamespacesSince = 35;
const isMapped = ({ spec }: CheckedPod, minor: number): boolean =>
  minor >= userNamespacesSince && spec.hostUsers === false;

const procMount: Check = (pod, minor) => (isMapped(pod, minor) ? undefined : anyProcMount(pod, minor));

const anyProcMount: Check = pod => {
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

const seccompFieldsSince = 19;
const seccompPodNote = 'seccomp.security.alpha.kubernetes.io/pod';
const seccompNote = 'container.seccomp.security.alpha.kubernetes.io/';

// Before there were fields.
function seccompNotes(pod: CheckedPod): Violation | undefined {
  const notes = pod.metadata.annotations ?? {};
  const keys = [seccompPodNote, ...containersOf(pod).map(c => seccompNote + c.name)];
  const isOdd = (value: string) =>
    value !== 'runtime/default' && value !== 'docker/default' && !value.startsWith('localhost/');
  const odd = keys.filter(key => notes[key] !== undefined && isOdd(notes[key]));
  if (!odd.length) return undefined;
  const list = unique(odd.map(key => `${key}=${JSON.stringify(notes[key])}`));
  return {
    reason: 'seccompProfile',
    detail: `forbidden ${plural(list.length, 'annotation', 'annotations')} ${list.join(', ')}`,
  };
}

const seccompBaseline: Check = (pod, minor) => {
  if (minor < seccompFieldsSince) return seccompNotes(pod);
  const isOdd = (profile: SeccompProfile | undefined) => profile !== undefined && !seccompAllowed(profile.type);
  const ofPod = pod.spec.securityContext?.seccompProfile;
  const names = bad(pod, s => isOdd(s?.seccompProfile));
  const setters = [isOdd(ofPod) && 'pod', names.length > 0 && containerList(names)].filter(Boolean).join(' and ');
  if (!setters) return undefined;
  const profiles = [ofPod, ...containersOf(pod).map(c => c.securityContext?.seccompProfile)];
  const values = unique(profiles.filter(isOdd).map(profile => profile!.type ?? ''));
  return {
    reason: 'seccompProfile',
    detail: `${setters} must not set securityContext.seccompProfile.type to ${quoted(values)}`,
  };
};

const seccompRestricted: Check = (pod, minor) => {
  if (isWindows(pod, minor)) return undefined;
  const odd = seccompBaseline(pod, minor);
  if (odd) return odd;
  if (seccompAllowed(pod.spec.securityContext?.seccompProfile?.type)) return undefined;
  const names = bad(pod, s => s?.seccompProfile === undefined);
  return names.length
    ? {
        reason: 'seccompProfile',
        detail: `pod or ${containerList(names)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`,
      }
    : undefined;
};

/** Minor versions of the first policies that allow them. */
const safeSysctls: ReadonlyMap<string, number> = new Map([
  ['kernel.shm_rmid_forced', 0],
  ['net.ipv4.ip_local_port_range', 0],
  ['net.ipv4.ip_unprivileged_port_start', 0],
  ['net.ipv4.ping_group_range', 0],
  ['net.ipv4.tcp_syncookies', 0],
  ['net.ipv4.ip_local_reserved_ports', 27],
  ['net.ipv4.tcp_fin_timeout', 29],
  ['net.ipv4.tcp_keepalive_intvl', 29],
  ['net.ipv4.tcp_keepalive_probes', 29],
  ['net.ipv4.tcp_keepalive_time', 29],
  ['net.ipv4.tcp_rmem', 32],
  ['net.ipv4.tcp_wmem', 32],
]);

const sysctls: Check = ({ spec }, minor) => {
  const names = (spec.securityContext?.sysctls ?? []).map(s => s.name);
  const odd = names.filter(n => (safeSysctls.get(n) ?? Number.POSITIVE_INFINITY) > minor || !safeSysctls.has(n));
  return odd.length ? { reason: 'forbidden sysctls', detail: odd.join(', ') } : undefined;
};

const hostProcess: Check = pod => {
  const names = bad(pod, s => s?.windowsOptions?.hostProcess === true);
  const ofPod = pod.spec.securityContext?.windowsOptions?.hostProcess === true;
  const setters = [ofPod && 'pod', names.length > 0 && containerList(names)].filter(Boolean).join(' and ');
  return setters
    ? { reason: 'hostProcess', detail: `${setters} must not set securityContext.windowsOptions.hostProcess=true` }
    : undefined;
};

const hostProbes: Check = pod => {
  const hosts = (c: Container) =>
    [c.livenessProbe, c.readinessProbe, c.startupProbe, c.lifecycle?.postStart, c.lifecycle?.preStop]
      .flatMap(h => [h?.httpGet?.host, h?.tcpSocket?.host])
      .filter((h): h is string => Boolean(h));
  const names = unique(bad(pod, (_, c) => hosts(c).length > 0));
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
    const type = Object.keys(v).find(k => k !== 'name') ?? 'unknown';
    return allowedVolumes.has(type) ? [] : [{ name: v.name, type }];
  });
  if (!odd.length) return undefined;
  const types = unique(odd.map(v => v.type));
  return {
    reason: 'restricted volume types',
    detail: `${plural(odd.length, 'volume', 'volumes')} ${quoted(odd.map(v => v.name))} ${plural(odd.length, 'uses', 'use')} restricted volume ${plural(types.length, 'type', 'types')} ${quoted(types)}`,
  };
};

const osSince = 25;
const isWindows = (pod: CheckedPod, minor: number) => minor >= osSince && pod.spec.os?.name === 'windows';

const privilegeEscalation: Check = (pod, minor) => {
  const names = isWindows(pod, minor) ? [] : bad(pod, s => s?.allowPrivilegeEscalation !== false);
  return names.length
    ? {
        reason: 'allowPrivilegeEscalation != false',
        detail: `${containerList(names)} must set securityContext.allowPrivilegeEscalation=false`,
      }
    : undefined;
};

const runAsNonRoot: Check = (pod, minor) => {
  if (isMapped(pod, minor)) return undefined;
  const ofPod = pod.spec.securityContext?.runAsNonRoot;
  const explicit = bad(pod, s => s?.runAsNonRoot === false);
  const setters = [ofPod === false && 'pod', explicit.length > 0 && containerList(explicit)]
    .filter(Boolean)
    .join(' and ');
  if (setters)
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

const runAsUser: Check = (pod, minor) => {
  if (isMapped(pod, minor)) return undefined;
  const names = bad(pod, s => s?.runAsUser === 0);
  const setters = [pod.spec.securityContext?.runAsUser === 0 && 'pod', names.length > 0 && containerList(names)]
    .filter(Boolean)
    .join(' and ');
  return setters ? { reason: 'runAsUser=0', detail: `${setters} must not set runAsUser=0` } : undefined;
};

const checks: readonly NamedCheck[] = [
  { id: 'allowPrivilegeEscalation', level: 'restricted', since: 8, check: privilegeEscalation },
  { id: 'appArmorProfile', level: 'baseline', since: 0, check: appArmor },
  { id: 'capabilities_baseline', level: 'baseline', since: 0, check: capabilitiesBaseline },
  {
    id: 'capabilities_restricted',
    level: 'restricted',
    since: 22,
    check: capabilitiesRestricted,
    overrides: 'capabilities_baseline',
  },
  { id: 'hostNamespaces', level: 'baseline', since: 0, check: hostNamespaces },
  { id: 'hostPathVolumes', level: 'baseline', since: 0, check: hostPathVolumes },
  { id: 'hostPorts', level: 'baseline', since: 0, check: hostPorts },
  { id: 'hostProbesAndHostLifecycle', level: 'baseline', since: 34, check: hostProbes },
  { id: 'privileged', level: 'baseline', since: 0, check: privileged },
  { id: 'procMount', level: 'baseline', since: 0, check: procMount },
  {
    id: 'procMount_restricted',
    level: 'restricted',
    since: userNamespacesSince,
    check: anyProcMount,
    overrides: 'procMount',
  },
  { id: 'restrictedVolumes', level: 'restricted', since: 0, check: restrictedVolumes, overrides: 'hostPathVolumes' },
  { id: 'runAsNonRoot', level: 'restricted', since: 0, check: runAsNonRoot },
  { id: 'runAsUser', level: 'restricted', since: 23, check: runAsUser },
  { id: 'seLinuxOptions', level: 'baseline', since: 0, check: seLinux },
  { id: 'seccompProfile_baseline', level: 'baseline', since: 0, check: seccompBaseline },
  {
    id: 'seccompProfile_restricted',
    level: 'restricted',
    since: 19,
    check: seccompRestricted,
    overrides: 'seccompProfile_baseline',
  },
  { id: 'sysctls', level: 'baseline', since: 0, check: sysctls },
  { id: 'windowsHostProcess', level: 'baseline', since: 0, check: hostProcess },
];

/** What a level checks in a version of its policy, in the order in which Kubernetes lists what it finds. */
function checksOf(level: Level, minor: number): readonly NamedCheck[] {
  const known = checks.filter(c => c.since <= minor);
  const baseline = known.filter(c => c.level === 'baseline');
  if (level === 'baseline') return baseline;
  const overridden = new Set(known.map(c => c.overrides));
  return [...baseline.filter(c => !overridden.has(c.id)), ...known.filter(c => c.level === 'restricted')];
}

/** Everything the pod does that `level` forbids in the policy of a minor version. */
export function violations(pod: CheckedPod, level: Level, minor: number): Violation[] {
  return level === 'privileged' ? [] : checksOf(level, minor).flatMap(c => c.check(pod, minor) ?? []);
}

/** `hostPort (container "a" uses hostPort 80), …` */
export const violationsText = (list: readonly Violation[]): string =>
  list.map(({ reason, detail }) => (detail ? `${reason} (${detail})` : reason)).join(', ');
