import { join } from 'node:path';
import type { Pod, Volume } from '../../api/type/core-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Host } from '../host/host.ts';
import type { PodEvents } from '../pod-event.ts';
import type { PodPaths } from '../pod-path.ts';
import { applyFsGroupOnce } from './ownership.ts';
import type { MappedVolume, SetUp, VolumePlugin } from './volume.ts';
import { VolumeError, VolumeLimitError, VolumeWait } from './volume-error.ts';

export interface VolumeManagerOptions {
  readonly host: Host;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: PodEvents;
  readonly paths: PodPaths;
  readonly plugins: readonly VolumePlugin[];
}

interface Mounted {
  readonly volume: Volume;
  readonly plugin: VolumePlugin;
  readonly dir: string;
  setUp: SetUp | undefined;
  failures: number;
  retryAtMs: number;
  /** Why it could not be set up last time. */
  error: string;
  /** The node can have no more of its kind. */
  exhausted?: boolean;
}

export interface VolumesState {
  readonly ready: boolean;
  /** Why the node can have no more volumes, and with it this pod. */
  readonly exhausted?: string;
  /** Call again no later than in so many milliseconds. */
  readonly againInMs?: number;
}

const firstRetryMs = 500;
const maxRetryMs = 122_000;
/** What waits for others is looked at so often beside their word. */
const waitMs = 1000;
/** So long a pod waits for its volumes before it is told which are missing. */
const patienceMs = 123_000;
/** Contents are looked at again at least so often. */
const resyncMs = 60_000;

export class VolumeManager {
  readonly #o: VolumeManagerOptions;
  readonly #pods = new Map<string, Map<string, Mounted>>();
  readonly #missingSinceMs = new Map<string, number>();

  constructor(options: VolumeManagerOptions) {
    this.#o = options;
  }

  /** What is set up of a pod, by volume name. */
  mounted(uid: string): ReadonlyMap<string, SetUp> {
    const out = new Map<string, SetUp>();
    for (const [name, m] of this.#pods.get(uid) ?? []) if (m.setUp) out.set(name, m.setUp);
    return out;
  }

  /** `kubernetes.io/…/name` of volumes in use by a claim, for the node's status. */
  groups(uid: string): readonly number[] {
    return [...(this.#pods.get(uid)?.values() ?? [])].flatMap(m => m.setUp?.groups ?? []);
  }

  /** An object a volume shows may have changed: what failed is tried at once. */
  hasten(uid: string): void {
    for (const m of this.#pods.get(uid)?.values() ?? []) m.retryAtMs = 0;
  }

  /** Whether all volumes that containers mount can be set up, as far as the objects they show tell. */
  async foreseeable(pod: Pod): Promise<boolean> {
    const known = this.#pods.get(pod.metadata.uid ?? '');
    const check = async (volume: Volume) => {
      if (known?.get(volume.name)?.failures) return false;
      const plugin = this.#o.plugins.find(p => p.canHandle(volume));
      await plugin?.check?.(pod, volume);
      return plugin?.check !== undefined;
    };
    const found = await Promise.allSettled(mountedVolumes(pod).map(check));
    return found.every(f => f.status === 'fulfilled' && f.value);
  }

  /** Sets up the volumes that containers mount and brings contents up to date. Never rejects. */
  async sync(pod: Pod): Promise<VolumesState> {
    const uid = pod.metadata.uid ?? '';
    const volumes = mountedVolumes(pod);
    if (!volumes.length) return { ready: true };
    const known = this.#pods.get(uid) ?? new Map<string, Mounted>();
    this.#pods.set(uid, known);
    await Promise.all(volumes.map(v => this.#one(pod, uid, known, v)));
    const now = this.#o.clock.now();
    this.#tellMissing(pod, uid, known, now);
    const exhausted = known.values().find(m => m.exhausted)?.error;
    if (exhausted !== undefined) return { ready: false, exhausted };
    let againAtMs = Number.POSITIVE_INFINITY;
    let ready = true;
    for (const m of known.values()) {
      if (!m.setUp) {
        ready = false;
        againAtMs = Math.min(againAtMs, m.retryAtMs);
      } else if (m.plugin.update || m.setUp.update)
        againAtMs = Math.min(againAtMs, Math.max(m.setUp.refreshAtMs ?? now + resyncMs, m.retryAtMs), now + resyncMs);
    }
    return { ready, ...(againAtMs < Number.POSITIVE_INFINITY ? { againInMs: Math.max(0, againAtMs - now) } : {}) };
  }

  /** Now and then, while volumes are missing. */
  #tellMissing(pod: Pod, uid: string, known: ReadonlyMap<string, Mounted>, nowMs: number): void {
    const missing = [...known.values()].filter(m => !m.setUp);
    if (!missing.length) {
      this.#missingSinceMs.delete(uid);
      return;
    }
    if (nowMs - this.#missingSinceMs.getOrInsert(uid, nowMs) < patienceMs) return;
    this.#missingSinceMs.set(uid, nowMs);
    const names = (list: readonly Mounted[]) =>
      `[${list
        .map(m => m.volume.name)
        .sort()
        .join(' ')}]`;
    const unattached = names(missing.filter(m => m.failures === 0));
    const message = `Unable to attach or mount volumes: unmounted volumes=${names(missing)}, unattached volumes=${unattached}, failed to process volumes=[]: timed out waiting for the condition`;
    this.#o.events.pod(pod, 'Warning', 'FailedMount', message);
  }

  async #one(pod: Pod, uid: string, known: Map<string, Mounted>, volume: Volume): Promise<void> {
    const { clock, events, log } = this.#o;
    let m = known.get(volume.name);
    if (!m) {
      const plugin = this.#o.plugins.find(p => p.canHandle(volume));
      if (!plugin) {
        m = { volume, plugin: unsupported, dir: '', setUp: undefined, failures: 0, retryAtMs: 0, error: '' };
      } else {
        const dir = this.#o.paths.volume(uid, plugin.name, volume.name);
        m = { volume, plugin, dir, setUp: undefined, failures: 0, retryAtMs: 0, error: '' };
      }
      known.set(volume.name, m);
    }
    if (clock.now() < m.retryAtMs) return;
    try {
      if (m.setUp) {
        if (m.setUp.update) m.setUp = await m.setUp.update();
        else if (m.plugin.update) m.setUp = await m.plugin.update(pod, volume, m.dir);
        m.failures = 0;
        return;
      }
      const setUp = await m.plugin.setUp(pod, volume, m.dir);
      if (setUp.managesOwnership && setUp.path)
        await applyFsGroupOnce(this.#o, pod, volume.name, setUp.path, setUp.readOnly ?? false);
      m.setUp = setUp;
      if (setUp.mapped) events.pod(pod, 'Normal', 'SuccessfulMountVolume', mappedMessage(setUp.mapped));
      m.failures = 0;
      m.error = '';
    } catch (error) {
      m.error = messageOf(error);
      if (error instanceof VolumeWait) {
        m.retryAtMs = clock.now() + waitMs;
        return;
      }
      m.exhausted = error instanceof VolumeLimitError;
      const delayMs = Math.min(maxRetryMs, firstRetryMs * 2 ** m.failures++);
      m.retryAtMs = clock.now() + delayMs;
      const [operation, name] =
        error instanceof VolumeError ? [error.operation, error.volume] : ['MountVolume.SetUp', volume.name];
      const message = `${operation} failed for volume "${name}" : ${m.error}`;
      const reason = operation.startsWith('MapVolume') ? 'FailedMapVolume' : 'FailedMount';
      events.pod(pod, 'Warning', reason, message);
      log.warn('setting up a volume failed', { pod: pod.metadata.name, volume: volume.name, error: m.error });
    }
  }

  /** Undoes all volumes of a pod, also those a former kubelet made. */
  async tearDown(uid: string): Promise<void> {
    const { host, paths } = this.#o;
    await host.remove(join(paths.pod(uid), 'volume-subpaths'));
    for (const plugin of this.#o.plugins) await plugin.tearDownPod?.(uid);
    const base = join(paths.pod(uid), 'volumes');
    for (const escaped of await host.list(base)) {
      const plugin = this.#o.plugins.find(p => p.name === escaped.replaceAll('~', '/'));
      if (plugin?.tearDownPod) continue;
      for (const name of await host.list(join(base, escaped))) {
        const dir = join(base, escaped, name);
        if (plugin?.tearDown) await plugin.tearDown(dir);
        else await host.remove(dir);
      }
    }
    this.#pods.delete(uid);
    this.#missingSinceMs.delete(uid);
  }

  /** Pods that have a directory. */
  podsOnDisk(): Promise<readonly string[]> {
    return this.#o.host.list(this.#o.paths.pods);
  }
}

const mappedMessage = ({ volume, path }: MappedVolume) =>
  `MapVolume.MapPodDevice succeeded for volume "${volume}" volumeMapPath "${path}"`;

const unsupported: VolumePlugin = {
  name: 'unsupported',
  canHandle: () => true,
  async setUp() {
    throw new Error('no volume plugin matched');
  },
};

/** Volumes that some container mounts; the others are never set up. */
function mountedVolumes(pod: Pod): readonly Volume[] {
  const { spec } = pod;
  const names = new Set(
    [...spec.containers, ...(spec.initContainers ?? []), ...(spec.ephemeralContainers ?? [])].flatMap(c =>
      [...(c.volumeMounts ?? []), ...(c.volumeDevices ?? [])].map(m => m.name),
    ),
  );
  return (spec.volumes ?? []).filter(v => names.has(v.name));
}
