import { coreV1 } from '../api/refs.ts';
import type { Service as KubeService, Node, Pod } from '../api/type/core-v1.ts';
import { aborted, runAll, type Service } from '../base/lifecycle.ts';
import type { Informer } from '../client/informer.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import type { Host } from './host/host.ts';
import { latestContainer, type ObservedContainer, type ObservedPod } from './kernel/observed.ts';
import { type KubeletMetrics, kubeletMetrics } from './kubelet-metrics.ts';
import { assembleKubelet, type KubeletParts } from './kubelet-parts.ts';
import { tellPodRange } from './node/pod-range.ts';
import { relistProblems } from './node/relist-problems.ts';
import { readStartWarnings } from './node/start-warnings.ts';
import type { KubeletOptions } from './option.ts';
import { watchPlugins } from './plugin/watch-plugins.ts';
import { PodPaths } from './pod-path.ts';
import { PodWorker } from './pod-worker.ts';
import { fullNameOf, isMirror, isMirrorOf, isStatic, MirrorPods } from './static-pod.ts';
import { StaticPods } from './static-pods.ts';
import { keepNoState } from './topology/resource-managers.ts';
import { KubeletTracer } from './tracing/kubelet-tracer.ts';
import { type PodVolumeFigures, podVolumeFigures } from './volume/volume-figures.ts';
import { withinGrace } from './within-grace.ts';
import type { Verdict } from './worker-context.ts';

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
  /** How full its claims and drivers' volumes are. */
  volumeFigures(pod: Pod): Promise<readonly PodVolumeFigures[]>;
  /** The ready sandbox, for port forwarding. */
  sandboxId(pod: Pod): string | undefined;
  readonly podLogsDirectory: string;
  readonly rootDirectory: string;
  node(): Node | undefined;
  /** What keeps the node from being ready; empty when nothing does. */
  problems(): readonly string[];
  readonly metrics: KubeletMetrics;
}

const housekeepingMs = 10_000;

export function createKubelet(options: KubeletOptions): Kubelet {
  return new NodeKubelet(options);
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
  /** Pods that the informer has are with their workers. */
  #podsTaken = false;
  readonly #tracer: KubeletTracer | undefined;
  #parts: KubeletParts | undefined;
  #mirrorPods: MirrorPods | undefined;
  readonly #podInformer: Informer<Pod>;
  readonly #serviceInformer: Informer<KubeService>;
  readonly #nodeInformer: Informer<Node>;
  #stopping = false;

  constructor(options: KubeletOptions) {
    this.metrics = kubeletMetrics(options.clock);
    const { tracing, clock, random, log } = options;
    this.#tracer = tracing && new KubeletTracer({ ...tracing, clock, random, log });
    const runtime = this.metrics.counting(options.runtime);
    this.#o = { ...options, runtime: this.#tracer?.traced(runtime) ?? runtime };
    this.#paths = new PodPaths({
      rootDirectory: options.rootDirectory ?? '/var/lib/kubelet',
      podLogsDirectory: options.podLogsDirectory ?? '/var/log/pods',
    });
    this.#staticsRead = !options.staticPodPath && !options.staticPodUrl;
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
      const { client, log } = this.#o;
      this.#mirrorPods = new MirrorPods({ client, log, node: () => parts.node.node });
      await parts.cgroups.prepare();
      await parts.host.makeDirectory(this.#paths.pods, 0o750);
      await parts.devices?.restore();
      await this.#restoreManagers(parts);
      await parts.node.checkRuntime();
      await parts.cache.relist();
      await parts.context.images.restore();
      await runAll(this.#services(parts), signal);
    } catch (error) {
      this.#ready.reject(error);
      throw error;
    } finally {
      await this.#stop();
    }
    this.#ready.reject(new Error('the kubelet was stopped'));
  }

  async #restoreManagers({ managers, host }: KubeletParts): Promise<void> {
    if (managers) await managers.restore();
    else if (!this.#o.host) await keepNoState(this.#paths.root, host, this.#o.log);
  }

  async #stop(): Promise<void> {
    this.#stopping = true;
    this.#parts?.probes.stop();
    await Promise.all([...this.#workers.values()].map(w => w.stop()));
    await this.#parts?.context.images.records.idle();
    this.#parts?.csi.volumes.stop();
    this.#parts?.statuses.stop();
    this.#parts?.objects.stop();
    this.#parts?.trustBundles.stop();
    this.#parts?.certificates.stop();
    await this.#tracer?.close();
  }

  // ---- composition ----

  #assemble(): Promise<KubeletParts> {
    return assembleKubelet({
      options: this.#o,
      tracer: this.#tracer,
      paths: this.#paths,
      metrics: this.metrics,
      services: this.#serviceInformer,
      nodes: this.#nodeInformer,
      apiPod: uid => this.#apiPod(uid),
      activePods: () => this.#activePods(),
      holders: () => this.#holders(),
      takenOn: () => this.#activePods(w => w.takenOn),
      runtimeChanged: uid => this.#runtimeChanged(uid),
      objectChanged: uid => this.#objectChanged(uid),
      probed: uid => this.#workers.get(uid)?.wake(),
      evict: (pod, verdict, grace) => this.#evict(pod, verdict, grace),
      gone: uid => this.#gone(uid),
    });
  }

  #services(parts: KubeletParts): readonly Service[] {
    const { cache, node, lease, host, rotation, collector, eviction, devices } = parts;
    const { runtime, clock, log } = this.#o;
    const loop = (name: string, run: (signal: AbortSignal) => Promise<void>): Service => ({ name, run });
    return [
      loop('runtime', s => cache.run(s)),
      loop('node', async s => {
        node.announce();
        for (const w of await readStartWarnings(this.#o, parts)) node.warn(w.reason, w.message);
        if (this.#o.registerNode ?? true) await node.register(s);
        this.#ready.resolve();
        await node.run(s);
      }),
      loop('lease', s => lease.run(s)),
      loop('pod range', s => tellPodRange({ nodes: this.#nodeInformer, runtime, log }, s)),
      loop('pods', s => this.#takePods(s)),
      loop('static pods', s => this.#takeStatics(host, s)),
      loop('housekeeping', s => this.#housekeeping(s)),
      loop('logs', s => rotation.run(s)),
      loop('images', s => collector.run(s)),
      loop('eviction', s => eviction.run(s)),
      ...(devices ? [devices] : []),
      ...(parts.managers?.services ?? []),
      ...(parts.shutdown ? [parts.shutdown] : []),
      ...((this.#o.nodePlugins ?? !this.#o.host)
        ? [
            loop('plugins', s => watchPlugins({ ...parts, clock, log, ready: () => this.ready() }, s)),
            loop('volume limits', s => parts.csi.drivers.run(s)),
          ]
        : []),
    ];
  }

  #evict(pod: Pod, verdict: Verdict, graceSeconds?: number): Promise<void> | undefined {
    const ended = this.#workers.get(pod.metadata.uid ?? '')?.fail(verdict, graceSeconds);
    return ended && withinGrace(this.#o.clock, this.#parts!.events, pod, graceSeconds, ended);
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
    this.#podsTaken = true;
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
    for (const pod of this.#statics.values()) if (!this.#workers.has(pod.metadata.uid ?? '')) this.#beginStatic(pod);
  }

  #apiPod(uid: string): Pod | undefined {
    const pod = this.#apiPods.get(uid);
    if (pod) return pod;
    const own = this.#statics.get(uid) ?? this.#workers.get(uid)?.pod;
    const mirror = own && isStatic(own) ? this.#mirrors.get(fullNameOf(own)) : undefined;
    return mirror && own && isMirrorOf(mirror, own) ? mirror : undefined;
  }

  #staticOf(mirror: Pod): Pod | undefined {
    const name = fullNameOf(mirror);
    for (const pod of this.#statics.values()) if (fullNameOf(pod) === name) return pod;
    return undefined;
  }

  async #takeStatics(host: Host, signal: AbortSignal): Promise<void> {
    const statics = new StaticPods({
      ...this.#o,
      host,
      onInvalid: (pod, why) => this.#parts?.events.pod(pod, 'Warning', 'FailedValidation', why),
      onChange: pods => this.#staticsChanged(pods),
      onComplete: () => {
        this.#staticsRead = true;
      },
    });
    await statics.run(signal);
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
      this.#beginStatic(pod);
      void this.#ensureMirror(fullNameOf(pod));
    }
  }

  /** A static pod takes the place of the one of its name when nothing of that is left: both may want the same port. */
  #beginStatic(pod: Pod): void {
    const { uid = '' } = pod.metadata;
    const ends = (other: Pod | undefined) =>
      other && isStatic(other) && other.metadata.uid !== uid && fullNameOf(other) === fullNameOf(pod);
    if (![...this.#workers.values()].some(w => ends(w.pod))) this.#worker(uid)?.update(pod);
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

  // What the API has no longer holds nothing, though it may still be ending: the scheduler counts so too.
  #activePods(which = (_: PodWorker) => true): readonly Pod[] {
    return [...this.#workers.values()].filter(w => w.active && !w.removed && which(w)).map(w => w.granted!);
  }

  /** Those of which something may run, whatever the API says of them; undefined until all are known. */
  #holders(): readonly Pod[] | undefined {
    if (!this.#podsTaken || !this.#podInformer.synced || !this.#staticsRead) return undefined;
    return [...this.#workers.values()].filter(w => w.active).map(w => w.granted!);
  }

  async #housekeeping(signal: AbortSignal): Promise<void> {
    await this.#podInformer.whenSynced(signal).catch(() => {});
    while (!signal.aborted) {
      if (this.#staticsRead) await this.#cleanUp().catch(error => this.#o.log.warn('housekeeping failed', { error }));
      await this.#parts?.oom?.look();
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
    for (const uid of parts.devices?.holders() ?? []) if (!known(uid)) left.add(uid);
    for (const uid of left) this.#worker(uid)?.remove();
  }

  // ---- what others ask ----

  problems(): readonly string[] {
    return this.#parts ? relistProblems(this.#parts.cache, this.#o.clock) : ['the kubelet is starting'];
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

  async volumeFigures(pod: Pod): Promise<readonly PodVolumeFigures[]> {
    const parts = this.#parts;
    return parts ? podVolumeFigures(parts.host, pod, parts.volumes.mounted(pod.metadata.uid ?? '')) : [];
  }

  sandboxId(pod: Pod): string | undefined {
    return this.observed(pod)?.sandboxes.find(s => s.ready)?.id;
  }
}
