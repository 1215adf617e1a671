// Rows of dynamic resource allocation.
import type { ResourceClaim, ResourceSlice } from '../../api/type/resource-v1.ts';
import type { DeviceTaintRule, ResourcePoolStatusRequest } from '../../api/type/resource-v1alpha3.ts';
import { ageOf } from './human-duration.ts';
import type { CellsByKind } from './kind.ts';
import { conditionOf, isTrue, none } from './text.ts';

function claimState({ metadata, status }: ResourceClaim): string {
  const states: string[] = [];
  if (metadata.deletionTimestamp) states.push('deleted');
  if (status?.allocation) {
    states.push('allocated');
    if (status.reservedFor?.length) states.push('reserved');
  } else if (!metadata.deletionTimestamp) states.push('pending');
  return states.join(',');
}

type Pool = NonNullable<NonNullable<ResourcePoolStatusRequest['status']>['pools']>[number];

/** What the pools say together; `-` as long as nothing is known. */
function poolSum(request: ResourcePoolStatusRequest, amount: (pool: Pool) => number | undefined): string {
  const pools = request.status?.pools;
  if (!pools) return '-';
  return String(pools.reduce((sum, p) => sum + (amount(p) ?? 0), 0));
}

function poolRequestStatus({ status }: ResourcePoolStatusRequest): string {
  if (isTrue(status?.conditions, 'Failed')) return 'Failed';
  if (!isTrue(status?.conditions, 'Complete')) return 'Pending';
  const shown = status?.pools?.length ?? 0;
  return shown < (status?.poolCount ?? 0) ? `Complete (${shown}/${status!.poolCount} pools)` : 'Complete';
}

function completed({ status }: ResourcePoolStatusRequest, now: number): string {
  const condition = conditionOf(status?.conditions, 'Complete');
  return condition?.status === 'True' ? ageOf(condition.lastTransitionTime, now) : none;
}

const nameAndAge: CellsByKind[string] = ({ metadata }, now) => [metadata.name, ageOf(metadata.creationTimestamp, now)];

export const deviceCells: CellsByKind = {
  DeviceClass: nameAndAge,
  ResourceClaimTemplate: nameAndAge,
  ResourceClaim: (claim: ResourceClaim, now) => [
    claim.metadata.name,
    claimState(claim),
    ageOf(claim.metadata.creationTimestamp, now),
  ],
  ResourceSlice: ({ metadata, spec }: ResourceSlice, now) => [
    metadata.name,
    spec?.nodeName ?? '',
    spec?.driver ?? '',
    spec?.pool?.name ?? '',
    ageOf(metadata.creationTimestamp, now),
  ],
  ResourcePoolStatusRequest: (request: ResourcePoolStatusRequest, now) => [
    request.metadata.name,
    request.spec?.driver ?? '',
    poolSum(request, p => p.totalDevices),
    poolSum(request, p => p.availableDevices),
    poolSum(request, p => p.allocatedDevices),
    poolSum(request, p => p.unavailableDevices),
    poolSum(request, p => (p.validationError ? 1 : 0)),
    request.status?.poolCount ?? 0,
    poolRequestStatus(request),
    completed(request, now),
  ],
  DeviceTaintRule: ({ metadata, spec }: DeviceTaintRule, now) => [
    metadata.name,
    spec?.taint?.key ?? '',
    spec?.taint?.value ?? '',
    spec?.taint?.effect ?? '',
    spec?.taint?.timeAdded ? ageOf(spec.taint.timeAdded, now) : '',
    ageOf(metadata.creationTimestamp, now),
  ],
};
