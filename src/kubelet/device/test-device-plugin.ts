// A device plugin for tests, on a real socket.
import { join } from 'node:path';
import { systemClock } from '../../base/clock.ts';
import { GrpcChannel } from '../../cri/grpc.ts';
import { type GrpcServer, serveGrpc } from '../../cri/grpc-server.ts';
import { grpcClient } from '../../cri/grpc-service.ts';
import { devicePluginMethods, deviceRegistrationMethods, type PluginDevice } from './device-plugin-api.ts';
import type { ContainerAllocation } from './kernel/device-book.ts';

export interface TestDevicePluginOptions {
  readonly resource: string;
  readonly devices: readonly string[];
  /** Default: an environment variable that lists the devices. */
  allocate?(ids: readonly string[]): ContainerAllocation | Promise<ContainerAllocation>;
  preferred?(available: readonly string[], must: readonly string[], size: number): readonly string[];
  preStart?(ids: readonly string[]): void;
}

export interface TestDevicePlugin {
  readonly calls: string[];
  /** Serves below this directory of a kubelet's and registers there. */
  start(directory: string, version?: string): Promise<void>;
  set(devices: readonly PluginDevice[]): void;
  /** Ends as a killed process does. */
  close(): Promise<void>;
}

export const healthyDevices = (ids: readonly string[]): readonly PluginDevice[] =>
  ids.map(ID => ({ ID, health: 'Healthy' }));

/** Says as a plugin does that it is there. */
export async function registerDevicePlugin(directory: string, request: object): Promise<void> {
  const channel = new GrpcChannel(join(directory, 'kubelet.sock'), systemClock);
  try {
    const kubelet = grpcClient<{ Register(r: object): Promise<object> }>(channel, deviceRegistrationMethods(), 10_000);
    await kubelet.Register(request);
  } finally {
    channel.close();
  }
}

export function testDevicePlugin(o: TestDevicePluginOptions): TestDevicePlugin {
  let devices = healthyDevices(o.devices);
  let server: GrpcServer | undefined;
  const listeners = new Set<() => void>();
  const calls: string[] = [];
  const handlers = {
    GetDevicePluginOptions: () => ({
      pre_start_required: o.preStart !== undefined,
      get_preferred_allocation_available: o.preferred !== undefined,
    }),
    ListAndWatch: (_: object, send: (message: object) => void, { signal }: { signal: AbortSignal }) =>
      new Promise<void>(resolve => {
        const tell = () => send({ devices });
        tell();
        listeners.add(tell);
        signal.addEventListener('abort', () => {
          listeners.delete(tell);
          resolve();
        });
      }),
    GetPreferredAllocation: (r: { container_requests: readonly any[] }) => ({
      container_responses: r.container_requests.map(c => ({
        deviceIDs: o.preferred!(c.available_deviceIDs, c.must_include_deviceIDs, c.allocation_size),
      })),
    }),
    Allocate: async (r: { container_requests: readonly { devices_ids: readonly string[] }[] }) => {
      const responses: ContainerAllocation[] = [];
      for (const { devices_ids: ids } of r.container_requests) {
        calls.push(`Allocate ${ids}`);
        responses.push((await o.allocate?.(ids)) ?? { envs: { DEVICES: ids.join(',') } });
      }
      return { container_responses: responses };
    },
    PreStartContainer: ({ devices_ids: ids }: { devices_ids: readonly string[] }) => {
      calls.push(`PreStartContainer ${ids}`);
      o.preStart!(ids);
      return {};
    },
  };
  return {
    calls,
    async start(directory, version = 'v1beta1') {
      const endpoint = `${o.resource.replace('/', '_')}.sock`;
      await server?.close();
      server = await serveGrpc(join(directory, endpoint), devicePluginMethods(), handlers);
      await registerDevicePlugin(directory, { version, endpoint, resource_name: o.resource });
    },
    set(next) {
      devices = next;
      for (const tell of listeners) tell();
    },
    async close() {
      await server?.close();
      server = undefined;
    },
  };
}
