import { join } from 'node:path';
import type { Pod } from '../../api/type/core-v1.ts';
import { nearNumber } from '../../base/whole-number.ts';
import type { Host } from '../host/host.ts';

const directoryBits = 0o2770;
const fileBits = 0o660;
const readOnlyDirectoryBits = 0o2550;
const readOnlyFileBits = 0o440;

/** Gives a volume's files to the pod's fsGroup: group owner, group rights, and directories that hand the group on. */
export async function applyFsGroup(host: Host, pod: Pod, path: string, readOnly: boolean): Promise<void> {
  const s = pod.spec.securityContext;
  const gid = nearNumber(s?.fsGroup);
  if (gid === undefined) return;
  const wantedBits = readOnly ? readOnlyDirectoryBits : directoryBits;
  if (s?.fsGroupChangePolicy === 'OnRootMismatch') {
    const root = await host.info(path);
    if (root?.gid === gid && (root.mode & wantedBits) === wantedBits) return;
  }
  await walk(host, path, gid, readOnly);
}

async function walk(host: Host, path: string, gid: number, readOnly: boolean): Promise<void> {
  const info = await host.info(path, { follow: false });
  if (!info) return;
  await host.chown(path, -1, gid);
  if (info.kind === 'symlink') return;
  if (info.kind !== 'directory') {
    await host.chmod(path, info.mode | (readOnly ? readOnlyFileBits : fileBits));
    return;
  }
  await host.chmod(path, info.mode | (readOnly ? readOnlyDirectoryBits : directoryBits));
  for (const name of await host.list(path)) await walk(host, join(path, name), gid, readOnly);
}
