import { dirname, join } from 'node:path';
import type { Pod } from '../../api/type/core-v1.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import { nearNumber } from '../../base/whole-number.ts';
import type { Host } from '../host/host.ts';
import type { PodEvents } from '../pod-event.ts';
import type { PodPaths } from '../pod-path.ts';

const directoryBits = 0o2770;
const fileBits = 0o660;
const readOnlyDirectoryBits = 0o2550;
const readOnlyFileBits = 0o440;

const slowMs = 30_000;
const againMs = 60_000;
const advice =
  'https://kubernetes.io/docs/tasks/configure-pod-container/security-context/#configure-volume-permission-and-ownership-change-policy-for-pods';

export interface OwnershipOptions {
  readonly host: Host;
  readonly clock: Clock;
  readonly events: PodEvents;
}

/**
 * The same once for a pod and what lies at the path: a kubelet that starts again leaves alone what containers have made
 * of their files since.
 */
export async function applyFsGroupOnce(
  o: OwnershipOptions & { readonly paths: Pick<PodPaths, 'owned'> },
  pod: Pod,
  volume: string,
  path: string,
  readOnly: boolean,
): Promise<void> {
  const { host, paths } = o;
  if (pod.spec.securityContext?.fsGroup === undefined) return;
  const identity = (await host.info(path))?.identity;
  const mark = paths.owned(pod.metadata.uid ?? '', volume);
  if (identity !== undefined && (await host.readFile(mark)) === identity) return;
  await applyFsGroup(o, pod, path, readOnly);
  if (identity === undefined) return;
  await host.makeDirectory(dirname(mark), 0o750);
  await host.writeFile(mark, identity, { mode: 0o600 });
}

/** Gives a volume's files to the pod's fsGroup: group owner, group rights, and directories that hand the group on. */
export async function applyFsGroup(o: OwnershipOptions, pod: Pod, path: string, readOnly: boolean): Promise<void> {
  const { host } = o;
  const s = pod.spec.securityContext;
  const gid = nearNumber(s?.fsGroup);
  if (gid === undefined) return;
  const wantedBits = readOnly ? readOnlyDirectoryBits : directoryBits;
  if (s?.fsGroupChangePolicy === 'OnRootMismatch') {
    const root = await host.info(path);
    if (root?.gid === gid && (root.mode & wantedBits) === wantedBits) return;
  }
  const progress = new Progress(o, pod, path);
  await walk({ host, gid, readOnly, progress }, path).finally(() => progress.end());
}

/** Tells the pod of a walk that takes long. */
class Progress {
  files = 0;
  #timer: Timer;

  constructor({ clock, events }: OwnershipOptions, pod: Pod, path: string) {
    const tell = (what: string) => {
      const message = `Setting volume ownership for ${path}${what}`;
      events.pod(pod, 'Warning', 'VolumePermissionChangeInProgress', message);
      this.#timer = clock.after(againMs, () => tell(`, processed ${this.files} files.`));
    };
    this.#timer = clock.after(slowMs, () =>
      tell(` is taking longer than expected, consider using OnRootMismatch - ${advice}`),
    );
  }

  end(): void {
    this.#timer.cancel();
  }
}

interface Walk {
  readonly host: Host;
  readonly gid: number;
  readonly readOnly: boolean;
  readonly progress: Progress;
}

async function walk(w: Walk, path: string): Promise<void> {
  const { host, gid, readOnly } = w;
  w.progress.files++;
  const info = await host.info(path, { follow: false });
  if (!info) return;
  await host.chown(path, -1, gid);
  if (info.kind === 'symlink') return;
  if (info.kind !== 'directory') {
    await host.chmod(path, info.mode | (readOnly ? readOnlyFileBits : fileBits));
    return;
  }
  await host.chmod(path, info.mode | (readOnly ? readOnlyDirectoryBits : directoryBits));
  for (const name of await host.list(path)) await walk(w, join(path, name));
}
