// Which devices a DeviceTaintRule is about.
import type { Mutable } from './meta.ts';
import type { Device, ResourceSlice } from './type/resource-v1.ts';
import type { DeviceTaintRule } from './type/resource-v1beta2.ts';

export interface DeviceName {
  readonly driver: string;
  readonly pool: string;
  readonly device: string;
}

/** All that the selector says must hold; an empty one selects every device, none at all no device. */
export function selectsDevice({ spec }: DeviceTaintRule, name: DeviceName): boolean {
  const selector = spec.deviceSelector;
  if (!selector) return false;
  const { driver = name.driver, pool = name.pool, device = name.device } = selector;
  return driver === name.driver && pool === name.pool && device === name.device;
}

/** The slice as if its driver had put the rules' taints on its devices; itself when no rule is about any. */
export function taintedByRules(slice: ResourceSlice, rules: readonly DeviceTaintRule[]): ResourceSlice {
  const { driver, pool, devices } = slice.spec;
  let some = false;
  const now = devices?.map(device => {
    const name = { driver, pool: pool.name, device: device.name };
    const taints = rules.filter(r => selectsDevice(r, name)).map(r => r.spec.taint);
    if (!taints.length) return device;
    some = true;
    const more: Mutable<Device>['taints'] = [...(device.taints ?? []), ...taints];
    return { ...device, taints: more } as Device;
  });
  return some ? { ...slice, spec: { ...slice.spec, devices: now! } } : slice;
}
