// What pods are told about their volumes.
import type { Pod } from '../../../api/type/core-v1.ts';

// A space stands where the reason of a failure would.
export const attached = (volume: string): string => `AttachVolume.Attach succeeded for volume "${volume}" `;
export const attachFailed = (volume: string, why: string): string =>
  `AttachVolume.Attach failed for volume "${volume}" : ${why}`;
export const attachTimedOut = (driver: string, handle: string): string =>
  `timed out waiting for external-attacher of ${driver} CSI driver to attach volume ${handle}`;

/** Why `pod` waits for a volume that only one node may have; `users`: the pods that need it on other nodes. */
export function multiAttach(volume: string, pod: Pod, users: readonly Pod[]): string {
  const start = `Multi-Attach error for volume "${volume}" Volume is already`;
  if (users.length === 0) return `${start} exclusively attached to one node and can't be attached to another`;
  const local = users.filter(u => u.metadata.namespace === pod.metadata.namespace).map(u => u.metadata.name);
  const others = users.length - local.length;
  if (local.length === 0) return `${start} used by ${others} pod(s) in different namespaces`;
  const more = others > 0 ? ` and ${others} pod(s) in different namespaces` : '';
  return `${start} used by pod(s) ${local.sort().join(', ')}${more}`;
}
