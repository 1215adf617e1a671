import { readFileSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { type ContainerdVersion, isAtLeast } from './containerd-version.ts';

/** What one node's containerd is made of. Every path belongs to this node alone. */
export interface ContainerdOptions {
  /** Data that stays: images, snapshots, metadata. */
  readonly root: string;
  /** Data that a reboot may lose: bundles, mounts, the pods' network namespaces, runc's state. */
  readonly state: string;
  /** At most 100 bytes: the kernel takes no more than 108, and containerd appends ".ttrpc". */
  readonly socket: string;
  readonly cniConfDir: string;
  readonly cniBinDir: string;
  readonly sandboxImage: string;
  /** Directory with one folder a registry host, each with a hosts.toml (see registryHosts). */
  readonly registryDir?: string;
  /** 'overlayfs' unless told otherwise. */
  readonly snapshotter?: string;
  /** Whether oom_score_adj cannot be lowered; see restrictOomScoreAdj. */
  readonly restrictOomScoreAdj?: boolean;
}

const capSysResource = 24n;

/** True when CAP_SYS_RESOURCE is missing: without it lowering oom_score_adj fails, and every sandbox with it. */
export function restrictOomScoreAdj(procStatus: string = readFileSync('/proc/self/status', 'utf8')): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(procStatus)?.[1] ?? '0';
  return ((BigInt(`0x${effective}`) >> capSysResource) & 1n) === 0n;
}

const overlayMagic = 0x794c7630;

/** overlayfs, or native where the directory itself lies on an overlay, on which the kernel stacks no other. */
export function snapshotterFor(directory: string): 'overlayfs' | 'native' {
  for (let at = directory; ; at = dirname(at)) {
    try {
      return statfsSync(at).type === overlayMagic ? 'native' : 'overlayfs';
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || at === dirname(at)) throw error;
    }
  }
}

type Toml = string | number | boolean | readonly string[] | { readonly [key: string]: Toml };

/** containerd's configuration file for that containerd: of version 2 for 1.x, of version 3 from 2.0 on. */
export function containerdConfig(options: ContainerdOptions, version: ContainerdVersion): string {
  const { major } = version;
  const common = {
    version: major >= 2 ? 3 : 2,
    root: options.root,
    state: options.state,
    oom_score: 0,
    disabled_plugins: [...(major >= 2 ? disabledV3 : disabledV2)],
    grpc: { address: options.socket, max_recv_message_size: 64 << 20, max_send_message_size: 64 << 20 },
    ttrpc: { address: `${options.socket}.ttrpc` },
    debug: { level: 'warn' },
    metrics: { address: '' },
  };
  return toml({ ...common, plugins: major >= 2 ? pluginsV3(options, version) : pluginsV2(options) });
}

// What a node has no use for; the snapshotters also log a warning each on start.
const disabledV2 = [
  'io.containerd.snapshotter.v1.aufs',
  'io.containerd.snapshotter.v1.btrfs',
  'io.containerd.snapshotter.v1.devmapper',
  'io.containerd.snapshotter.v1.zfs',
  'io.containerd.internal.v1.opt',
  'io.containerd.internal.v1.restart',
  'io.containerd.internal.v1.tracing',
  'io.containerd.tracing.processor.v1.otlp',
] as const;
const disabledV3 = [
  'io.containerd.snapshotter.v1.btrfs',
  'io.containerd.snapshotter.v1.devmapper',
  'io.containerd.snapshotter.v1.zfs',
  'io.containerd.snapshotter.v1.blockfile',
  'io.containerd.snapshotter.v1.erofs',
  'io.containerd.internal.v1.opt',
  'io.containerd.internal.v1.restart',
  'io.containerd.internal.v1.tracing',
  'io.containerd.tracing.processor.v1.otlp',
] as const;

// The pods' network namespaces and runc's state lie below `state`, so that nodes on one machine share no directory and
// removing a node removes them.
const streaming = { disable_tcp_service: true, stream_server_address: '127.0.0.1', stream_server_port: '0' };
const runc = (options: ContainerdOptions) => ({
  default_runtime_name: 'runc',
  runtimes: {
    runc: {
      runtime_type: 'io.containerd.runc.v2',
      options: { BinaryName: 'runc', Root: `${options.state}/runc`, SystemdCgroup: false },
    },
  },
});
const cni = (options: ContainerdOptions, takesSeveral = false) => ({
  ...(takesSeveral ? { bin_dirs: [options.cniBinDir] } : { bin_dir: options.cniBinDir }),
  conf_dir: options.cniConfDir,
  max_conf_num: 1,
});

// With the default, 0.02, containerd looks some hundred times a second for something to collect, also where nothing ever
// happens: half of what it takes when idle.
const collection = { 'io.containerd.gc.v1.scheduler': { pause_threshold: 0.001 } };

function pluginsV2(options: ContainerdOptions): Toml {
  return {
    'io.containerd.grpc.v1.cri': {
      ...streaming,
      sandbox_image: options.sandboxImage,
      restrict_oom_score_adj: options.restrictOomScoreAdj ?? false,
      netns_mounts_under_state_dir: true,
      tolerate_missing_hugetlb_controller: true,
      cni: cni(options),
      containerd: { snapshotter: options.snapshotter ?? 'overlayfs', ...runc(options) },
      registry: { config_path: options.registryDir ?? '' },
    },
    'io.containerd.monitor.v1.cgroups': { no_prometheus: true },
    ...collection,
  };
}

function pluginsV3(options: ContainerdOptions, version: ContainerdVersion): Toml {
  return {
    'io.containerd.cri.v1.images': {
      snapshotter: options.snapshotter ?? 'overlayfs',
      pinned_images: { sandbox: options.sandboxImage },
      registry: { config_path: options.registryDir ?? '' },
    },
    'io.containerd.cri.v1.runtime': {
      restrict_oom_score_adj: options.restrictOomScoreAdj ?? false,
      netns_mounts_under_state_dir: true,
      tolerate_missing_hugetlb_controller: true,
      cni: cni(options, isAtLeast(version, 2, 1)),
      containerd: runc(options),
    },
    'io.containerd.grpc.v1.cri': streaming,
    'io.containerd.monitor.task.v1.cgroups': { no_prometheus: true },
    ...collection,
    // Its socket is one for the whole machine.
    'io.containerd.nri.v1.nri': { disable: true },
  };
}

/** The hosts.toml that sends pulls for `server` to mirrors first, in order; http:// mirrors are asked in the clear. */
export function registryHosts(server: string, mirrors: readonly string[]): string {
  const host = Object.fromEntries(mirrors.map(url => [url, { capabilities: ['pull', 'resolve'] }]));
  return toml({ server, host });
}

/** Renders plain values first, then tables, as TOML wants. */
function toml(value: { readonly [key: string]: Toml }, path: readonly string[] = []): string {
  let out = '';
  const tables: [string, { readonly [key: string]: Toml }][] = [];
  for (const [key, entry] of Object.entries(value)) {
    if (typeof entry === 'object' && !Array.isArray(entry))
      tables.push([key, entry as { readonly [key: string]: Toml }]);
    else out += `${tomlKey(key)} = ${JSON.stringify(entry)}\n`;
  }
  if (path.length > 0 && (out !== '' || tables.length === 0)) out = `\n[${path.map(tomlKey).join('.')}]\n${out}`;
  for (const [key, table] of tables) out += toml(table, [...path, key]);
  return out;
}

const tomlKey = (key: string) => (/^[A-Za-z0-9_-]+$/.test(key) ? key : JSON.stringify(key));
