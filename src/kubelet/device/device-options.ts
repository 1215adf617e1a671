// What devices add to a container's configuration, gathered from several plugins.
import type { ContainerConfig, Device, Mount } from '../../cri/type.ts';
import type { ContainerAllocation } from './kernel/device-book.ts';

export interface DeviceOptions {
  readonly envs: ReadonlyMap<string, string>;
  readonly mounts: readonly Mount[];
  readonly devices: readonly Device[];
  readonly annotations: Readonly<Record<string, string>>;
  /** Fully qualified names: `vendor.com/class=name`. */
  readonly cdiDevices: readonly string[];
}

/** Where two want the same variable, path or name, the first one counts. `toHost`: where a path of a plugin's lies. */
export function deviceOptions(
  allocations: readonly ContainerAllocation[],
  claimedCdiDevices: readonly string[],
  toHost: (path: string) => string = path => path,
): DeviceOptions {
  const envs = new Map<string, string>();
  const mounts = new Map<string, Mount>();
  const devices = new Map<string, Device>();
  const annotations: Record<string, string> = {};
  const cdiDevices = new Set<string>();
  for (const a of allocations) {
    for (const [name, value] of Object.entries(a.envs ?? {})) if (!envs.has(name)) envs.set(name, value);
    for (const d of a.devices ?? []) {
      const path = d.container_path ?? '';
      const { host_path = '', permissions = '' } = d;
      if (!devices.has(path)) devices.set(path, { container_path: path, host_path: toHost(host_path), permissions });
    }
    for (const m of a.mounts ?? []) {
      const path = m.container_path ?? '';
      const propagation = 'PROPAGATION_PRIVATE';
      const { host_path = '', read_only: readonly = false } = m;
      if (!mounts.has(path))
        mounts.set(path, { container_path: path, host_path: toHost(host_path), readonly, propagation });
    }
    for (const [key, value] of Object.entries(a.annotations ?? {})) annotations[key] ??= value;
    for (const { name } of a.cdi_devices ?? []) if (name) cdiDevices.add(name);
  }
  for (const name of claimedCdiDevices) cdiDevices.add(name);
  return {
    envs,
    mounts: [...mounts.values()],
    devices: [...devices.values()],
    annotations,
    cdiDevices: [...cdiDevices],
  };
}

/** What the pod itself says of a variable or annotation wins. */
export function withDevices(config: ContainerConfig, options: DeviceOptions | undefined): ContainerConfig {
  if (!options) return config;
  const encoder = new TextEncoder();
  const envs = [...options.envs].map(([key, value]) => ({ key, value: encoder.encode(value) }));
  return {
    ...config,
    envs: [...envs, ...(config.envs ?? [])],
    mounts: [...options.mounts, ...(config.mounts ?? [])],
    annotations: { ...options.annotations, ...config.annotations },
    ...(options.devices.length ? { devices: [...(config.devices ?? []), ...options.devices] } : {}),
    ...(options.cdiDevices.length ? { CDI_devices: options.cdiDevices.map(name => ({ name })) } : {}),
  };
}
