// The calls of pluginregistration.v1: who a plugin is, and what became of its registration.
import type { Clock } from '../../base/clock.ts';
import { GrpcChannel } from '../../cri/grpc.ts';
import { grpcClient, type PackageDescriptor, type ServiceMethod, serviceMethods } from '../../cri/grpc-service.ts';
import descriptor from './registration-v1.json' with { type: 'json' };

export interface PluginInfo {
  /** CSIPlugin, DRAPlugin, DevicePlugin */
  readonly type: string;
  readonly name: string;
  /** Where the plugin's own service listens; empty: at the socket it registers with. */
  readonly endpoint: string;
  readonly supported_versions: readonly string[];
}

export interface Registration {
  GetInfo(request: object): Promise<PluginInfo>;
  NotifyRegistrationStatus(status: { plugin_registered: boolean; error: string }): Promise<object>;
}

const callMs = 10_000;

let compiled: readonly ServiceMethod[] | undefined;

export function registrationMethods(): readonly ServiceMethod[] {
  compiled ??= serviceMethods('pluginregistration', descriptor as PackageDescriptor, ['Registration']);
  return compiled;
}

/** Talks to a plugin's registration socket for as long as `use` takes. */
export async function withRegistration<T>(
  socket: string,
  clock: Clock,
  use: (plugin: Registration) => Promise<T>,
): Promise<T> {
  const channel = new GrpcChannel(socket, clock);
  try {
    return await use(grpcClient<Registration>(channel, registrationMethods(), callMs));
  } finally {
    channel.close();
  }
}
