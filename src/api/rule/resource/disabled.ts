// What is not written while its feature is off, unless the object had it before.
import type { Mutable } from '../../meta.ts';
import type { RuleContext } from '../../strategy.ts';
import type {
  Device,
  DeviceClaim,
  DeviceClass,
  DeviceSubRequest,
  ExactDeviceRequest,
  ResourceClaim,
  ResourceSlice,
} from '../../type/resource-v1.ts';
import { dropFields } from '../drop-fields.ts';

const asksOf = (claim: DeviceClaim | undefined): (ExactDeviceRequest | DeviceSubRequest)[] =>
  (claim?.requests ?? []).flatMap(r => [...(r.exactly ? [r.exactly] : []), ...(r.firstAvailable ?? [])]);

export function dropFromClaim(
  now: Mutable<DeviceClaim> | undefined,
  old: DeviceClaim | undefined,
  { featureEnabled: on }: RuleContext,
): void {
  const [mine, theirs] = [now as DeviceClaim | undefined, old];
  if (!on('DRAPrioritizedList')) dropFields(mine?.requests ?? [], theirs?.requests ?? [], ['firstAvailable']);
  const asks = (fields: readonly string[]) => dropFields(asksOf(mine), asksOf(theirs), fields);
  if (!on('DRADeviceTaints')) asks(['tolerations']);
  if (!on('DRAAdminAccess')) asks(['adminAccess']);
  if (on('DRAConsumableCapacity')) return;
  asks(['capacity']);
  dropFields(mine?.constraints ?? [], theirs?.constraints ?? [], ['distinctAttribute']);
}

export function dropFromStatus(
  now: Mutable<ResourceClaim>,
  old: ResourceClaim | undefined,
  { featureEnabled: on }: RuleContext,
): void {
  const results = (c: ResourceClaim | undefined) => c?.status?.allocation?.devices?.results ?? [];
  const mine = now as ResourceClaim;
  const both = on('DRADeviceBindingConditions') && on('DRAResourceClaimDeviceStatus');
  if (!on('DRAResourceClaimDeviceStatus')) dropFields([now.status ?? {}], [old?.status ?? {}], ['devices']);
  if (!on('DRADeviceTaints')) dropFields(results(mine), results(old), ['tolerations']);
  if (!on('DRAConsumableCapacity')) dropFields(results(mine), results(old), ['shareID', 'consumedCapacity']);
  if (!on('DRAConsumableCapacity')) dropFields(now.status?.devices ?? [], old?.status?.devices ?? [], ['shareID']);
  if (both) return;
  dropFields(results(mine), results(old), ['bindingConditions', 'bindingFailureConditions']);
  dropFields([now.status?.allocation ?? {}], [old?.status?.allocation ?? {}], ['allocationTimestamp']);
}

export function dropFromClass(
  now: Mutable<DeviceClass>,
  old: DeviceClass | undefined,
  { featureEnabled: on }: RuleContext,
): void {
  if (!on('DRAExtendedResource')) dropFields([now.spec ?? {}], [old?.spec ?? {}], ['extendedResourceName']);
}

const lists = ['ints', 'bools', 'strings', 'versions'];

export function dropFromSlice(
  now: Mutable<ResourceSlice>,
  old: ResourceSlice | undefined,
  { featureEnabled: on }: RuleContext,
): void {
  const spec = (s: ResourceSlice | undefined) => [s?.spec ?? {}];
  const devices = (s: ResourceSlice | undefined): readonly Device[] => s?.spec?.devices ?? [];
  const mine = now as ResourceSlice;
  const ofDevices = (fields: readonly string[]) => dropFields(devices(mine), devices(old), fields);
  if (!on('DRAPartitionableDevices')) {
    dropFields(spec(mine), spec(old), ['sharedCounters', 'perDeviceNodeSelection']);
    ofDevices(['consumesCounters', 'nodeName', 'nodeSelector', 'allNodes']);
  }
  if (!on('DRADeviceTaints')) ofDevices(['taints']);
  if (!on('DRADeviceBindingConditions') || !on('DRAResourceClaimDeviceStatus'))
    ofDevices(['bindsToNode', 'bindingConditions', 'bindingFailureConditions']);
  if (!on('DRAConsumableCapacity')) {
    ofDevices(['allowMultipleAllocations']);
    const capacities = (s: ResourceSlice | undefined) => devices(s).flatMap(d => Object.values(d.capacity ?? {}));
    dropFields(capacities(mine), capacities(old), ['requestPolicy']);
  }
  if (!on('DRANodeAllocatableResources')) ofDevices(['nodeAllocatableResourceMappings']);
  if (on('DRAListTypeAttributes')) return;
  const attributes = (s: ResourceSlice | undefined) => devices(s).flatMap(d => Object.values(d.attributes ?? {}));
  dropFields(attributes(mine), attributes(old), lists);
}
