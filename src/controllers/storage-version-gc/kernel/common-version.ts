// What a StorageVersion says of all its API servers together.
import { semanticEqual } from '../../../api/rule/record.ts';
import type {
  ServerStorageVersion,
  StorageVersionCondition,
  StorageVersionStatus,
} from '../../../api/type/apiserverinternal-v1alpha1.ts';

const type = 'AllEncodingVersionsEqual';

/** The status with these servers. */
export function statusOf(
  old: StorageVersionStatus,
  servers: readonly ServerStorageVersion[],
  generation: number | bigint | undefined,
  now: string,
): StorageVersionStatus {
  const [first] = servers;
  const common = first && servers.every(s => s.encodingVersion === first.encodingVersion) ? first : undefined;
  const before = old.conditions?.find(c => c.type === type);
  const status = common ? 'True' : 'False';
  const condition: StorageVersionCondition = {
    type,
    status,
    ...(generation ? { observedGeneration: generation } : {}),
    lastTransitionTime: before?.status === status && before.lastTransitionTime ? before.lastTransitionTime : now,
    reason: common ? 'CommonEncodingVersionSet' : 'CommonEncodingVersionUnset',
    message: common ? 'Common encoding version set' : 'Common encoding version unset',
  };
  const others = (old.conditions ?? []).filter(c => c.type !== type);
  const next: StorageVersionStatus = {
    storageVersions: servers,
    ...(common ? { commonEncodingVersion: common.encodingVersion } : {}),
    conditions: [...others, condition],
  };
  return semanticEqual(old, next) ? old : next;
}
