// The calls of dynamic resource allocation on a node: DRAPlugin in both its versions, and DRAResourceHealth.
import type { Clock } from '../../base/clock.ts';
import { GrpcChannel } from '../../cri/grpc.ts';
import { grpcClient, type PackageDescriptor, type ServiceMethod, serviceMethods } from '../../cri/grpc-service.ts';
import type { CallOptions } from '../../cri/type.ts';
import health from './dra-health-v1alpha1.json' with { type: 'json' };
import v1 from './dra-v1.json' with { type: 'json' };
import v1beta1 from './dra-v1beta1.json' with { type: 'json' };

/** As plugins name what they serve, the better one first. */
export const draServices = ['v1.DRAPlugin', 'v1beta1.DRAPlugin'] as const;
export type DraService = (typeof draServices)[number];
export const draHealthService = 'v1alpha1.DRAResourceHealth';

export interface NamedClaim {
  readonly namespace: string;
  readonly uid: string;
  readonly name: string;
}

export interface PreparedDevice {
  readonly request_names: readonly string[];
  readonly pool_name: string;
  readonly device_name: string;
  readonly cdi_device_ids: readonly string[];
  readonly share_id?: string;
}

/** By the claims' uids. */
export type ByClaim<T> = Promise<{
  readonly claims: Readonly<Record<string, (T & { readonly error: string }) | undefined>>;
}>;

export interface NamedClaims {
  readonly claims: readonly NamedClaim[];
}

export interface DraPlugin {
  NodePrepareResources(request: NamedClaims): ByClaim<{ readonly devices: readonly PreparedDevice[] }>;
  NodeUnprepareResources(request: NamedClaims): ByClaim<object>;
}

export interface DeviceHealthReport {
  readonly device?: { readonly pool_name: string; readonly device_name: string };
  readonly health: 'UNKNOWN' | 'HEALTHY' | 'UNHEALTHY';
  /** Seconds since the epoch. */
  readonly last_updated_time: number;
  readonly health_check_timeout_seconds: number;
  readonly message: string;
}

export interface DraHealth {
  NodeWatchResources(
    request: object,
    call: CallOptions,
    onMessage: (message: { readonly devices: readonly DeviceHealthReport[] }) => void,
  ): Promise<void>;
}

const callMs = 45_000;
const compiled = new Map<string, readonly ServiceMethod[]>();

export function draMethods(service: DraService | typeof draHealthService): readonly ServiceMethod[] {
  return compiled.getOrInsertComputed(service, () => {
    if (service === draHealthService)
      return serviceMethods('v1alpha1', health as PackageDescriptor, ['DRAResourceHealth']);
    const [name, types] = service === 'v1.DRAPlugin' ? (['v1', v1] as const) : (['v1beta1', v1beta1] as const);
    return serviceMethods(`k8s.io.kubelet.pkg.apis.dra.${name}`, types as PackageDescriptor, ['DRAPlugin']);
  });
}

/** Connects on the first call. */
export function draChannel(socket: string, clock: Clock, service: DraService) {
  const channel = new GrpcChannel(socket, clock);
  return {
    plugin: grpcClient<DraPlugin>(channel, draMethods(service), callMs),
    health: grpcClient<DraHealth>(channel, draMethods(draHealthService), callMs),
    close: () => channel.close(),
  };
}
