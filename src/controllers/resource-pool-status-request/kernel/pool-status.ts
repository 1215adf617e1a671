// How much of the pools of a driver is taken.
import { formatTime } from '../../../api/meta.ts';
import type { ResourceClaim, ResourceSlice } from '../../../api/type/resource-v1.ts';
import type {
  PoolStatus,
  ResourcePoolStatusRequestSpec,
  ResourcePoolStatusRequestStatus,
} from '../../../api/type/resource-v1alpha3.ts';
import { largest } from '../../../base/whole-number.ts';

const defaultLimit = 100;
const poolId = (driver: string, pool: string) => `${driver}/${pool}`;

/** By pool, devices that claims hold; one that several hold counts for each. */
function allocations(claims: readonly ResourceClaim[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { status } of claims)
    for (const { driver, pool } of status?.allocation?.devices?.results ?? []) {
      const id = poolId(driver, pool);
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
  return counts;
}

function statusOf(all: readonly ResourceSlice[], allocated: number): PoolStatus | undefined {
  const generation = largest(all.map(s => s.spec.pool.generation));
  const slices = all.filter(s => s.spec.pool.generation === generation);
  const { driver, pool, nodeName } = slices[0]!.spec;
  if (slices.length < pool.resourceSliceCount) return undefined;
  const total = slices.reduce((sum, s) => sum + (s.spec.devices?.length ?? 0), 0);
  const ofNode = nodeName && slices.every(s => s.spec.nodeName === nodeName);
  return {
    ...{ driver, poolName: pool.name, generation, resourceSliceCount: slices.length },
    ...{ totalDevices: total, allocatedDevices: allocated },
    ...{ availableDevices: Math.max(0, total - allocated), unavailableDevices: 0 },
    ...(ofNode ? { nodeName } : {}),
  };
}

/** The answer; undefined while slices of a pool are still to come. */
export function poolStatus(
  { driver, poolName, limit = defaultLimit }: ResourcePoolStatusRequestSpec,
  slices: readonly ResourceSlice[],
  claims: readonly ResourceClaim[],
  nowMs: number,
): ResourcePoolStatusRequestStatus | undefined {
  const asked = slices.filter(
    ({ spec }) => spec.driver === driver && (poolName === undefined || spec.pool.name === poolName),
  );
  const byPool = Map.groupBy(asked, s => s.spec.pool.name);
  const taken = allocations(claims);
  const pools: PoolStatus[] = [];
  for (const name of [...byPool.keys()].sort()) {
    const status = statusOf(byPool.get(name)!, taken.get(poolId(driver, name)) ?? 0);
    if (!status) return undefined;
    pools.push(status);
  }
  const message = `Calculated status for ${pools.length} pools`;
  const told = { type: 'Complete', status: 'True', reason: 'CalculationComplete', message };
  return {
    poolCount: pools.length,
    ...(pools.length ? { pools: pools.slice(0, limit) } : {}),
    conditions: [{ ...told, lastTransitionTime: formatTime(nowMs) }],
  };
}
