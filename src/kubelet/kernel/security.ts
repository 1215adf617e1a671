// Security contexts of pod and container to what the runtime is told.
import type { Container, Pod, SELinuxOptions, SeccompProfile, SecurityContext } from '../../api/type/core-v1.ts';
import type {
  IDMapping,
  LinuxContainerSecurityContext,
  LinuxSandboxSecurityContext,
  NamespaceOption,
  SELinuxOption,
  SecurityProfile,
} from '../../cri/type.ts';
import { ConfigError } from './env.ts';

/** The container's own settings over the pod's. */
export function effectiveSecurity(pod: Pod, container: Container): SecurityContext {
  const p = pod.spec.securityContext;
  const c = container.securityContext;
  const pick = <
    K extends 'runAsUser' | 'runAsGroup' | 'runAsNonRoot' | 'seLinuxOptions' | 'seccompProfile' | 'appArmorProfile',
  >(
    k: K,
  ) => {
    const value = c?.[k] ?? p?.[k];
    return value === undefined ? {} : { [k]: value };
  };
  return {
    ...c,
    ...pick('runAsUser'),
    ...pick('runAsGroup'),
    ...pick('runAsNonRoot'),
    ...pick('seLinuxOptions'),
    ...pick('seccompProfile'),
    ...pick('appArmorProfile'),
  };
}

/** `users`: of a pod with a user namespace of its own. */
export function namespaceOptions(pod: Pod, users: IDMapping | undefined, targetId?: string): NamespaceOption {
  const { spec } = pod;
  return {
    network: spec.hostNetwork ? 'NODE' : 'POD',
    ipc: spec.hostIPC ? 'NODE' : 'POD',
    pid: targetId ? 'TARGET' : spec.hostPID ? 'NODE' : spec.shareProcessNamespace ? 'POD' : 'CONTAINER',
    ...(targetId ? { target_id: targetId } : {}),
    ...(users ? { userns_options: { mode: 'POD' as const, uids: [users], gids: [users] } } : {}),
  };
}

const selinuxOf = (o: SELinuxOptions | undefined): { selinux_options?: SELinuxOption } =>
  o ? { selinux_options: { user: o.user ?? '', role: o.role ?? '', type: o.type ?? '', level: o.level ?? '' } } : {};

function profileOf(
  profile: { readonly type: SeccompProfile['type']; readonly localhostProfile?: string } | undefined,
  root: string,
): SecurityProfile | undefined {
  if (!profile) return undefined;
  if (profile.type === 'Localhost')
    return { profile_type: 'Localhost', localhost_ref: `${root}${profile.localhostProfile ?? ''}` };
  return { profile_type: profile.type };
}

export interface SecurityOptions {
  /** Directory of Localhost seccomp profiles, with a slash at its end. */
  readonly seccompRoot: string;
  /** File with the filter of sandboxes. */
  readonly sandboxSeccomp: string;
  /** The host enforces AppArmor. */
  readonly appArmor: boolean;
  /** Pods without a seccomp profile get RuntimeDefault. */
  readonly seccompDefault?: boolean;
}

const int = (value: number | bigint) => ({ value: Number(value) });

/** Groups every container gets: supplementalGroups, fsGroup and those volumes ask for. */
export function supplementalGroups(pod: Pod, fromVolumes: readonly number[] = []): readonly number[] {
  const s = pod.spec.securityContext;
  return [...(s?.supplementalGroups ?? []), ...(s?.fsGroup !== undefined ? [s.fsGroup] : []), ...fromVolumes].map(
    Number,
  );
}

export interface SandboxSecurityInput extends SecurityOptions {
  readonly pod: Pod;
  /** Absent: those of the machine. */
  readonly users?: IDMapping | undefined;
}

export function sandboxSecurity({ pod, users, sandboxSeccomp }: SandboxSecurityInput): LinuxSandboxSecurityContext {
  const s = pod.spec.securityContext;
  const privileged = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].some(
    c => c.securityContext?.privileged,
  );
  return {
    privileged,
    // Not the pod's: that is made for its containers, and may lack what the pause program needs.
    seccomp: { profile_type: 'Localhost', localhost_ref: sandboxSeccomp },
    namespace_options: namespaceOptions(pod, users),
    supplemental_groups: supplementalGroups(pod),
    ...(s?.supplementalGroupsPolicy ? { supplemental_groups_policy: s.supplementalGroupsPolicy } : {}),
    ...(s?.runAsUser !== undefined ? { run_as_user: int(s.runAsUser) } : {}),
    ...(s?.runAsGroup !== undefined && s.runAsUser !== undefined ? { run_as_group: int(s.runAsGroup) } : {}),
    ...selinuxOf(s?.seLinuxOptions),
  };
}

/** The user an image names: a number, or a name only the runtime can resolve. */
export interface ImageUser {
  readonly uid?: number;
  readonly username?: string;
}

const podText = (pod: Pod) => `${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})`;

/** Throws ConfigError when the container must not be root and would be, or may be. */
export function verifyNonRoot(pod: Pod, container: Container, image: ImageUser): void {
  const s = effectiveSecurity(pod, container);
  if (!s.runAsNonRoot) return;
  const where = `(pod: "${podText(pod)}", container: ${container.name})`;
  if (s.runAsUser !== undefined) {
    if (s.runAsUser === 0) throw new ConfigError(`container's runAsUser breaks non-root policy ${where}`);
    return;
  }
  if (image.uid === 0 || (image.uid === undefined && !image.username))
    throw new ConfigError(`container has runAsNonRoot and image will run as root ${where}`);
  if (image.uid === undefined)
    throw new ConfigError(
      `container has runAsNonRoot and image has non-numeric user (${image.username}), cannot verify user is non-root ${where}`,
    );
}

const maskedPaths = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];
const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

export interface ContainerSecurityInput extends SandboxSecurityInput {
  readonly container: Container;
  readonly image: ImageUser;
  readonly volumeGroups?: readonly number[];
  /** Container id whose process namespace an ephemeral container joins. */
  readonly targetId?: string;
}

export function containerSecurity(input: ContainerSecurityInput): LinuxContainerSecurityContext {
  const { pod, container, image } = input;
  const s = effectiveSecurity(pod, container);
  const user =
    s.runAsUser !== undefined
      ? { run_as_user: int(s.runAsUser) }
      : image.uid !== undefined
        ? { run_as_user: int(image.uid) }
        : image.username
          ? { run_as_username: image.username }
          : {};
  const groups = supplementalGroups(pod, input.volumeGroups);
  const policy = pod.spec.securityContext?.supplementalGroupsPolicy;
  const unmasked = s.privileged || s.procMount === 'Unmasked';
  const seccomp = s.privileged
    ? { profile_type: 'Unconfined' as const }
    : (profileOf(s.seccompProfile, input.seccompRoot) ?? {
        profile_type: input.seccompDefault ? ('RuntimeDefault' as const) : ('Unconfined' as const),
      });
  return {
    ...user,
    ...(s.runAsGroup !== undefined ? { run_as_group: int(s.runAsGroup) } : {}),
    privileged: s.privileged ?? false,
    readonly_rootfs: s.readOnlyRootFilesystem ?? false,
    capabilities: {
      add_capabilities: s.capabilities?.add ?? [],
      drop_capabilities: s.capabilities?.drop ?? [],
    },
    no_new_privs: noNewPrivs(s),
    namespace_options: namespaceOptions(pod, input.users, input.targetId),
    supplemental_groups: groups,
    ...(policy ? { supplemental_groups_policy: policy } : {}),
    masked_paths: unmasked ? [] : maskedPaths,
    readonly_paths: unmasked ? [] : readonlyPaths,
    seccomp,
    ...appArmorOf(pod, container, s, input.appArmor),
    ...selinuxOf(s.seLinuxOptions),
  };
}

// Privileged or CAP_SYS_ADMIN containers may gain privileges anyway; only an explicit false counts.
function noNewPrivs(s: SecurityContext): boolean {
  return s.allowPrivilegeEscalation === false;
}

function appArmorOf(pod: Pod, container: Container, s: SecurityContext, enabled: boolean) {
  const annotation =
    pod.metadata.annotations?.[`container.apparmor.security.beta.kubernetes.io/${container.name}`] ?? '';
  const profile = s.appArmorProfile ?? fromAnnotation(annotation);
  if (!enabled || !profile || s.privileged) return {};
  const apparmor = profileOf(profile, '')!;
  const old = {
    RuntimeDefault: 'runtime/default',
    Unconfined: 'unconfined',
    Localhost: `localhost/${profile.localhostProfile ?? ''}`,
  };
  return { apparmor, apparmor_profile: old[profile.type] };
}

function fromAnnotation(text: string): SeccompProfile | undefined {
  if (text === 'runtime/default') return { type: 'RuntimeDefault' };
  if (text === 'unconfined') return { type: 'Unconfined' };
  return text.startsWith('localhost/') ? { type: 'Localhost', localhostProfile: text.slice(10) } : undefined;
}
