// A claim's spec with its classes looked up, as the allocator takes it.
import type {
  DeviceClass,
  DeviceRequest,
  DeviceSubRequest,
  ExactDeviceRequest,
  ResourceClaim,
} from '../../../api/type/resource-v1.ts';
import { type Ask, type Constraint, maxDevicesOfClaim, type WantedClaim } from './allocator.ts';
import type { SelectorSets } from './device-selector.ts';

export interface WantedOptions {
  readonly sets: SelectorSets;
  readonly classOf: (name: string) => DeviceClass | undefined;
}

/** Of a claim, also of one that does not exist yet. A string says why it cannot be. */
export function wantedOf(key: string, spec: ResourceClaim['spec'], options: WantedOptions): WantedClaim | string {
  const { requests = [], constraints = [] } = spec.devices ?? {};
  const all: Ask[][] = [];
  let least = 0;
  for (const request of requests) {
    const asks: Ask[] = [];
    for (const { name, of } of alternatives(request)) {
      const deviceClass = options.classOf(of.deviceClassName);
      if (!deviceClass) return `request ${name}: device class ${of.deviceClassName} does not exist`;
      asks.push(askOf(name, request.name, of, deviceClass, options.sets));
    }
    if (asks.length === 0) return `request ${request.name}: none of the supported request types is set`;
    least += Math.min(...asks.map(a => a.count ?? 1));
    all.push(asks);
  }
  if (least > maxDevicesOfClaim)
    return `claim ${key}: ${least} requested devices exceed the claim limit of ${maxDevicesOfClaim}`;
  return { key, requests: all, constraints: constraints.map(constraintOf) };
}

type Asked = ExactDeviceRequest | DeviceSubRequest;

function alternatives({ name, exactly, firstAvailable }: DeviceRequest): { name: string; of: Asked }[] {
  if (exactly) return [{ name, of: exactly }];
  return (firstAvailable ?? []).map(of => ({ name: `${name}/${of.name}`, of }));
}

function askOf(name: string, request: string, of: Asked, deviceClass: DeviceClass, sets: SelectorSets): Ask {
  return {
    ...{ name, request, deviceClass },
    selectors: sets.of(deviceClass.spec.selectors, of.selectors),
    count: of.allocationMode === 'All' ? undefined : Number(of.count ?? 1),
    admin: 'adminAccess' in of && of.adminAccess === true,
    tolerations: of.tolerations,
    capacity: of.capacity?.requests,
  };
}

function constraintOf(
  c: NonNullable<NonNullable<ResourceClaim['spec']['devices']>['constraints']>[number],
): Constraint {
  return {
    attribute: c.matchAttribute ?? c.distinctAttribute ?? '',
    distinct: c.matchAttribute === undefined,
    requests: c.requests?.length ? new Set(c.requests) : undefined,
  };
}
