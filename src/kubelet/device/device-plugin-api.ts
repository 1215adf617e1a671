// The calls of deviceplugin v1beta1.
import { type PackageDescriptor, type ServiceMethod, serviceMethods } from '../../cri/grpc-service.ts';
import type { CallOptions } from '../../cri/type.ts';
import descriptor from './device-plugin-v1beta1.json' with { type: 'json' };
import type { ContainerAllocation } from './kernel/device-book.ts';

export const deviceApiVersion = 'v1beta1';

export interface DevicePluginOptions {
  readonly pre_start_required: boolean;
  readonly get_preferred_allocation_available: boolean;
}

export interface RegisterRequest {
  readonly version: string;
  /** Name of the socket beside the kubelet's. */
  readonly endpoint: string;
  readonly resource_name: string;
}

export interface PluginDevice {
  readonly ID: string;
  readonly health: string;
  readonly topology?: { readonly nodes: readonly { readonly ID: number }[] };
}

export interface PreferredAllocationRequest {
  readonly available_deviceIDs: readonly string[];
  readonly must_include_deviceIDs: readonly string[];
  readonly allocation_size: number;
}

export interface DevicePlugin {
  GetDevicePluginOptions(request: object): Promise<DevicePluginOptions>;
  ListAndWatch(
    request: object,
    call: CallOptions,
    onMessage: (message: { readonly devices: readonly PluginDevice[] }) => void,
  ): Promise<void>;
  GetPreferredAllocation(request: {
    readonly container_requests: readonly PreferredAllocationRequest[];
  }): Promise<{ readonly container_responses: readonly { readonly deviceIDs: readonly string[] }[] }>;
  Allocate(request: {
    readonly container_requests: readonly { readonly devices_ids: readonly string[] }[];
  }): Promise<{ readonly container_responses: readonly ContainerAllocation[] }>;
  PreStartContainer(request: { readonly devices_ids: readonly string[] }, call?: CallOptions): Promise<object>;
}

const methods = new Map<string, readonly ServiceMethod[]>();

function methodsOf(service: string): readonly ServiceMethod[] {
  return methods.getOrInsertComputed(service, () =>
    serviceMethods(deviceApiVersion, descriptor as PackageDescriptor, [service]),
  );
}

export const devicePluginMethods = () => methodsOf('DevicePlugin');
export const deviceRegistrationMethods = () => methodsOf('Registration');
