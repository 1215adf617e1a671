// A CSI driver's node service for tests: keeps a log of its calls and mounts in a host of memory.
import type { GrpcCode } from '../../cri/runtime-error.ts';
import { RuntimeError } from '../../cri/runtime-error.ts';
import type { MemoryHost } from '../host/memory-host.ts';
import type { CsiNodeService, ExpandRequest, NodeCapability, PublishRequest, StageRequest } from './csi-type.ts';

type Call = keyof CsiNodeService;

export class TestDriver {
  readonly #host: MemoryHost;
  /** `NodeStageVolume handle path` */
  readonly calls: string[] = [];
  readonly requests: (StageRequest | PublishRequest | ExpandRequest)[] = [];
  readonly #failures = new Map<Call, { code: GrpcCode; details: string }>();
  capabilities: readonly NodeCapability[] = ['STAGE_UNSTAGE_VOLUME', 'EXPAND_VOLUME', 'GET_VOLUME_STATS'];
  topology: Readonly<Record<string, string>> = { 'topology.example.com/node': 'node-a' };
  maxVolumes = 0;
  /** What the driver calls the kubelet's directory, and where that is. */
  view: readonly [from: string, to: string] = ['', ''];

  constructor(host: MemoryHost) {
    this.#host = host;
  }

  /** The next call of that name fails. */
  failNext(call: Call, code: GrpcCode, details: string): void {
    this.#failures.set(call, { code, details });
  }

  #note(call: Call, ...details: readonly string[]): void {
    this.calls.push([call, ...details].join(' '));
    const failure = this.#failures.get(call);
    this.#failures.delete(call);
    if (failure) throw new RuntimeError(call, failure.code, failure.details);
  }

  #real(path: string): string {
    const [from, to] = this.view;
    return from && path.startsWith(from) ? to + path.slice(from.length) : path;
  }

  async #mount(path: string): Promise<void> {
    const real = this.#real(path);
    if (!(await this.#host.info(real))) await this.#host.makeDirectory(real);
    await this.#host.mountTmpfs(real);
  }

  async #unmount(path: string): Promise<void> {
    await this.#host.unmount(this.#real(path));
    await this.#host.removeEmpty(this.#real(path));
  }

  readonly node: CsiNodeService = {
    NodeGetInfo: async () => {
      this.#note('NodeGetInfo');
      return {
        node_id: 'id-a',
        max_volumes_per_node: this.maxVolumes,
        accessible_topology: { segments: this.topology },
      };
    },
    NodeGetCapabilities: async () => ({ capabilities: this.capabilities.map(type => ({ rpc: { type } })) }),
    NodeStageVolume: async request => {
      this.requests.push(request);
      this.#note('NodeStageVolume', request.volume_id, request.staging_target_path);
      await this.#mount(request.staging_target_path);
      return {};
    },
    NodeUnstageVolume: async ({ volume_id, staging_target_path }) => {
      this.#note('NodeUnstageVolume', volume_id, staging_target_path);
      await this.#host.unmount(this.#real(staging_target_path));
      return {};
    },
    NodePublishVolume: async request => {
      this.requests.push(request);
      this.#note('NodePublishVolume', request.volume_id, request.target_path);
      await this.#mount(request.target_path);
      return {};
    },
    NodeUnpublishVolume: async ({ volume_id, target_path }) => {
      this.#note('NodeUnpublishVolume', volume_id, target_path);
      await this.#unmount(target_path);
      return {};
    },
    NodeGetVolumeStats: async ({ volume_id, volume_path }) => {
      this.#note('NodeGetVolumeStats', volume_id, volume_path);
      return {
        usage: [
          { available: 60, total: 100, used: 40, unit: 'BYTES' },
          { available: 6, total: 10, used: 4, unit: 'INODES' },
        ],
        volume_condition: { abnormal: true, message: 'worn' },
      };
    },
    NodeExpandVolume: async request => {
      this.requests.push(request);
      this.#note('NodeExpandVolume', request.volume_id, request.volume_path);
      return { capacity_bytes: request.capacity_range.required_bytes };
    },
  };
}
