import type { Clock } from '../base/clock.ts';
import { aborted } from '../base/lifecycle.ts';
import type { Random } from '../base/random.ts';
import type { ContainerRuntime, RuntimeEvent } from './runtime.ts';
import { RuntimeError } from './runtime-error.ts';
import { annotatedBehaviour, type ContainerBehaviour, nanoseconds, SimulatedContainer } from './simulated-container.ts';
import { type SimulatedImageOptions, SimulatedImages } from './simulated-image.ts';
import { SandboxAddresses } from './simulated-network.ts';
import { containerStats, sandboxStats } from './simulated-stats.ts';
import type * as cri from './type.ts';

export interface SimulatedRuntimeOptions extends SimulatedImageOptions {
  readonly random: Random;
  /** By container; an annotation (behaviourAnnotation) wins over it. */
  readonly behaviour?: (container: cri.ContainerConfig, sandbox: cri.PodSandboxConfig) => ContainerBehaviour;
  /** Whether containers' log files are written to disk; false unless told. */
  readonly writesLogs?: boolean;
  /** Ranges of sandbox addresses, comma-separated; UpdateRuntimeConfig changes them. */
  readonly podCidr?: string;
  /** What it says of its handlers; unless told, that its own can do everything. */
  readonly handlers?: readonly cri.RuntimeHandler[];
}

const able: cri.RuntimeHandler = { name: '', features: { recursive_read_only_mounts: true, user_namespaces: true } };

interface Sandbox {
  readonly id: string;
  readonly config: cri.PodSandboxConfig;
  readonly handler: string;
  readonly createdAt: number;
  readonly ips: readonly string[];
  readonly slot: number;
  state: cri.PodSandboxState;
}

/** With what only a simulated one knows. */
export interface SimulatedContainerRuntime extends ContainerRuntime {
  /** Whether a request to a pod's address fails, as its behaviour says. */
  refuses(address: string, port: number, path?: string): boolean;
}

/** A container runtime in memory: as deterministic as its clock and random source, and as fast as they allow. */
export function simulatedRuntime(options: SimulatedRuntimeOptions): SimulatedContainerRuntime {
  const images = new SimulatedImages(options);
  const refuse = (name: string) => async () => {
    throw new RuntimeError(name, 'Unimplemented', `method ${name} not implemented`);
  };
  const methods: Record<string, unknown> = Object.fromEntries(unimplemented.map(name => [name, refuse(name)]));
  for (const name of imageMethods) methods[name] = images[name].bind(images);
  return Object.assign(new SimulatedRuntime(options, images), methods) as unknown as SimulatedContainerRuntime;
}

const imageMethods = ['PullImage', 'ImageStatus', 'ListImages', 'RemoveImage', 'ImageFsInfo'] as const;
const unimplemented = (
  'StreamPodSandboxes StreamContainers StreamContainerStats StreamPodSandboxStats StreamPodSandboxMetrics ' +
  'StreamImages Exec Attach PortForward CheckpointContainer GetContainerEvents ListMetricDescriptors ' +
  'ListPodSandboxMetrics RuntimeConfig'
).split(' ');

class SimulatedRuntime implements Partial<ContainerRuntime> {
  readonly endpoint = 'simulated';
  readonly #options: SimulatedRuntimeOptions;
  readonly #clock: Clock;
  readonly #sandboxes = new Map<string, Sandbox>();
  readonly #containers = new Map<string, SimulatedContainer>();
  readonly #bySandbox = new Map<string, Set<SimulatedContainer>>();
  readonly #names = new Map<string, string>();
  readonly #images: SimulatedImages;
  readonly #watchers = new Set<(event: RuntimeEvent) => void>();
  readonly #addresses: SandboxAddresses;

  constructor(options: SimulatedRuntimeOptions, images: SimulatedImages) {
    this.#options = options;
    this.#images = images;
    this.#clock = options.clock;
    this.#addresses = new SandboxAddresses(options.podCidr ?? '10.88.0.0/16');
  }

  async watchEvents(
    handler: { onEvent(event: RuntimeEvent): void; onGap(): void },
    signal: AbortSignal,
  ): Promise<void> {
    const watcher = (event: RuntimeEvent) => handler.onEvent(event);
    this.#watchers.add(watcher);
    handler.onGap();
    await aborted(signal);
    this.#watchers.delete(watcher);
  }

  close(): void {
    this.#watchers.clear();
  }

  async Version(): Promise<cri.VersionResponse> {
    return { version: '0.1.0', runtime_name: 'simulated', runtime_version: '1.0.0', runtime_api_version: 'v1' };
  }

  async Status(): Promise<cri.StatusResponse> {
    const conditions = ['RuntimeReady', 'NetworkReady'].map(type => ({ type, status: true, reason: '', message: '' }));
    return {
      status: { conditions },
      info: {},
      runtime_handlers: [...(this.#options.handlers ?? [able])],
      features: { supplemental_groups_policy: true },
    };
  }

  async UpdateRuntimeConfig(request: cri.UpdateRuntimeConfigRequest): Promise<cri.UpdateRuntimeConfigResponse> {
    const range = request.runtime_config?.network_config?.pod_cidr;
    if (range) this.#addresses.podCidr = range;
    return {};
  }

  async RunPodSandbox(request: cri.RunPodSandboxRequest): Promise<cri.RunPodSandboxResponse> {
    const config = request.config ?? {};
    const { name, namespace, uid, attempt = 0 } = config.metadata ?? {};
    const id = this.#newId();
    this.#reserve('RunPodSandbox', 'sandbox', `${name}_${namespace}_${uid}_${attempt}`, id);
    const onHost = config.linux?.security_context?.namespace_options?.network === 'NODE';
    const { slot, ips } = onHost ? { slot: 0, ips: [] } : this.#addresses.take();
    this.#sandboxes.set(id, {
      id,
      config,
      handler: request.runtime_handler ?? '',
      createdAt: nanoseconds(this.#clock),
      ips,
      slot,
      state: 'SANDBOX_READY',
    });
    this.#bySandbox.set(id, new Set());
    this.#emit('started', id);
    return { pod_sandbox_id: id };
  }

  async StopPodSandbox(request: cri.StopPodSandboxRequest): Promise<cri.StopPodSandboxResponse> {
    const sandbox = this.#sandboxes.get(request.pod_sandbox_id ?? '');
    if (!sandbox) return {};
    for (const container of this.#bySandbox.get(sandbox.id)!) await container.stop(0);
    if (sandbox.state === 'SANDBOX_NOTREADY') return {};
    sandbox.state = 'SANDBOX_NOTREADY';
    this.#addresses.release(sandbox.slot);
    this.#emit('exited', sandbox.id);
    this.#emit('deleted', sandbox.id);
    return {};
  }

  async RemovePodSandbox(request: cri.RemovePodSandboxRequest): Promise<cri.RemovePodSandboxResponse> {
    const sandbox = this.#sandboxes.get(request.pod_sandbox_id ?? '');
    if (!sandbox) return {};
    await this.StopPodSandbox(request);
    for (const container of this.#bySandbox.get(sandbox.id)!)
      await this.RemoveContainer({ container_id: container.id });
    this.#sandboxes.delete(sandbox.id);
    this.#bySandbox.delete(sandbox.id);
    this.#release(sandbox.id);
    return {};
  }

  async PodSandboxStatus(request: cri.PodSandboxStatusRequest): Promise<cri.PodSandboxStatusResponse> {
    const sandbox = this.#sandbox('PodSandboxStatus', request.pod_sandbox_id);
    const [ip = '', ...more] = sandbox.ips;
    return {
      status: {
        ...listedSandbox(sandbox),
        network: { ip, additional_ips: more.map(other => ({ ip: other })) },
        linux: { namespaces: { options: sandbox.config.linux?.security_context?.namespace_options } },
      },
      info: {},
      containers_statuses: [],
    };
  }

  async ListPodSandbox(request: cri.ListPodSandboxRequest = {}): Promise<cri.ListPodSandboxResponse> {
    const { id, state, label_selector: labels } = request.filter ?? {};
    const items: cri.PodSandbox[] = [];
    for (const sandbox of candidates(this.#sandboxes, id)) {
      if (state && sandbox.state !== (state.state ?? 'SANDBOX_READY')) continue;
      if (hasLabels(sandbox.config.labels, labels)) items.push(listedSandbox(sandbox));
    }
    return { items };
  }

  async CreateContainer(request: cri.CreateContainerRequest): Promise<cri.CreateContainerResponse> {
    const sandbox = this.#sandbox('CreateContainer', request.pod_sandbox_id);
    const config = request.config ?? {};
    const wanted = config.image?.image ?? '';
    const image = this.#images.find(wanted);
    if (!image) throw new RuntimeError('CreateContainer', 'NotFound', `failed to resolve image "${wanted}": not found`);
    const id = this.#newId();
    const { name, attempt = 0 } = config.metadata ?? {};
    const pod = sandbox.config.metadata ?? {};
    const reserved = `${name}_${pod.name}_${pod.namespace}_${pod.uid}_${attempt}`;
    const behaviour =
      annotatedBehaviour(config, sandbox.config) ?? this.#options.behaviour?.(config, sandbox.config) ?? {};
    if (behaviour.createDelayMs) await this.#clock.sleep(behaviour.createDelayMs);
    if (behaviour.createError !== undefined)
      throw new RuntimeError('CreateContainer', 'Unknown', behaviour.createError);
    this.#reserve('CreateContainer', 'container', reserved, id);
    const container = new SimulatedContainer(
      {
        clock: this.#clock,
        writesLogs: this.#options.writesLogs ?? false,
        emit: (type, ofId) => this.#emit(type, ofId),
      },
      id,
      sandbox,
      { config, imageRef: image.repo_digests?.[0] ?? image.id!, behaviour },
    );
    this.#containers.set(id, container);
    this.#bySandbox.get(sandbox.id)!.add(container);
    return { container_id: id };
  }

  async StartContainer(request: cri.StartContainerRequest): Promise<cri.StartContainerResponse> {
    const container = this.#container('StartContainer', request.container_id);
    if (this.#sandboxes.get(container.sandboxId)?.state !== 'SANDBOX_READY')
      throw new RuntimeError('StartContainer', 'Unknown', `sandbox container "${container.sandboxId}" is not running`);
    await container.start();
    return {};
  }

  async StopContainer(request: cri.StopContainerRequest): Promise<cri.StopContainerResponse> {
    await this.#containers.get(request.container_id ?? '')?.stop((request.timeout ?? 0) * 1000);
    return {};
  }

  async RemoveContainer(request: cri.RemoveContainerRequest): Promise<cri.RemoveContainerResponse> {
    const container = this.#containers.get(request.container_id ?? '');
    if (!container) return {};
    await container.stop(0);
    this.#containers.delete(container.id);
    this.#bySandbox.get(container.sandboxId)?.delete(container);
    this.#release(container.id);
    return {};
  }

  refuses(address: string, port: number, path?: string): boolean {
    for (const sandbox of this.#sandboxes.values()) {
      if (sandbox.state !== 'SANDBOX_READY' || !sandbox.ips.includes(address)) continue;
      const containers = [...this.#bySandbox.get(sandbox.id)!].filter(c => c.state === 'CONTAINER_RUNNING');
      return containers.map(c => c.refuses(port, path)).find(r => r !== undefined) ?? false;
    }
    return false;
  }

  async ContainerStatus(request: cri.ContainerStatusRequest): Promise<cri.ContainerStatusResponse> {
    return { status: this.#container('ContainerStatus', request.container_id).status(), info: {} };
  }

  async ListContainers(request: cri.ListContainersRequest = {}): Promise<cri.ListContainersResponse> {
    const containers = this.#filtered(request.filter).map(c => ({
      id: c.id,
      pod_sandbox_id: c.sandboxId,
      metadata: c.config.metadata,
      image: c.config.image,
      image_ref: c.imageRef,
      state: c.state,
      created_at: c.createdAt,
      labels: c.config.labels ?? {},
      annotations: c.config.annotations ?? {},
    }));
    return { containers };
  }

  async UpdateContainerResources(
    request: cri.UpdateContainerResourcesRequest,
  ): Promise<cri.UpdateContainerResourcesResponse> {
    this.#container('UpdateContainerResources', request.container_id);
    return {};
  }

  async UpdatePodSandboxResources(
    request: cri.UpdatePodSandboxResourcesRequest,
  ): Promise<cri.UpdatePodSandboxResourcesResponse> {
    this.#sandbox('UpdatePodSandboxResources', request.pod_sandbox_id);
    return {};
  }

  async ReopenContainerLog(request: cri.ReopenContainerLogRequest): Promise<cri.ReopenContainerLogResponse> {
    this.#container('ReopenContainerLog', request.container_id);
    return {};
  }

  async ExecSync(request: cri.ExecSyncRequest): Promise<cri.ExecSyncResponse> {
    return this.#container('ExecSync', request.container_id).exec(request.cmd ?? [], (request.timeout ?? 0) * 1000);
  }

  async ContainerStats(request: cri.ContainerStatsRequest): Promise<cri.ContainerStatsResponse> {
    return { stats: containerStats(this.#container('ContainerStats', request.container_id), nanoseconds(this.#clock)) };
  }

  async ListContainerStats(request: cri.ListContainerStatsRequest = {}): Promise<cri.ListContainerStatsResponse> {
    const running = this.#filtered(request.filter).filter(c => c.state === 'CONTAINER_RUNNING');
    const timestamp = nanoseconds(this.#clock);
    return { stats: running.map(c => containerStats(c, timestamp)) };
  }

  async PodSandboxStats(request: cri.PodSandboxStatsRequest): Promise<cri.PodSandboxStatsResponse> {
    const sandbox = this.#sandbox('PodSandboxStats', request.pod_sandbox_id);
    return { stats: this.#sandboxStats(sandbox) };
  }

  async ListPodSandboxStats(request: cri.ListPodSandboxStatsRequest = {}): Promise<cri.ListPodSandboxStatsResponse> {
    const { id, label_selector: labels } = request.filter ?? {};
    const chosen = [...candidates(this.#sandboxes, id)].filter(s => hasLabels(s.config.labels, labels));
    return { stats: chosen.map(s => this.#sandboxStats(s)) };
  }

  #sandboxStats(sandbox: Sandbox): cri.PodSandboxStats {
    return sandboxStats(sandbox, [...this.#bySandbox.get(sandbox.id)!], nanoseconds(this.#clock));
  }

  #emit(type: RuntimeEvent['type'], id: string): void {
    for (const watcher of this.#watchers) watcher({ type, id });
  }

  #newId(): string {
    return Buffer.from(this.#options.random.bytes(32)).toString('hex');
  }

  #reserve(method: string, kind: string, name: string, id: string): void {
    const holder = this.#names.get(name);
    if (holder !== undefined)
      throw new RuntimeError(
        method,
        'Unknown',
        `failed to reserve ${kind} name "${name}": name "${name}" is reserved for "${holder}"`,
      );
    this.#names.set(name, id);
    this.#names.set(id, name);
  }

  #release(id: string): void {
    this.#names.delete(this.#names.get(id) ?? '');
    this.#names.delete(id);
  }

  #sandbox(method: string, id = ''): Sandbox {
    const sandbox = this.#sandboxes.get(id);
    if (sandbox) return sandbox;
    throw new RuntimeError(method, 'NotFound', `an error occurred when try to find sandbox "${id}": not found`);
  }

  #container(method: string, id = ''): SimulatedContainer {
    const container = this.#containers.get(id);
    if (container) return container;
    throw new RuntimeError(method, 'NotFound', `an error occurred when try to find container "${id}": not found`);
  }

  #filtered(filter: cri.ContainerFilter & cri.ContainerStatsFilter = {}): SimulatedContainer[] {
    const { id, pod_sandbox_id: sandbox, state, label_selector: labels } = filter;
    const from = sandbox && !id ? (this.#bySandbox.get(sandbox) ?? []) : candidates(this.#containers, id);
    return [...from].filter(
      c =>
        (!sandbox || c.sandboxId === sandbox) &&
        (!state || c.state === (state.state ?? 'CONTAINER_CREATED')) &&
        hasLabels(c.config.labels, labels),
    );
  }
}

function candidates<T>(all: ReadonlyMap<string, T>, id: string | undefined): Iterable<T> {
  if (!id) return all.values();
  const one = all.get(id);
  return one ? [one] : [];
}

function hasLabels(labels: Readonly<Record<string, string>> = {}, wanted: Readonly<Record<string, string>> = {}) {
  for (const key of Object.keys(wanted)) if (labels[key] !== wanted[key]) return false;
  return true;
}

function listedSandbox(sandbox: Sandbox): cri.PodSandbox {
  const { metadata, labels = {}, annotations = {} } = sandbox.config;
  const { id, state, createdAt, handler } = sandbox;
  return { id, metadata, state, created_at: createdAt, labels, annotations, runtime_handler: handler };
}
