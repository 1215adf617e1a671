// Volumes whose files the kubelet writes: configMap, secret, downwardAPI, projected.

import type { DownwardAPIVolumeFile, Pod, Volume, VolumeProjection } from '../../api/type/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { nearNumber } from '../../base/whole-number.ts';
import type { PodCertificates } from '../credential/pod-certificates.ts';
import type { TrustBundles } from '../credential/trust-bundles.ts';
import type { Host } from '../host/host.ts';
import { fieldValue, type NodeFields, resourceValue } from '../kernel/downward.ts';
import {
  choose,
  configMapData,
  missingConfigKey,
  missingSecretKey,
  type Payload,
  type PayloadFile,
  samePayload,
  secretData,
  utf8,
} from '../kernel/payload.ts';
import type { ObjectCache } from '../object-cache.ts';
import type { TokenManager } from '../token-manager.ts';
import { showsPayload, writePayload } from './atomic-writer.ts';
import type { MemoryDirectories } from './memory-directories.ts';
import type { SetUp, VolumePlugin } from './volume.ts';

export interface ContentOptions {
  readonly host: Host;
  readonly clock: Clock;
  readonly objects: ObjectCache;
  readonly tokens: TokenManager;
  readonly trustBundles: TrustBundles;
  readonly certificates: PodCertificates;
  readonly memory: MemoryDirectories;
  nodeFields(pod: Pod): NodeFields;
  allocatable(): Readonly<Record<string, string>>;
}

interface Content {
  readonly payload: Payload;
  readonly refreshAtMs?: number;
}

const defaultFileMode = 0o644;

export function contentPlugins(o: ContentOptions): readonly VolumePlugin[] {
  return [
    plugin(o, 'kubernetes.io/configmap', v => !!v.configMap, configMapContent, onDisk(o.host)),
    plugin(o, 'kubernetes.io/secret', v => !!v.secret, secretContent, o.memory),
    plugin(o, 'kubernetes.io/downward-api', v => !!v.downwardAPI, downwardContent, o.memory),
    plugin(o, 'kubernetes.io/projected', v => !!v.projected, projectedContent, o.memory),
  ];
}

type Directories = Pick<MemoryDirectories, 'host' | 'make' | 'remove'>;

const onDisk = (host: Host): Directories => ({
  host,
  async make(dir) {
    await host.makeDirectory(dir, 0o777);
    return dir;
  },
  remove: dir => host.remove(dir),
});

type Collect = (o: ContentOptions, pod: Pod, volume: Volume) => Promise<Content>;

function plugin(
  o: ContentOptions,
  name: string,
  canHandle: (v: Volume) => boolean,
  collect: Collect,
  directories: Directories,
): VolumePlugin {
  /** What was written last, so that an unchanged payload touches nothing. */
  const written = new Map<string, Payload>();
  /** Where directories lie that are made. */
  const places = new Map<string, string>();
  const made = async (dir: string): Promise<string> => {
    const known = places.get(dir);
    if (known !== undefined) return known;
    const place = await directories.make(dir);
    places.set(dir, place);
    return place;
  };
  const show = async (pod: Pod, { payload, refreshAtMs }: Content, dir: string): Promise<SetUp> => {
    if (!samePayload(written.get(dir), payload)) {
      const gid = nearNumber(pod.spec.securityContext?.fsGroup);
      const readable = gid === undefined ? payload : groupReadable(payload);
      // A kubelet that has just started leaves alone what its predecessor wrote.
      const unchanged = !written.has(dir) && (await showsPayload(directories.host, dir, readable));
      if (!unchanged) await writePayload(directories.host, o.clock, dir, readable, gid === undefined ? {} : { gid });
      written.set(dir, payload);
    }
    return { path: dir, readOnly: true, ...(refreshAtMs !== undefined ? { refreshAtMs } : {}) };
  };
  return {
    name,
    canHandle,
    check: (pod, volume) => collect(o, pod, volume),
    async setUp(pod, volume, dir) {
      // First the content: a directory without it would look set up.
      const content = await collect(o, pod, volume);
      return show(pod, content, await made(dir));
    },
    update: async (pod, volume, dir) => show(pod, await collect(o, pod, volume), await made(dir)),
    async tearDown(dir) {
      written.delete(places.get(dir) ?? dir);
      places.delete(dir);
      await directories.remove(dir);
    },
  };
}

/** With an fsGroup its members must be able to read what only the owner could. */
function groupReadable(payload: Payload): Payload {
  return new Map([...payload].map(([path, f]) => [path, { ...f, mode: f.mode | 0o440 }]));
}

const configMapContent: Collect = async (o, pod, volume) => {
  const { name = '', items, defaultMode = defaultFileMode, optional = false } = volume.configMap!;
  return { payload: await configMapFiles(o, pod, name, items, defaultMode, optional) };
};

async function configMapFiles(
  o: ContentOptions,
  pod: Pod,
  name: string,
  items: NonNullable<Volume['configMap']>['items'],
  mode: number,
  optional: boolean,
): Promise<Payload> {
  const map = await o.objects.configMap(pod, name);
  if (!map && !optional) throw new Error(`configmap "${name}" not found`);
  return choose(configMapData(map), items, mode, optional, missingConfigKey);
}

async function secretFiles(
  o: ContentOptions,
  pod: Pod,
  name: string,
  items: NonNullable<Volume['secret']>['items'],
  mode: number,
  optional: boolean,
): Promise<Payload> {
  const secret = await o.objects.secret(pod, name);
  if (!secret && !optional) throw new Error(`secret "${name}" not found`);
  return choose(secretData(secret), items, mode, optional, missingSecretKey);
}

const secretContent: Collect = async (o, pod, volume) => {
  const { secretName = '', items, defaultMode = defaultFileMode, optional = false } = volume.secret!;
  return { payload: await secretFiles(o, pod, secretName, items, defaultMode, optional) };
};

const downwardContent: Collect = async (o, pod, volume) => {
  const { items, defaultMode = defaultFileMode } = volume.downwardAPI!;
  return { payload: downwardFiles(o, pod, items, defaultMode) };
};

function downwardFiles(
  o: ContentOptions,
  pod: Pod,
  items: readonly DownwardAPIVolumeFile[] | undefined,
  defaultMode: number,
): Payload {
  const out = new Map<string, PayloadFile>();
  for (const { path, fieldRef, resourceFieldRef, mode } of items ?? []) {
    let text = '';
    if (fieldRef) text = fieldValue(pod, fieldRef.fieldPath, o.nodeFields(pod));
    else if (resourceFieldRef) {
      const container = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].find(
        c => c.name === resourceFieldRef.containerName,
      );
      if (!container) throw new Error(`container ${resourceFieldRef.containerName} not found`);
      text = resourceValue(resourceFieldRef, pod.spec, container, o.allocatable());
    }
    out.set(path, { data: utf8(text), mode: mode ?? defaultMode });
  }
  return out;
}

const projectedContent: Collect = async (o, pod, volume) => {
  const { sources, defaultMode = defaultFileMode } = volume.projected!;
  const payload = new Map<string, PayloadFile>();
  let refreshAtMs: number | undefined;
  const errors: string[] = [];
  for (const [i, source] of (sources ?? []).entries()) {
    try {
      const content = await projection(o, pod, source, defaultMode, `${volume.name}/${i}`);
      for (const [path, file] of content.payload) payload.set(path, file);
      if (content.refreshAtMs !== undefined) refreshAtMs = Math.min(refreshAtMs ?? Infinity, content.refreshAtMs);
    } catch (error) {
      errors.push(error instanceof Error ? error.message : String(error));
    }
  }
  if (errors.length) throw new Error(errors.length === 1 ? errors[0]! : `[${errors.join(', ')}]`);
  return { payload, ...(refreshAtMs !== undefined ? { refreshAtMs } : {}) };
};

/** `place`: of the source, within the pod. */
async function projection(
  o: ContentOptions,
  pod: Pod,
  source: VolumeProjection,
  mode: number,
  place: string,
): Promise<Content> {
  if (source.configMap) {
    const { name = '', items, optional = false } = source.configMap;
    return { payload: await configMapFiles(o, pod, name, items, mode, optional) };
  }
  if (source.secret) {
    const { name = '', items, optional = false } = source.secret;
    return { payload: await secretFiles(o, pod, name, items, mode, optional) };
  }
  if (source.downwardAPI) return { payload: downwardFiles(o, pod, source.downwardAPI.items, mode) };
  if (source.serviceAccountToken) {
    const { token, refreshAtMs } = await o.tokens.token(pod, source.serviceAccountToken);
    return { payload: new Map([[source.serviceAccountToken.path, credentialFile(pod, token, mode)]]), refreshAtMs };
  }
  if (source.clusterTrustBundle) {
    const anchors = await o.trustBundles.anchors(pod, source.clusterTrustBundle);
    return { payload: new Map([[source.clusterTrustBundle.path, credentialFile(pod, anchors, mode)]]) };
  }
  if (source.podCertificate) {
    const { credentialBundlePath, keyPath, certificateChainPath } = source.podCertificate;
    const { keyPem, chainPem, refreshAtMs } = await o.certificates.credentials(pod, place, source.podCertificate);
    const payload = new Map<string, PayloadFile>();
    if (credentialBundlePath) payload.set(credentialBundlePath, credentialFile(pod, keyPem + chainPem, mode));
    if (keyPath) payload.set(keyPath, credentialFile(pod, keyPem, mode));
    if (certificateChainPath) payload.set(certificateChainPath, credentialFile(pod, chainPem, mode));
    return { payload, refreshAtMs };
  }
  throw new Error('projection source is not supported on this node');
}

/** For the pod's one user alone where there is one, or a group that owns its volumes. */
function credentialFile(pod: Pod, text: string, mode: number): PayloadFile {
  const uid = commonUser(pod);
  const restricted = uid !== undefined || pod.spec.securityContext?.fsGroup !== undefined;
  return { data: utf8(text), mode: restricted ? 0o600 : mode, ...(uid === undefined ? {} : { uid }) };
}

/** The one user all containers run as, if the pod says so of each of them. */
function commonUser(pod: Pod): number | undefined {
  const { containers, initContainers = [], ephemeralContainers = [], securityContext } = pod.spec;
  const users = [...containers, ...initContainers, ...ephemeralContainers].map(
    c => c.securityContext?.runAsUser ?? securityContext?.runAsUser,
  );
  return users.every(u => u === users[0]) ? nearNumber(users[0]) : undefined;
}
