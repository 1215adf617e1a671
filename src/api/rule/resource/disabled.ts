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

type Plain = Record<string, unknown>;

/** Takes `fields` away from all of `now`, if no part of `old` has any of them. */
function drop(now: readonly object[], old: readonly object[], fields: readonly string[]): void {
  const has = (o: object) => fields.some(f => (o as Plain)[f] !== undefined && (o as Plain)[f] !== false);
  if (old.some(has)) return;
  for (const o of now) for (const f of fields) delete (o as Plain)[f];
}

const asksOf = (claim: DeviceClaim | undefined): (ExactDeviceRequest | DeviceSubRequest)[] =>
  (claim?.requests ?? []).flatMap(r => [...(r.exactly ? [r.exactly] : []), ...(r.firstAvailable ?? [])]);

export function dropFromClaim(
  now: Mutable<DeviceClaim> | undefined,
  old: DeviceClaim | undefined,
  { featureEnabled: on }: RuleContext,
): void {
  const [mine, theirs] = [now as DeviceClaim | undefined, old];
  if (!on('DRAPrioritizedList')) drop(mine?.requests ?? [], theirs?.requests ?? [], ['firstAvailable']);
  const asks = (fields: readonly string[]) => drop(asksOf(mine), asksOf(theirs), fields);
  if (!on('DRADeviceTaints')) asks(['tolerations']);
  if (!on('DRAAdminAccess')) asks(['adminAccess']);
  if (on('DRAConsumableCapacity')) return;
  asks(['capacity']);
  drop(mine?.constraints ?? [], theirs?.constraints ?? [], ['distinctAttribute']);
}

export function dropFromStatus(
  now: Mutable<ResourceClaim>,
  old: ResourceClaim | undefined,
  { featureEnabled: on }: RuleContext,
): void {
  const results = (c: ResourceClaim | undefined) => c?.status?.allocation?.devices?.results ?? [];
  const mine = now as ResourceClaim;
  const both = on('DRADeviceBindingConditions') && on('DRAResourceClaimDeviceStatus');
  if (!on('DRAResourceClaimDeviceStatus')) drop([now.status ?? {}], [old?.status ?? {}], ['devices']);
  if (!on('DRADeviceTaints')) drop(results(mine), results(old), ['tolerations']);
  if (!on('DRAConsumableCapacity')) drop(results(mine), results(old), ['shareID', 'consumedCapacity']);
  if (both) return;
  drop(results(mine), results(old), ['bindingConditions', 'bindingFailureConditions']);
  drop([now.status?.allocation ?? {}], [old?.status?.allocation ?? {}], ['allocationTimestamp']);
}

export function dropFromClass(
  now: Mutable<DeviceClass>,
  old: DeviceClass | undefined,
  { featureEnabled: on }: RuleContext,
): void {
  if (!on('DRAExtendedResource')) drop([now.spec ?? {}], [old?.spec ?? {}], ['extendedResourceName']);
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
  const ofDevices = (fields: readonly string[]) => drop(devices(mine), devices(old), fields);
  if (!on('DRAPartitionableDevices')) {
    drop(spec(mine), spec(old), ['sharedCounters', 'perDeviceNodeSelection']);
    ofDevices(['consumesCounters', 'nodeName', 'nodeSelector', 'allNodes']);
  }
  if (!on('DRADeviceTaints')) ofDevices(['taints']);
  if (!on('DRADeviceBindingConditions') || !on('DRAResourceClaimDeviceStatus'))
    ofDevices(['bindsToNode', 'bindingConditions', 'bindingFailureConditions']);
  if (!on('DRAConsumableCapacity')) {
    ofDevices(['allowMultipleAllocations']);
    const capacities = (s: ResourceSlice | undefined) => devices(s).flatMap(d => Object.values(d.capacity ?? {}));
    drop(capacities(mine), capacities(old), ['requestPolicy']);
  }
  if (!on('DRANodeAllocatableResources')) ofDevices(['nodeAllocatableResourceMappings']);
  if (on('DRAListTypeAttributes')) return;
  const attributes = (s: ResourceSlice | undefined) => devices(s).flatMap(d => Object.values(d.attributes ?? {}));
  drop(attributes(mine), attributes(old), lists);
}
