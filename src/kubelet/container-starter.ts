// From a container's spec to a running container: image, configuration, create, start, postStart.
import { join } from 'node:path';
import type {
  ConfigMap,
  Container,
  EphemeralContainer,
  Service as KubeService,
  Pod,
  Secret,
} from '../api/type/core-v1.ts';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { type Random, randomUuid } from '../base/random.ts';
import type { Informer } from '../client/informer.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import { RuntimeError } from '../cri/runtime-error.ts';
import type { ContainerConfig, Image, PodSandboxConfig } from '../cri/type.ts';
import type { ContainerKiller } from './container-killer.ts';
import { containerMounts, volumeDevices } from './container-mounts.ts';
import { withDevices } from './device/device-options.ts';
import type { NodeDevices } from './device/node-devices.ts';
import { type HookOptions, runHook } from './hook.ts';
import type { Host } from './host/host.ts';
import { ImageError, type ImageManager } from './image-manager.ts';
import { containerConfig, type ResourceSettings } from './kernel/container-config.ts';
import { podHostname } from './kernel/dns.ts';
import { ConfigError, decodeBase64, makeEnv } from './kernel/env.ts';
import { type Keyring, keyringOf } from './kernel/image-name.ts';
import { latestContainer, type ObservedPod } from './kernel/observed.ts';
import { type ImageUser, type SecurityOptions, verifyNonRoot } from './kernel/security.ts';
import { serviceEnv } from './kernel/service-env.ts';
import type { ObjectCache } from './object-cache.ts';
import type { PodEvents } from './pod-event.ts';
import { identityOf, type PodPaths } from './pod-path.ts';
import type { RuntimeCache } from './runtime-cache.ts';
import type { ResourceManagers } from './topology/resource-managers.ts';
import type { VolumeManager } from './volume/volume-manager.ts';

/** A container that does not start: the reason and message of its waiting state. */
export class StartError extends Error {
  override name = 'StartError';
  readonly reason: string;
  readonly retryInMs: number | undefined;

  constructor(reason: string, message: string, retryInMs?: number) {
    super(message);
    this.reason = reason;
    this.retryInMs = retryInMs;
  }
}

export interface StarterOptions {
  readonly runtime: ContainerRuntime;
  readonly cache: RuntimeCache;
  readonly host: Host;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly events: PodEvents;
  readonly paths: PodPaths;
  readonly images: ImageManager;
  readonly objects: ObjectCache;
  readonly volumes: VolumeManager;
  readonly devices: NodeDevices | undefined;
  readonly managers: ResourceManagers | undefined;
  readonly services: Informer<KubeService>;
  readonly killer: ContainerKiller;
  readonly hooks: HookOptions;
  readonly security: SecurityOptions;
  readonly hostIps: readonly string[];
  readonly clusterDomain: string;
  readonly resources: ResourceSettings;
  readonly containerLogsDirectory: string | undefined;
  allocatable(): Readonly<Record<string, string>>;
  /** Whether the runtime's handler makes mounts within a mount read-only as well. */
  recursiveReadOnly(runtimeHandler: string): boolean;
}

export interface StartRequest {
  readonly pod: Pod;
  readonly container: Container | EphemeralContainer;
  readonly observed: ObservedPod;
  readonly sandboxId: string;
  readonly sandboxConfig: PodSandboxConfig;
  readonly runtimeHandler?: string;
  readonly restartCount: number;
  readonly signal: AbortSignal;
}

// Without the wrapping of gRPC, as events and statuses say it.
const runtimeWords = (error: unknown): string => (error instanceof RuntimeError ? error.details : messageOf(error));

export class ContainerStarter {
  readonly #o: StarterOptions;

  constructor(options: StarterOptions) {
    this.#o = options;
  }

  /** Rejects with StartError, or with the signal's reason. */
  async start(request: StartRequest): Promise<void> {
    const { pod, container, signal } = request;
    const failed = (reason: string, message: string) => {
      this.#o.events.container(pod, container, 'Warning', 'Failed', `Error: ${message}`);
      return new StartError(reason, message);
    };
    let image: Image;
    try {
      image = await this.#image(request);
    } catch (error) {
      if (signal.aborted || !(error instanceof ImageError)) throw error;
      this.#o.events.container(pod, container, 'Warning', 'Failed', `Error: ${error.reason}`);
      throw new StartError(error.reason, error.message, error.retryInMs);
    }
    let config: ContainerConfig;
    try {
      config = await this.#configure(request, image);
    } catch (error) {
      if (signal.aborted) throw error;
      throw failed('CreateContainerConfigError', messageOf(error));
    }
    await this.#run(request, config, failed);
  }

  async #run(
    request: StartRequest,
    config: ContainerConfig,
    failed: (reason: string, message: string) => StartError,
  ): Promise<void> {
    const { pod, container, sandboxId, sandboxConfig, signal } = request;
    const { runtime, events, cache } = this.#o;
    const { uid } = pod.metadata;
    let id: string;
    try {
      id = await cache.making(identityOf(pod), async () => {
        const request = { pod_sandbox_id: sandboxId, config, sandbox_config: sandboxConfig };
        const created = await runtime.CreateContainer(request, { signal });
        return created.container_id ?? '';
      });
    } catch (error) {
      if (signal.aborted) throw error;
      throw failed('CreateContainerError', runtimeWords(error));
    }
    events.container(pod, container, 'Normal', 'Created', 'Container created');
    try {
      // What is to end would only have to be stopped again, with all of its grace period.
      signal.throwIfAborted();
      await runtime.StartContainer({ container_id: id }, { signal });
    } catch (error) {
      if (signal.aborted) throw error;
      await cache.lookAtContainer(uid, id, sandboxId);
      throw failed('RunContainerError', runtimeWords(error));
    }
    events.container(pod, container, 'Normal', 'Started', 'Container started');
    await Promise.all([cache.lookAtContainer(uid, id, sandboxId), this.#linkLog(pod, container.name, id, config)]);
    if (container.lifecycle?.postStart) await this.#postStart(request, id, signal);
  }

  async #postStart(
    { pod, container, observed, sandboxId }: StartRequest,
    id: string,
    signal: AbortSignal,
  ): Promise<void> {
    const podIp = observed.sandboxes[0]?.ips[0] ?? this.#o.hostIps[0] ?? '';
    const target = { pod, container: container as Container, containerId: id, podIp };
    try {
      await runHook(this.#o.hooks, container.lifecycle!.postStart!, target, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      const message = messageOf(error);
      this.#o.log.warn('postStart hook failed', { pod: pod.metadata.name, container: container.name, error: message });
      this.#o.events.container(pod, container, 'Warning', 'FailedPostStartHook', 'PostStartHook failed');
      await this.#o.killer.kill({
        pod,
        observed: {
          ...(latestContainer(observed, container.name) ?? emptyContainer),
          id,
          name: container.name,
          state: 'running',
        },
        podIp,
        reason: 'unknown',
        message: 'FailedPostStartHook',
        signal,
      });
      await this.#o.cache.lookAtContainer(pod.metadata.uid, id, sandboxId);
      throw new StartError('PostStartHookError', message);
    }
  }

  async #image(request: StartRequest): Promise<Image> {
    const { pod, container, sandboxConfig, signal, runtimeHandler } = request;
    const keyrings = await this.#keyrings(pod);
    const common = { pod, keyrings, sandboxConfig, signal, ...(runtimeHandler ? { runtimeHandler } : {}) };
    await this.#imageVolumes(request, keyrings);
    return this.#o.images.ensure({ ...common, container: container as Container });
  }

  /** Images that are mounted as volumes must be there before the container is made. */
  async #imageVolumes(request: StartRequest, keyrings: readonly Keyring[]): Promise<void> {
    const { pod, container, sandboxConfig, signal } = request;
    for (const mount of container.volumeMounts ?? []) {
      const source = pod.spec.volumes?.find(v => v.name === mount.name)?.image;
      if (!source?.reference) continue;
      const asContainer: Container = {
        name: container.name,
        image: source.reference,
        ...(source.pullPolicy ? { imagePullPolicy: source.pullPolicy } : {}),
      };
      await this.#o.images.ensure({ pod, container: asContainer, keyrings, sandboxConfig, signal });
    }
  }

  async #keyrings(pod: Pod): Promise<readonly Keyring[]> {
    const out: Keyring[] = [];
    const missing: string[] = [];
    for (const { name } of pod.spec.imagePullSecrets ?? []) {
      if (!name) continue;
      try {
        const secret = await this.#o.objects.secret(pod, name);
        const key = secret?.type === 'kubernetes.io/dockercfg' ? '.dockercfg' : '.dockerconfigjson';
        const data = secret?.data?.[key];
        const source = { uid: secret?.metadata.uid ?? '', namespace: pod.metadata.namespace ?? '', name };
        if (data) out.push(keyringOf(secret?.type, new TextDecoder().decode(decodeBase64(data)), source));
        else missing.push(name);
      } catch {
        missing.push(name);
      }
    }
    if (missing.length)
      this.#o.events.pod(
        pod,
        'Warning',
        'FailedToRetrieveImagePullSecret',
        `Unable to retrieve some image pull secrets (${missing.join(', ')}); attempting to pull the image may not succeed.`,
      );
    return out;
  }

  async #configure(request: StartRequest, image: Image): Promise<ContainerConfig> {
    const { pod, observed, restartCount } = request;
    const container = request.container as Container;
    const o = this.#o;
    const uid = pod.metadata.uid ?? '';
    const user: ImageUser = {
      ...(image.uid ? { uid: image.uid.value ?? 0 } : {}),
      ...(image.username ? { username: image.username } : {}),
    };
    verifyNonRoot(pod, container, user);
    const podIps = pod.spec.hostNetwork ? o.hostIps : (observed.sandboxes[0]?.ips ?? []);
    const env = await this.#env(pod, container, podIps);
    // As of the sandbox that the container joins.
    const users = request.sandboxConfig.linux?.security_context?.namespace_options?.userns_options?.uids?.[0];
    const mounts = await containerMounts({
      host: o.host,
      paths: o.paths,
      pod,
      container,
      volumes: o.volumes.mounted(uid),
      env,
      podIps,
      hostname: podHostname(pod, o.clusterDomain),
      recursiveReadOnly: o.recursiveReadOnly(request.runtimeHandler ?? ''),
      users,
      unique: randomUuid(o.random).slice(0, 8),
    });
    await o.host.makeDirectory(join(request.sandboxConfig.log_directory ?? '', container.name), 0o755);
    const target = (request.container as EphemeralContainer).targetContainerName;
    const targetId = target ? latestContainer(observed, target)?.id : undefined;
    const devices = await o.devices?.options(pod, container);
    const config = containerConfig({
      ...o.security,
      pod,
      container,
      users,
      restartCount,
      image: user,
      imageRef: image.id ?? container.image ?? '',
      env,
      mounts,
      devices: volumeDevices(container, o.volumes.mounted(uid)),
      volumeGroups: o.volumes.groups(uid),
      ...(targetId ? { targetId } : {}),
      ...o.resources,
    });
    const whole = withDevices(config, devices);
    return o.managers?.placed(whole, pod, container) ?? whole;
  }

  async #env(pod: Pod, container: Container, podIps: readonly string[]) {
    const maps = new Map<string, ConfigMap | undefined>();
    const secrets = new Map<string, Secret | undefined>();
    for (const e of container.envFrom ?? []) {
      if (e.configMapRef?.name) maps.set(e.configMapRef.name, undefined);
      if (e.secretRef?.name) secrets.set(e.secretRef.name, undefined);
    }
    for (const e of container.env ?? []) {
      const from = e.valueFrom;
      if (from?.configMapKeyRef?.name) maps.set(from.configMapKeyRef.name, undefined);
      if (from?.secretKeyRef?.name) secrets.set(from.secretKeyRef.name, undefined);
    }
    await Promise.all([
      ...[...maps.keys()].map(async name => maps.set(name, await this.#o.objects.configMap(pod, name))),
      ...[...secrets.keys()].map(async name => secrets.set(name, await this.#o.objects.secret(pod, name))),
    ]);
    const files = await this.#envFiles(pod, container);
    const services = await this.#services();
    return makeEnv({
      pod,
      container,
      serviceEnv: serviceEnv(services, pod.metadata.namespace ?? '', pod.spec.enableServiceLinks ?? true),
      node: { hostIps: this.#o.hostIps, podIps },
      allocatable: this.#o.allocatable(),
      configMap: name => maps.get(name),
      secret: name => secrets.get(name),
      file: (volume, path) => files.get(`${volume}/${path}`),
    });
  }

  async #envFiles(pod: Pod, container: Container): Promise<ReadonlyMap<string, string>> {
    const out = new Map<string, string>();
    const mounted = this.#o.volumes.mounted(pod.metadata.uid ?? '');
    for (const e of container.env ?? []) {
      const ref = e.valueFrom?.fileKeyRef;
      const base = ref && mounted.get(ref.volumeName)?.path;
      if (!ref || !base || ref.path.split('/').includes('..')) continue;
      const text = await this.#o.host.readWithin(base, ref.path);
      if (text !== undefined) out.set(`${ref.volumeName}/${ref.path}`, text);
    }
    return out;
  }

  async #services(): Promise<readonly KubeService[]> {
    // A container that starts before services are known would lack variables for its whole life.
    if (!this.#o.services.synced)
      throw new ConfigError('services have not yet been read at least once, cannot construct envvars');
    return this.#o.services.lister.list();
  }

  async #linkLog(pod: Pod, name: string, id: string, config: ContainerConfig): Promise<void> {
    const dir = this.#o.containerLogsDirectory;
    if (!dir) return;
    const { metadata } = pod;
    const target = join(
      this.#o.paths.podLogs({
        namespace: metadata.namespace ?? '',
        name: metadata.name ?? '',
        uid: metadata.uid ?? '',
      }),
      config.log_path ?? '',
    );
    const link = join(dir, `${metadata.name}_${metadata.namespace}_${name}-${id}.log`);
    try {
      await this.#o.host.makeDirectory(dir, 0o755);
      await this.#o.host.symlink(target, link);
    } catch (error) {
      this.#o.log.warn('linking a container log failed', { link, error: messageOf(error) });
    }
  }
}

const emptyContainer = {
  id: '',
  sandboxId: '',
  name: '',
  state: 'running' as const,
  createdAtMs: 0,
  startedAtMs: 0,
  finishedAtMs: 0,
  exitCode: 0,
  reason: '',
  message: '',
  hash: '',
  restartCount: 0,
  image: '',
  imageRef: '',
  logPath: '',
  terminationMessagePath: '',
  terminationMessagePolicy: 'File',
};
