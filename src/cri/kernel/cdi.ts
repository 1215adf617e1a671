// Container Device Interface: what the specs of a machine's devices change in a container, said in words of the CRI.
import type { ContainerConfig, Device, KeyValue, Mount } from '../type.ts';

export interface CdiEdits {
  readonly env?: readonly string[];
  readonly deviceNodes?: readonly {
    readonly path: string;
    readonly hostPath?: string;
    readonly permissions?: string;
  }[];
  readonly mounts?: readonly {
    readonly hostPath: string;
    readonly containerPath: string;
    readonly type?: string;
    readonly options?: readonly string[];
  }[];
  readonly hooks?: readonly { readonly hookName: string }[];
  readonly additionalGids?: readonly number[];
  readonly intelRdt?: object;
  readonly netDevices?: readonly object[];
}

/** One file of /etc/cdi or /var/run/cdi. */
export interface CdiSpec {
  /** `vendor.com/class` */
  readonly kind: string;
  readonly containerEdits?: CdiEdits;
  readonly devices?: readonly { readonly name: string; readonly containerEdits?: CdiEdits }[];
}

/**
 * The configuration with what these devices add; `directories`: their specs, the later ones before the earlier. Throws
 * for devices that nothing or two files describe, and for edits that the CRI has no words for.
 */
export function withCdiDevices(
  config: ContainerConfig,
  names: readonly string[],
  directories: readonly (readonly CdiSpec[])[],
): ContainerConfig {
  const edits: CdiEdits[] = [];
  const unknown: string[] = [];
  const seen = new Set<CdiSpec>();
  for (const name of names) {
    const found = find(name, directories);
    if (!found) unknown.push(name);
    else {
      if (!seen.has(found.spec) && found.spec.containerEdits) edits.push(found.spec.containerEdits);
      seen.add(found.spec);
      if (found.edits) edits.push(found.edits);
      for (const e of [found.spec.containerEdits, found.edits]) if (e) refuseUnspeakable(name, e);
    }
  }
  if (unknown.length) throw new Error(`unresolvable CDI devices ${unknown.join(', ')}`);
  return edits.reduce(apply, config);
}

function find(name: string, directories: readonly (readonly CdiSpec[])[]) {
  const at = name.indexOf('=');
  const [kind, device] = [name.slice(0, at), name.slice(at + 1)];
  for (const specs of directories.toReversed()) {
    const all = specs.flatMap(spec =>
      spec.kind === kind ? (spec.devices ?? []).filter(d => d.name === device).map(d => ({ spec, d })) : [],
    );
    if (all.length > 1) return undefined;
    if (all[0]) return { spec: all[0].spec, edits: all[0].d.containerEdits };
  }
  return undefined;
}

function refuseUnspeakable(name: string, e: CdiEdits): void {
  const what = e.hooks?.length
    ? `hooks (${e.hooks.map(h => h.hookName).join(', ')})`
    : e.intelRdt
      ? 'intelRdt'
      : e.netDevices?.length
        ? 'netDevices'
        : e.mounts?.some(m => m.type && m.type !== 'bind' && m.type !== 'none')
          ? 'mounts that are no bind mounts'
          : '';
  if (what) throw new Error(`CDI device ${name} needs ${what}, which takes a containerd of version 2.0 or later`);
}

function apply(config: ContainerConfig, e: CdiEdits): ContainerConfig {
  const encoder = new TextEncoder();
  const envs: KeyValue[] = (e.env ?? []).map(text => {
    const at = text.indexOf('=');
    return { key: text.slice(0, at), value: encoder.encode(text.slice(at + 1)) };
  });
  const devices: Device[] = (e.deviceNodes ?? []).map(d => ({
    container_path: d.path,
    host_path: d.hostPath || d.path,
    permissions: d.permissions || 'rwm',
  }));
  const mounts: Mount[] = (e.mounts ?? []).map(m => ({
    container_path: m.containerPath,
    host_path: m.hostPath,
    readonly: m.options?.includes('ro') ?? false,
    propagation: propagationOf(m.options ?? []),
  }));
  const groups = (e.additionalGids ?? []).filter(g => g > 0);
  const security = config.linux?.security_context;
  const paths = new Set(mounts.map(m => m.container_path));
  return {
    ...config,
    // The last one of a name counts.
    envs: [...(config.envs ?? []), ...envs],
    devices: [...(config.devices ?? []), ...devices],
    mounts: [...(config.mounts ?? []).filter(m => !paths.has(m.container_path)), ...mounts],
    ...(groups.length
      ? {
          linux: {
            ...config.linux,
            security_context: {
              ...security,
              supplemental_groups: [...new Set([...(security?.supplemental_groups ?? []), ...groups])],
            },
          },
        }
      : {}),
  };
}

function propagationOf(options: readonly string[]): NonNullable<Mount['propagation']> {
  if (options.some(o => o === 'rshared' || o === 'shared')) return 'PROPAGATION_BIDIRECTIONAL';
  if (options.some(o => o === 'rslave' || o === 'slave')) return 'PROPAGATION_HOST_TO_CONTAINER';
  return 'PROPAGATION_PRIVATE';
}
