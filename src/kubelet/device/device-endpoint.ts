// One device plugin as the kubelet talks to it.
import type { Clock } from '../../base/clock.ts';
import { GrpcChannel } from '../../cri/grpc.ts';
import { grpcClient } from '../../cri/grpc-service.ts';
import { type DevicePlugin, type DevicePluginOptions, devicePluginMethods } from './device-plugin-api.ts';
import type { ContainerAllocation, OfferedDevice } from './kernel/device-book.ts';

const callMs = 60_000;
const connectMs = 10_000;
const preStartMs = 30_000;
const healthy = 'Healthy';

export class DeviceEndpoint {
  readonly resource: string;
  readonly socket: string;
  readonly #channel: GrpcChannel;
  readonly #plugin: DevicePlugin;
  readonly #stop = new AbortController();
  #options: DevicePluginOptions | undefined;

  constructor(resource: string, socket: string, clock: Clock) {
    this.resource = resource;
    this.socket = socket;
    this.#channel = new GrpcChannel(socket, clock);
    this.#plugin = grpcClient<DevicePlugin>(this.#channel, devicePluginMethods(), callMs);
  }

  /** Rejects when nothing answers at the socket. */
  async connect(): Promise<void> {
    try {
      const call = this.#plugin.GetDevicePluginOptions as (r: object, o: object) => Promise<DevicePluginOptions>;
      this.#options = await call({}, { timeoutMs: connectMs });
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  /** Tells of all devices at once, each time something of them changes; ends, one way or another, with the plugin. */
  watch(onDevices: (devices: readonly OfferedDevice[]) => void): Promise<void> {
    return this.#plugin.ListAndWatch({}, { signal: this.#stop.signal }, message =>
      onDevices(
        message.devices.map(d => ({
          id: d.ID,
          healthy: d.health === healthy,
          numaNodes: (d.topology?.nodes ?? []).map(n => n.ID ?? 0),
        })),
      ),
    );
  }

  stop(): void {
    this.#stop.abort();
    this.#channel.close();
  }

  /** Undefined when the plugin has no preference. */
  async preferred(
    available: readonly string[],
    mustInclude: readonly string[],
    size: number,
  ): Promise<readonly string[] | undefined> {
    if (!this.#options?.get_preferred_allocation_available) return undefined;
    const response = await this.#plugin.GetPreferredAllocation({
      container_requests: [
        { available_deviceIDs: available, must_include_deviceIDs: mustInclude, allocation_size: size },
      ],
    });
    return response.container_responses[0]?.deviceIDs;
  }

  async allocate(ids: readonly string[]): Promise<ContainerAllocation> {
    const response = await this.#plugin.Allocate({ container_requests: [{ devices_ids: ids }] });
    const first = response.container_responses[0];
    if (!first) throw new Error(`no containers return in allocation response ${JSON.stringify(response)}`);
    return first;
  }

  async preStart(ids: readonly string[]): Promise<void> {
    if (!this.#options?.pre_start_required) return;
    await this.#plugin.PreStartContainer({ devices_ids: ids }, { timeoutMs: preStartMs });
  }
}
