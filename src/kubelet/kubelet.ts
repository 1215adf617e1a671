// The kubelet as a whole: its parts, where pods come from, and the loops that keep the node.
import { join } from 'node:path';
import { coreV1 } from '../api/refs.ts';
import type { Service as KubeService, Node, Pod } from '../api/type/core-v1.ts';
import { aborted, runAll, type Service } from '../base/lifecycle.ts';
import { createEventRecorder } from '../client/event-recorder.ts';
import type { Informer } from '../client/informer.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import { noCgroups, type PodCgroups } from './cgroup.ts';
import { ContainerKiller } from './container-killer.ts';
import { ContainerStarter } from './container-starter.ts';
import { EvictionManager } from './eviction-manager.ts';
import type { Host } from './host/host.ts';
import { linuxHost } from './host/linux-host.ts';
import { ImageCollector } from './image-collector.ts';
import { ImageManager } from './image-manager.ts';
import { rejectionOf, resizeProblemOf } from './kernel/admission.ts';
import { defaultEvictionHard } from './kernel/eviction.ts';
import { latestContainer, type ObservedContainer, type ObservedPod } from './kernel/observed.ts';
import { type KubeletMetrics, kubeletMetrics } from './kubelet-metrics.ts';
import { LogRotation } from './log-rotation.ts';
import { globalAddresses, readMachine } from './node/machine.ts';
import { NodeLease } from './node/node-lease.ts';
import { NodeManager } from './node/node-manager.ts';
import { ObjectCache } from './object-cache.ts';
import type { KubeletOptions, MachineInfo } from './option.ts';
import { podEvents } from './pod-event.ts';
import { PodPaths } from './pod-path.ts';
import { PodWorker } from './pod-worker.ts';
import { linuxProbeNetwork } from './probe/linux-network.ts';
import { ProbeManager } from './probe/probe-manager.ts';
import { Prober } from './probe/prober.ts';
import { RuntimeCache } from './runtime-cache.ts';
import { SandboxStarter } from './sandbox-starter.ts';
import { fullNameOf, isMirror, isStatic, MirrorPods, StaticPodSource } from './static-pod.ts';
import { StatusManager } from './status-manager.ts';
import { TokenManager } from './token-manager.ts';
import { contentPlugins } from './volume/content-volumes.ts';
import { claimPlugin, csiPlugin, emptyDirPlugin, hostPathPlugin, imageVolumePlugin } from './volume/local-volumes.ts';
import { VolumeManager } from './volume/volume-manager.ts';
import type { WorkerContext } from './worker-context.ts';

/** A running kubelet, as its HTTPS server and the node agent see it. */
export interface Kubelet extends Service {
  readonly nodeName: string;
  readonly runtime: ContainerRuntime;
  /** Resolves when the node is registered and pods are taken on. */
  ready(): Promise<void>;
  /** Pods of this node with their newest status, static ones included. */
  pods(): readonly Pod[];
  /** By name; with `uid` only that very pod (a mirror pod's uid means its static pod). */
  pod(namespace: string, name: string, uid?: string): Pod | undefined;
  /** What the runtime says of a pod. */
  observed(pod: Pod): ObservedPod | undefined;
  /** The newest container of that name, or with `previous` the one before it. */
  container(pod: Pod, name: string, previous?: boolean): ObservedContainer | undefined;
  /** The ready sandbox, for port forwarding. */
  sandboxId(pod: Pod): string | undefined;
  readonly podLogsDirectory: string;
  readonly rootDirectory: string;
  node(): Node | undefined;
  /** What keeps the node from being ready; empty when nothing does. */
  problems(): readonly string[];
  readonly metrics: KubeletMetrics;
}

const probeTypes = { liveness: 'Liveness', readiness: 'Readiness', startup: 'Startup' } as const;
const probeResults = { success: 'successful', warning: 'successful', failure: 'failed', error: 'unknown' } as const;
const housekeepingMs = 10_000;
const relistSilenceMs = 180_000;

export function createKubelet(options: KubeletOptions): Kubelet {
  return new NodeKubelet(options);
}

interface Parts {
  readonly host: Host;
  readonly machine: MachineInfo;
  readonly cgroups: PodCgroups;
  readonly cache: RuntimeCache;
  readonly node: NodeManager;
  readonly statuses: StatusManager;
  readonly volumes: VolumeManager;
  readonly probes: ProbeManager;
  readonly objects: ObjectCache;
  readonly eviction: EvictionManager;
  readonly context: WorkerContext;
  readonly services: readonly Service[];
}

class NodeKubelet implements Kubelet {
  readonly name = 'kubelet';
  readonly #o: KubeletOptions;
  readonly #paths: PodPaths;
  readonly metrics: KubeletMetrics;
  readonly #ready = Promise.withResolvers<void>();
  readonly #workers = new Map<string, PodWorker>();
  /** API pods by uid, mirrors left out. */
  readonly #apiPods = new Map<string, Pod>();
  /** Mirror pods by namespace/name. */
  readonly #mirrors = new Map<string, Pod>();
  /** Static pods by uid. */
  readonly #statics = new Map<string, Pod>();
  #staticsRead: boolean;
  #parts: Parts | undefined;
  #mirrorPods: MirrorPods | undefined;
  readonly #podInformer: Informer<Pod>;
  readonly #serviceInformer: Informer<KubeService>;
  readonly #nodeInformer: Informer<Node>;
  #stopping = false;

  constructor(options: KubeletOptions) {
    this.metrics = kubeletMetrics(options.clock);
    this.#o = { ...options, runtime: this.metrics.counting(options.runtime) };
    this.#paths = new PodPaths({
      rootDirectory: options.rootDirectory ?? '/var/lib/kubelet',
      podLogsDirectory: options.podLogsDirectory ?? '/var/log/pods',
    });
    this.#staticsRead = !options.staticPodPath;
    // Asked for here, so that whoever runs the factory starts them at once.
    this.#podInformer = options.informers.informer(coreV1.pods, { fieldSelector: `spec.nodeName=${options.nodeName}` });
    this.#serviceInformer = options.informers.informer(coreV1.services);
    this.#nodeInformer = options.informers.informer(coreV1.nodes, {
      fieldSelector: `metadata.name=${options.nodeName}`,
    });
    this.#ready.promise.catch(() => {});
  }

  get nodeName(): string {
    return this.#o.nodeName;
  }

  get runtime(): ContainerRuntime {
    return this.#o.runtime;
  }

  get podLogsDirectory(): string {
    return this.#paths.logs;
  }

  get rootDirectory(): string {
    return this.#paths.root;
  }

  ready(): Promise<void> {
    return this.#ready.promise;
  }

  async run(signal: AbortSignal): Promise<void> {
    try {
      const parts = await this.#assemble();
      this.#parts = parts;
      await parts.cgroups.prepare();
      await parts.host.makeDirectory(this.#paths.pods, 0o750);
      await parts.node.checkRuntime();
      await parts.cache.relist();
      await runAll(parts.services, signal);
    } catch (error) {
      this.#ready.reject(error);
      throw error;
    } finally {
      await this.#stop();
    }
    this.#ready.reject(new Error('the kubelet was stopped'));
  }

  async #stop(): Promise<void> {
    this.#stopping = true;
    this.#parts?.probes.stop();
    await Promise.all([...this.#workers.values()].map(w => w.stop()));
    this.#parts?.statuses.stop();
    this.#parts?.objects.stop();
  }

  // ---- composition ----

  async #assemble(): Promise<Parts> {
    const o = this.#o;
    const { client, runtime, clock, random, log, nodeName } = o;
    const host = o.host ?? linuxHost();
    const paths = this.#paths;
    await host.makeDirectory(paths.root, 0o755);
    await host.makeShared(paths.root);
    const machine = o.machine ?? (await readMachine(paths.root));
    if ((o.failSwapOn ?? true) && machine.swapBytes > 0)
      throw new Error('running with swap on is not supported, please disable swap or set --fail-swap-on flag to false');
    const recorder =
      o.events ?? createEventRecorder(client, { component: 'kubelet', host: nodeName, clock, random, log });
    const events = podEvents(recorder);
    const hostIps = o.nodeIps?.length ? o.nodeIps : globalAddresses();
    const cgroups = o.cgroups ?? noCgroups;
    const network = o.probeNetwork ?? linuxProbeNetwork(clock);
    const cache = new RuntimeCache({ runtime, clock, log, relistMs: o.relistMs ?? 5000 });
    cache.onChange(uid => this.#runtimeChanged(uid));
    const statuses = new StatusManager({ client, clock, log, apiPod: uid => this.#apiPod(uid) });
    const objects = new ObjectCache({ client, clock, log, onChange: uid => this.#objectChanged(uid) });
    const tokens = new TokenManager({ client, clock, random, log });
    const thresholds = o.evictionHard ?? defaultEvictionHard;
    const node: NodeManager = new NodeManager({
      nodeName,
      client,
      runtime,
      clock,
      log,
      events: recorder,
      machine,
      maxPods: o.maxPods ?? 110,
      reserved: [o.systemReserved ?? {}, o.kubeReserved ?? {}],
      evictionHard: thresholds,
      nodeIps: hostIps,
      hostname: o.hostname ?? nodeName,
      labels: o.nodeLabels ?? {},
      annotations: o.nodeAnnotations ?? {},
      taints: o.registerWithTaints ?? [],
      schedulable: o.registerSchedulable ?? true,
      providerId: o.providerId,
      port: o.port ?? 10250,
      version: o.version ?? 'v1.36.2',
      updateMs: o.nodeStatusUpdateMs ?? 10_000,
      reportMs: o.nodeStatusReportMs ?? 300_000,
      pressure: () => eviction.pressure,
      problems: () => this.#relistProblems(cache),
    });
    const plugins = [
      emptyDirPlugin(host, machine.memoryBytes),
      ...contentPlugins({
        host,
        clock,
        objects,
        tokens,
        nodeFields: pod => ({
          hostIps,
          podIps: pod.spec.hostNetwork ? hostIps : (cache.get(pod.metadata.uid ?? '')?.sandboxes[0]?.ips ?? []),
        }),
        allocatable: () => node.allocatable,
      }),
      hostPathPlugin(host),
      imageVolumePlugin,
      csiPlugin,
      claimPlugin(client, host),
    ];
    const volumes = new VolumeManager({ host, clock, log, events, paths, plugins });
    const images = new ImageManager({ runtime, clock, events, parallelPulls: o.parallelImagePulls ?? 5 });
    const hooks = { runtime, network, clock, events };
    const killer = new ContainerKiller({ runtime, clock, log, events, hooks });
    const security = {
      seccompRoot: paths.seccomp,
      appArmor: (await host.readFile('/sys/module/apparmor/parameters/enabled'))?.startsWith('Y') ?? false,
      seccompDefault: o.seccompDefault ?? false,
    };
    const probes = new ProbeManager({
      prober: new Prober(runtime, network),
      clock,
      random,
      events,
      hostIps,
      onVerdict: uid => this.#workers.get(uid)?.wake(),
      onProbe: (pod, container, kind, result, seconds) =>
        this.metrics.probed(pod, container, probeTypes[kind], probeResults[result], seconds),
    });
    const sandboxes = new SandboxStarter({
      runtime,
      client,
      host,
      log,
      events,
      paths,
      cgroups,
      security,
      clusterDns: o.clusterDns,
      clusterDomain: o.clusterDomain,
      resolvConf: o.resolvConf ?? '/etc/resolv.conf',
    });
    const starter = new ContainerStarter({
      runtime,
      host,
      clock,
      random,
      log,
      events,
      paths,
      images,
      objects,
      volumes,
      services: this.#serviceInformer,
      killer,
      hooks,
      security,
      hostIps,
      clusterDomain: o.clusterDomain,
      memoryBytes: machine.memoryBytes,
      cgroupVersion: cgroups.version,
      enforceCpuQuota: o.enforceCpuQuota ?? true,
      containerLogsDirectory: o.containerLogsDirectory,
      allocatable: () => node.allocatable,
      recursiveReadOnly: handler => node.handlerFeatures(handler)?.recursive_read_only_mounts ?? false,
    });
    const collector = new ImageCollector({
      runtime,
      images,
      host,
      clock,
      log,
      events: recorder,
      nodeName,
      highPercent: o.imageGcHighPercent ?? 85,
      lowPercent: o.imageGcLowPercent ?? 80,
    });
    const eviction = new EvictionManager({
      ...(o.upkeepMs === undefined ? {} : { everyMs: o.upkeepMs }),
      runtime,
      host,
      clock,
      log,
      events,
      paths,
      thresholds,
      ...(o.evictionSignals ? { signals: o.evictionSignals } : {}),
      memoryBytes: machine.memoryBytes,
      activePods: () => this.#activePods(),
      evict: async (pod, verdict, grace) => this.#workers.get(pod.metadata.uid ?? '')?.fail(verdict, grace),
      reclaimDisk: () => collector.collect(true),
      onPressure: () => node.hasten(),
      onEviction: signal => this.metrics.evicted(signal),
    });
    const admission = (pod: Pod) => ({
      pod,
      others: this.#activePods().filter(p => p.metadata.uid !== pod.metadata.uid),
      allocatable: node.allocatable,
      node: newest(node.node, this.#nodeInformer.lister.get(o.nodeName)),
      operatingSystem: machine.operatingSystem,
      unsafeSysctls: o.allowedUnsafeSysctls ?? [],
    });
    const context: WorkerContext = {
      runtime,
      get runtimeName() {
        return node.runtimeName;
      },
      clock,
      log,
      host,
      paths,
      events,
      cache,
      cgroups,
      sandboxes,
      starter,
      killer,
      probes,
      volumes,
      statuses,
      images,
      objects,
      tokens,
      hostIps,
      memoryBytes: machine.memoryBytes,
      containerLogsDirectory: o.containerLogsDirectory,
      maxContainerBackOffMs: o.maxContainerBackOffMs ?? 300_000,
      networkError: () => node.networkError(),
      rejection: pod => rejectionOf(admission(pod)),
      resizeProblem: pod => resizeProblemOf(admission(pod)),
      metrics: this.metrics,
      onGone: uid => this.#gone(uid),
    };
    this.#mirrorPods = new MirrorPods({ client, log, node: () => node.node });
    const rotation = new LogRotation({
      ...(o.upkeepMs === undefined ? {} : { everyMs: o.upkeepMs }),
      runtime,
      cache,
      host,
      clock,
      log,
      maxBytes: o.containerLogMaxSizeBytes ?? 10 * 2 ** 20,
      maxFiles: o.containerLogMaxFiles ?? 5,
    });
    const lease = new NodeLease({ client, clock, log, nodeName, durationSeconds: o.leaseDurationSeconds ?? 40 });
    const loop = (name: string, run: (signal: AbortSignal) => Promise<void>): Service => ({ name, run });
    const services = [
      loop('runtime', s => cache.run(s)),
      loop('node', async s => {
        node.announce();
        if (o.registerNode ?? true) await node.register(s);
        this.#ready.resolve();
        await node.run(s);
      }),
      loop('lease', s => lease.run(s)),
      loop('pods', s => this.#takePods(s)),
      loop('static pods', s => this.#takeStatics(host, s)),
      loop('housekeeping', s => this.#housekeeping(s)),
      loop('logs', s => rotation.run(s)),
      loop('images', s => collector.run(s)),
      loop('eviction', s => eviction.run(s)),
    ];
    return { host, machine, cgroups, cache, node, statuses, volumes, probes, objects, eviction, context, services };
  }

  // ---- where pods come from ----

  async #takePods(signal: AbortSignal): Promise<void> {
    const remove = this.#podInformer.addHandler({
      onAdd: pod => this.#seen(pod),
      onUpdate: (pod, old) => {
        if (pod.metadata.uid !== old.metadata.uid) this.#lost(old);
        this.#seen(pod);
      },
      onDelete: pod => this.#lost(pod),
    });
    await aborted(signal);
    remove();
  }

  #seen(pod: Pod): void {
    if (isMirror(pod)) {
      this.#mirrors.set(fullNameOf(pod), pod);
      const own = this.#staticOf(pod);
      if (own) this.#parts?.statuses.reconcile(own.metadata.uid ?? '');
      void this.#ensureMirror(fullNameOf(pod));
      return;
    }
    const uid = pod.metadata.uid ?? '';
    this.#apiPods.set(uid, pod);
    this.#worker(uid)?.update(pod);
    this.#parts?.statuses.reconcile(uid);
  }

  #lost(pod: Pod): void {
    if (isMirror(pod)) {
      if (this.#mirrors.get(fullNameOf(pod))?.metadata.uid === pod.metadata.uid) this.#mirrors.delete(fullNameOf(pod));
      void this.#ensureMirror(fullNameOf(pod));
      return;
    }
    const uid = pod.metadata.uid ?? '';
    this.#apiPods.delete(uid);
    this.#workers.get(uid)?.remove();
  }

  #worker(uid: string): PodWorker | undefined {
    const parts = this.#parts;
    if (!parts || this.#stopping) return undefined;
    let worker = this.#workers.get(uid);
    if (!worker) {
      worker = new PodWorker(uid, parts.context);
      this.#workers.set(uid, worker);
    }
    return worker;
  }

  #gone(uid: string): void {
    this.#workers.delete(uid);
    const again = this.#apiPods.get(uid) ?? this.#statics.get(uid);
    if (again) this.#worker(uid)?.update(again);
  }

  #apiPod(uid: string): Pod | undefined {
    const pod = this.#apiPods.get(uid);
    if (pod) return pod;
    const own = this.#statics.get(uid) ?? this.#workers.get(uid)?.pod;
    return own && isStatic(own) ? this.#mirrors.get(fullNameOf(own)) : undefined;
  }

  #staticOf(mirror: Pod): Pod | undefined {
    const name = fullNameOf(mirror);
    for (const pod of this.#statics.values()) if (fullNameOf(pod) === name) return pod;
    return undefined;
  }

  async #takeStatics(host: Host, signal: AbortSignal): Promise<void> {
    const { staticPodPath, clock, log, nodeName } = this.#o;
    if (!staticPodPath) return aborted(signal);
    const source = new StaticPodSource({
      host,
      clock,
      log,
      path: staticPodPath,
      nodeName,
      onChange: pods => this.#staticsChanged(pods),
    });
    await source.read();
    this.#staticsRead = true;
    await source.run(signal);
  }

  #staticsChanged(pods: readonly Pod[]): void {
    const now = new Map(pods.map(p => [p.metadata.uid ?? '', p]));
    for (const [uid, old] of this.#statics) {
      if (now.has(uid)) continue;
      this.#statics.delete(uid);
      this.#workers.get(uid)?.remove();
      void this.#ensureMirror(fullNameOf(old));
    }
    for (const [uid, pod] of now) {
      this.#statics.set(uid, pod);
      this.#worker(uid)?.update(pod);
      void this.#ensureMirror(fullNameOf(pod));
    }
  }

  /** A mirror for each static pod, none without one. */
  async #ensureMirror(fullName: string): Promise<void> {
    const mirror = this.#mirrors.get(fullName);
    const pod = [...this.#statics.values()].find(p => fullNameOf(p) === fullName);
    const mirrors = this.#mirrorPods;
    if (!mirrors || this.#stopping) return;
    try {
      if (pod) await mirrors.ensure(pod, mirror);
      else if (mirror && this.#staticsRead) await mirrors.remove(mirror);
    } catch (error) {
      this.#o.log.warn('mirror pod', { pod: fullName, error });
    }
  }

  // ---- what changes ----

  #runtimeChanged(uid: string): void {
    const worker = this.#workers.get(uid);
    if (!worker) return;
    worker.publish();
    worker.wake();
  }

  #objectChanged(uid: string): void {
    this.#parts?.volumes.hasten(uid);
    this.#workers.get(uid)?.hasten();
  }

  #activePods(): readonly Pod[] {
    return [...this.#workers.values()].filter(w => w.active).map(w => w.granted!);
  }

  async #housekeeping(signal: AbortSignal): Promise<void> {
    await this.#podInformer.whenSynced(signal).catch(() => {});
    while (!signal.aborted) {
      if (this.#staticsRead) await this.#cleanUp().catch(error => this.#o.log.warn('housekeeping failed', { error }));
      for (const pod of this.#statics.values()) void this.#ensureMirror(fullNameOf(pod));
      for (const name of this.#mirrors.keys()) void this.#ensureMirror(name);
      await this.#o.clock.sleep(this.#o.upkeepMs ?? housekeepingMs, signal).catch(() => {});
    }
  }

  /** Ends and removes what belongs to no pod any more: containers, directories, cgroups. */
  async #cleanUp(): Promise<void> {
    const parts = this.#parts!;
    const known = (uid: string) => this.#workers.has(uid) || this.#apiPods.has(uid) || this.#statics.has(uid);
    const left = new Set<string>();
    for (const pod of parts.cache.pods()) if (!known(pod.uid)) left.add(pod.uid);
    for (const uid of await parts.volumes.podsOnDisk()) if (!known(uid)) left.add(uid);
    for (const uid of await parts.cgroups.list()) if (!known(uid)) left.add(uid);
    for (const uid of left) this.#worker(uid)?.remove();
  }

  // ---- what others ask ----

  #relistProblems(cache: RuntimeCache): readonly string[] {
    if (!cache.lastRelistMs) return ['PLEG is not healthy: pleg has yet to be successful'];
    const silentMs = this.#o.clock.now() - cache.lastRelistMs;
    if (silentMs <= relistSilenceMs) return [];
    return [`PLEG is not healthy: pleg was last seen active ${Math.round(silentMs / 1000)}s ago; threshold is 3m0s`];
  }

  problems(): readonly string[] {
    return this.#parts ? this.#relistProblems(this.#parts.cache) : ['the kubelet is starting'];
  }

  node(): Node | undefined {
    return this.#parts?.node.node;
  }

  pods(): readonly Pod[] {
    const statuses = this.#parts?.statuses;
    return [...this.#workers.values()]
      .map(w => w.pod)
      .filter(p => p !== undefined)
      .map(pod => (statuses ? { ...pod, status: statuses.current(pod) } : pod));
  }

  pod(namespace: string, name: string, uid?: string): Pod | undefined {
    const mirror = this.#mirrors.get(`${namespace}/${name}`);
    const found = this.pods().filter(({ metadata: m }) => {
      if (m.namespace !== namespace || m.name !== name) return false;
      return !uid || m.uid === uid || mirror?.metadata.uid === uid;
    });
    // One that nobody wants any more may still be ending beside its successor of the same name.
    return found.find(({ metadata: m }) => this.#apiPods.has(m.uid!) || this.#statics.has(m.uid!)) ?? found.at(-1);
  }

  observed(pod: Pod): ObservedPod | undefined {
    return this.#parts?.cache.get(pod.metadata.uid ?? '');
  }

  container(pod: Pod, name: string, previous = false): ObservedContainer | undefined {
    const observed = this.observed(pod);
    if (!observed) return undefined;
    return previous ? observed.containers.filter(c => c.name === name)[1] : latestContainer(observed, name);
  }

  sandboxId(pod: Pod): string | undefined {
    return this.observed(pod)?.sandboxes.find(s => s.ready)?.id;
  }
}

/** Where the log of a container lies, whether or not the runtime still knows it. */
export const logPathOf = (directory: string, pod: Pod, container: string, restartCount: number) =>
  join(
    directory,
    `${pod.metadata.namespace}_${pod.metadata.name}_${pod.metadata.uid}`,
    container,
    `${restartCount}.log`,
  );

/** A scheduler places pods by labels the node may have had for a moment only. */
function newest(a: Node | undefined, b: Node | undefined): Node | undefined {
  if (!a || !b) return a ?? b;
  return Number(b.metadata.resourceVersion) > Number(a.metadata.resourceVersion) ? b : a;
}
