// Until when a pod may hold devices with these taints.

import { parseTime } from '../../../api/meta.ts';
import { tolerates } from '../../../api/toleration.ts';
import type { Taint, Toleration } from '../../../api/type/core-v1.ts';
import type { DeviceTaint, DeviceToleration, ResourceClaim, ResourceSlice } from '../../../api/type/resource-v1.ts';
import { largest } from '../../../base/whole-number.ts';

type Result = NonNullable<NonNullable<NonNullable<ResourceClaim['status']>['allocation']>['devices']>['results'];
export type AllocatedDevice = NonNullable<Result>[number];

export const allocatedDevices = ({ status }: ResourceClaim): readonly AllocatedDevice[] =>
  status?.allocation?.devices?.results ?? [];

export const poolKey = (driver: string, pool: string): string => `${driver}/${pool}`;
export const deviceKey = (d: { driver: string; pool: string; device: string }): string =>
  `${d.driver}/${d.pool}/${d.device}`;

export const executeTaints = (taints: readonly DeviceTaint[] | undefined): readonly DeviceTaint[] =>
  (taints ?? []).filter(t => t.effect === 'NoExecute');

/** Devices of a slice that drive pods away, by name. */
export const taintedDevices = ({ spec }: ResourceSlice): string[] =>
  (spec.devices ?? []).filter(d => executeTaints(d.taints).length > 0).map(d => d.name);

/** Taints of a device as the newest generation of its pool has it. */
export function taintsOf(device: string, slices: readonly ResourceSlice[]): readonly DeviceTaint[] {
  const newest = largest(slices.map(s => s.spec.pool.generation));
  for (const { spec } of slices) {
    if (spec.pool.generation !== newest) continue;
    const found = spec.devices?.find(d => d.name === device);
    if (found) return executeTaints(found.taints);
  }
  return [];
}

/** Milliseconds since the epoch; infinite: for ever. A taint that does not say when it came came now. */
export function evictionMs(
  taints: readonly DeviceTaint[],
  tolerations: readonly DeviceToleration[] = [],
  nowMs: number,
): number {
  let dueMs = Number.POSITIVE_INFINITY;
  for (const taint of taints) {
    const sinceMs = parseTime(taint.timeAdded) ?? nowMs;
    const matching = tolerations.filter(t => tolerates(t as Toleration, taint as Taint));
    if (matching.length === 0) dueMs = Math.min(dueMs, sinceMs);
    for (const { tolerationSeconds } of matching)
      if (tolerationSeconds !== undefined)
        dueMs = Math.min(dueMs, sinceMs + Math.max(0, Number(tolerationSeconds)) * 1000);
  }
  return dueMs;
}
