// Sysctls a pod may set: safe ones are namespaced, isolated and harmless to others.
import type { Pod } from '../../api/type/core-v1.ts';

const safe = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_wmem',
]);

/** `net/ipv4/conf/eth0.1/x` means a name with dots in it; the first separator decides. */
export function sysctlName(name: string): string {
  const first = /[./]/.exec(name)?.[0];
  return first === '/' ? name.replace(/[./]/g, c => (c === '/' ? '.' : '/')) : name;
}

function namespaceOf(name: string): 'ipc' | 'net' | undefined {
  if (/^(kernel\.(sem$|shm|msg)|fs\.mqueue\.)/.test(name)) return 'ipc';
  return name.startsWith('net.') ? 'net' : undefined;
}

/** Why the pod may not run, `allowed` being names or prefixes that end in `*`; undefined when it may. */
export function forbiddenSysctl(pod: Pod, allowed: readonly string[] = []): string | undefined {
  for (const sysctl of pod.spec.securityContext?.sysctls ?? []) {
    const name = sysctlName(sysctl.name);
    const permitted =
      safe.has(name) || allowed.some(a => (a.endsWith('*') ? name.startsWith(a.slice(0, -1)) : name === a));
    if (!permitted) return `forbidden sysctl: "${sysctl.name}" not allowlisted`;
    const namespace = namespaceOf(name);
    if (namespace === 'ipc' && pod.spec.hostIPC)
      return `forbidden sysctl: "${sysctl.name}" not allowed with host ipc enabled`;
    if (namespace === 'net' && pod.spec.hostNetwork)
      return `forbidden sysctl: "${sysctl.name}" not allowed with host net enabled`;
  }
  return undefined;
}
