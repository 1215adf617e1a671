// Security contexts of pods and containers.
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import { isUnixId } from '../../name-rule.ts';
import type {
  AppArmorProfile,
  PodSecurityContext,
  PodSpec,
  SeccompProfile,
  SecurityContext,
  Sysctl,
} from '../../type/core-v1.ts';
import { validateOneOf } from './pod-common.ts';
import { validateDescendingPath } from './pod-path.ts';
import { validateWindowsOptions } from './pod-windows.ts';

const PROFILE_TYPES = ['Localhost', 'RuntimeDefault', 'Unconfined'];
const SYSCTL_SEGMENT = '[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
const SYSCTL = `(${SYSCTL_SEGMENT}[\\./])*${SYSCTL_SEGMENT}`;
const SYSCTL_RE = new RegExp(`^${SYSCTL}$`);

export function validateSecurityContext(
  context: SecurityContext,
  hostUsers: boolean | undefined,
  at: FieldPath,
  errors: FieldErrors,
): void {
  validateIds(context, at, errors);
  if (context.seccompProfile) validateSeccomp(context.seccompProfile, at.child('seccompProfile'), errors);
  if (context.allowPrivilegeEscalation === false) {
    if (context.privileged)
      errors.invalid(at, context, 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true');
    for (const capability of context.capabilities?.add ?? []) {
      if (capability === 'CAP_SYS_ADMIN')
        errors.invalid(
          at,
          context,
          'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN',
        );
    }
  }
  if (context.windowsOptions) validateWindowsOptions(context.windowsOptions, at.child('windowsOptions'), errors);
  if (context.appArmorProfile) validateAppArmor(context.appArmorProfile, at.child('appArmorProfile'), errors);
  validateOneOf(context.procMount, ['Default', 'Unmasked'], at.child('procMount'), errors);
  if (context.procMount === 'Unmasked' && hostUsers !== false)
    errors.invalid(at.child('procMount'), context.procMount, '`hostUsers` must be false to use `Unmasked`');
}

function validateIds(
  context: Pick<PodSecurityContext, 'runAsUser' | 'runAsGroup' | 'fsGroup'>,
  at: FieldPath,
  errors: FieldErrors,
): void {
  for (const key of ['fsGroup', 'runAsUser', 'runAsGroup'] as const) {
    const id = context[key];
    if (id !== undefined) for (const m of isUnixId(id)) errors.invalid(at.child(key), id, m);
  }
}

/** spec.securityContext, and what it says together with the host namespaces. */
export function validatePodSecurityContext(spec: PodSpec, at: FieldPath, errors: FieldErrors): void {
  const context: PodSecurityContext = spec.securityContext ?? {};
  validateIds(context, at, errors);
  for (const [i, group] of (context.supplementalGroups ?? []).entries())
    for (const m of isUnixId(group)) errors.invalid(at.child('supplementalGroups').index(i), group, m);
  if (spec.shareProcessNamespace && spec.hostPID)
    errors.invalid(
      at.child('shareProcessNamespace'),
      spec.shareProcessNamespace,
      'ShareProcessNamespace and HostPID cannot both be enabled',
    );
  if (context.sysctls) validateSysctls(context.sysctls, spec, at.child('sysctls'), errors);
  validateOneOf(context.fsGroupChangePolicy, ['OnRootMismatch', 'Always'], at.child('fsGroupChangePolicy'), errors);
  if (context.seccompProfile) validateSeccomp(context.seccompProfile, at.child('seccompProfile'), errors);
  if (context.windowsOptions) validateWindowsOptions(context.windowsOptions, at.child('windowsOptions'), errors);
  if (context.appArmorProfile) validateAppArmor(context.appArmorProfile, at.child('appArmorProfile'), errors);
  validateOneOf(context.supplementalGroupsPolicy, ['Merge', 'Strict'], at.child('supplementalGroupsPolicy'), errors);
  validateOneOf(context.seLinuxChangePolicy, ['MountOption', 'Recursive'], at.child('seLinuxChangePolicy'), errors);
}

// Those that each namespace has a value of its own for.
const IPC_SYSCTLS = /^(kernel\.(sem|shm(all|max|mni|_rmid_forced)?|msg(max|mnb|mni)?)$|fs\.mqueue\.)/;

function validateSysctls(sysctls: readonly Sysctl[], spec: PodSpec, at: FieldPath, errors: FieldErrors): void {
  const names = new Set<string>();
  for (const [i, { name }] of sysctls.entries()) {
    const here = at.index(i).child('name');
    const canonical = dotted(name ?? '');
    if (!name) errors.required(here);
    else if (name.length > 253 || !SYSCTL_RE.test(name))
      errors.invalid(here, name, `must have at most 253 characters and match regex ${SYSCTL}`);
    else if (names.has(canonical)) errors.duplicate(here, name);
    names.add(canonical);
    if (spec.hostNetwork && canonical.startsWith('net.'))
      errors.invalid(here, name, "may not be specified when 'hostNetwork' is true");
    if (spec.hostIPC && IPC_SYSCTLS.test(canonical))
      errors.invalid(here, name, "may not be specified when 'hostIPC' is true");
  }
}

// `net/ipv4/conf/eth0.1/x` and `net.ipv4.conf.eth0/1.x` name one sysctl: the first separator decides.
function dotted(name: string): string {
  const first = name.search(/[./]/);
  if (first < 0 || name[first] === '.') return name;
  return name.replace(/[./]/g, c => (c === '.' ? '/' : '.'));
}

export function validateSeccomp(profile: SeccompProfile, at: FieldPath, errors: FieldErrors): void {
  const { type, localhostProfile } = profile;
  if (!type) errors.required(at.child('type'), 'type is required when seccompProfile is set');
  else if (!PROFILE_TYPES.includes(type)) errors.notSupported(at.child('type'), type, PROFILE_TYPES);
  const here = at.child('localhostProfile');
  if (type === 'Localhost') {
    if (!localhostProfile) errors.required(here, 'must be set when seccomp type is Localhost');
    else validateDescendingPath(localhostProfile, here, errors);
  } else if (localhostProfile !== undefined)
    errors.invalid(here, localhostProfile, 'can only be set when seccomp type is Localhost');
}

export function validateAppArmor(profile: AppArmorProfile, at: FieldPath, errors: FieldErrors): void {
  const { type, localhostProfile } = profile;
  if (!type) {
    errors.required(at.child('type'), 'type is required when appArmorProfile is set');
    return;
  }
  if (!PROFILE_TYPES.includes(type)) {
    errors.notSupported(at.child('type'), type, PROFILE_TYPES);
    return;
  }
  const here = at.child('localhostProfile');
  if (type !== 'Localhost') {
    if (localhostProfile !== undefined)
      errors.invalid(here, localhostProfile, 'can only be set when AppArmor type is Localhost');
    return;
  }
  if (localhostProfile === undefined) {
    errors.required(here, 'must be set when AppArmor type is Localhost');
    return;
  }
  const trimmed = localhostProfile.trim();
  if (trimmed !== localhostProfile) errors.invalid(here, localhostProfile, 'must not be padded with whitespace');
  else if (trimmed === '') errors.required(here, 'must be set when AppArmor type is Localhost');
  if (localhostProfile.length > 4095) errors.tooLong(here, 4095);
}

const FOREIGN_TO_WINDOWS: readonly (keyof SecurityContext & keyof PodSecurityContext)[] = [
  'appArmorProfile',
  'seLinuxOptions',
  'seccompProfile',
  'runAsUser',
  'runAsGroup',
];

/** What the named operating system has no use for may not be set. */
export function validateOs(spec: PodSpec, at: FieldPath, errors: FieldErrors): void {
  const name = spec.os!.name;
  if (!name) {
    errors.required(at.child('os', 'name'), 'cannot be empty');
    return;
  }
  if (name !== 'linux' && name !== 'windows') {
    errors.notSupported(at.child('os'), name, ['linux', 'windows']);
    return;
  }
  const contexts: [FieldPath, SecurityContext | PodSecurityContext][] = [
    [at.child('securityContext'), spec.securityContext ?? {}],
  ];
  for (const list of ['initContainers', 'containers', 'ephemeralContainers'] as const) {
    for (const [i, c] of (spec[list] ?? []).entries())
      if (c.securityContext) contexts.push([at.child(list).index(i).child('securityContext'), c.securityContext]);
  }
  if (name === 'linux') {
    for (const [here, context] of contexts)
      if (context.windowsOptions)
        errors.forbidden(here.child('windowsOptions'), 'windows options cannot be set for a linux pod');
    return;
  }
  validateWindowsPod(spec, contexts, at, errors);
}

function validateWindowsPod(
  spec: PodSpec,
  contexts: readonly [FieldPath, SecurityContext & PodSecurityContext][],
  at: FieldPath,
  errors: FieldErrors,
): void {
  const why = 'cannot be set for a windows pod';
  for (const key of ['hostPID', 'hostIPC'] as const) if (spec[key]) errors.forbidden(at.child(key), why);
  if (spec.hostUsers !== undefined) errors.forbidden(at.child('hostUsers'), why);
  if (spec.shareProcessNamespace !== undefined) errors.forbidden(at.child('shareProcessNamespace'), why);
  const podOnly = [
    'fsGroup',
    'fsGroupChangePolicy',
    'sysctls',
    'supplementalGroups',
    'supplementalGroupsPolicy',
  ] as const;
  const containerOnly = [
    'capabilities',
    'readOnlyRootFilesystem',
    'privileged',
    'allowPrivilegeEscalation',
    'procMount',
  ] as const;
  for (const [here, context] of contexts) {
    for (const key of [...FOREIGN_TO_WINDOWS, ...podOnly, ...containerOnly]) {
      const value = context[key];
      if (value !== undefined && !(Array.isArray(value) && value.length === 0)) errors.forbidden(here.child(key), why);
    }
  }
}

/** A pod in a user namespace of its own shares no other namespace with the host. */
export function validateHostUsers(
  spec: PodSpec,
  hostNetworkAllowed: boolean,
  at: FieldPath,
  errors: FieldErrors,
): void {
  if (spec.hostUsers !== false) return;
  const why = 'when `hostUsers` is false';
  if (spec.hostNetwork && !hostNetworkAllowed) errors.forbidden(at.child('hostNetwork'), why);
  if (spec.hostPID) errors.forbidden(at.child('hostPID'), why);
  if (spec.hostIPC) errors.forbidden(at.child('hostIPC'), why);
  for (const list of ['containers', 'initContainers'] as const) {
    for (const [i, c] of (spec[list] ?? []).entries())
      if (c.volumeDevices?.length) errors.forbidden(at.child(list).index(i).child('volumeDevices'), why);
  }
}
