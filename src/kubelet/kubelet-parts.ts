// What a kubelet is made of, put together from its options.
import { join } from 'node:path';
import type { Service as KubeService, Node, Pod } from '../api/type/core-v1.ts';
import { createEventRecorder } from '../client/event-recorder.ts';
import type { Informer } from '../client/informer.ts';
import { noCgroups } from './cgroup.ts';
import { ContainerKiller } from './container-killer.ts';
import { ContainerStarter } from './container-starter.ts';
import { PodCertificates } from './credential/pod-certificates.ts';
import { TrustBundles } from './credential/trust-bundles.ts';
import { CsiExpansion } from './csi/csi-expansion.ts';
import { CsiPaths } from './csi/csi-path.ts';
import { claimedCsi, csiPlugin } from './csi/csi-plugins.ts';
import { CsiDrivers } from './csi/csi-registration.ts';
import { CsiVolumes } from './csi/csi-volumes.ts';
import { NodeDevices } from './device/node-devices.ts';
import { EvictionManager } from './eviction-manager.ts';
import type { Host } from './host/host.ts';
import { linuxHost } from './host/linux-host.ts';
import type { ImageCollector } from './image-collector.ts';
import { resizeProblemOf } from './kernel/admission.ts';
import { defaultEvictionHard, thresholdsOf } from './kernel/eviction.ts';
import { sandboxSeccomp } from './kernel/sandbox-seccomp.ts';
import { makeCollector, makeImages } from './kubelet-images.ts';
import { makeManagers, topologyOf } from './kubelet-managers.ts';
import type { KubeletMetrics } from './kubelet-metrics.ts';
import { makeShutdown } from './kubelet-shutdown.ts';
import { LogRotation } from './log-rotation.ts';
import { kernelRecords, oomKills } from './node/kernel-log.ts';
import { globalAddresses, readMachine } from './node/machine.ts';
import { NodeLease } from './node/node-lease.ts';
import { NodeManager } from './node/node-manager.ts';
import { OomWatch } from './node/oom-watch.ts';
import { relistProblems } from './node/relist-problems.ts';
import { checkStart } from './node/start-checks.ts';
import { ObjectCache } from './object-cache.ts';
import type { KubeletOptions } from './option.ts';
import { KubeletRoot } from './plugin/kubelet-root.ts';
import { PluginWatcher } from './plugin/plugin-watcher.ts';
import { PodAdmission } from './pod-admission.ts';
import { type PodEvents, podEvents } from './pod-event.ts';
import type { PodPaths } from './pod-path.ts';
import { linuxProbeNetwork } from './probe/linux-network.ts';
import { ProbeManager } from './probe/probe-manager.ts';
import { Prober } from './probe/prober.ts';
import { RuntimeCache } from './runtime-cache.ts';
import { SandboxStarter } from './sandbox-starter.ts';
import type { ShutdownManager } from './shutdown/shutdown-manager.ts';
import { StatusManager } from './status-manager.ts';
import { TokenManager } from './token-manager.ts';
import type { MachineTopology } from './topology/kernel/machine-topology.ts';
import type { KubeletTracer } from './tracing/kubelet-tracer.ts';
import { contentPlugins } from './volume/content-volumes.ts';
import { claimPlugin, emptyDirPlugin, hostPathPlugin, imageVolumePlugin } from './volume/local-volumes.ts';
import { MemoryDirectories } from './volume/memory-directories.ts';
import { VolumeManager } from './volume/volume-manager.ts';
import type { Verdict, WorkerContext } from './worker-context.ts';

const probeTypes = { liveness: 'Liveness', readiness: 'Readiness', startup: 'Startup' } as const;
const probeResults = { success: 'successful', warning: 'successful', failure: 'failed', error: 'unknown' } as const;

/** Whom the parts tell and ask. */
export interface KubeletOwner {
  readonly options: KubeletOptions;
  readonly paths: PodPaths;
  readonly metrics: KubeletMetrics;
  readonly tracer: KubeletTracer | undefined;
  readonly services: Informer<KubeService>;
  readonly nodes: Informer<Node>;
  /** As the API server has it; of a static pod its mirror. */
  apiPod(uid: string): Pod | undefined;
  /** Those that hold resources of the node. */
  activePods(): readonly Pod[];
  /** Those of them that the node has decided to run. */
  takenOn(): readonly Pod[];
  runtimeChanged(uid: string): void;
  objectChanged(uid: string): void;
  probed(uid: string): void;
  /** Pods of which something may run; undefined while that is not known for all. */
  holders(): readonly Pod[] | undefined;
  evict(pod: Pod, verdict: Verdict, graceSeconds?: number): Promise<void> | undefined;
  /** The pod has left no trace. */
  gone(uid: string): void;
}

export type KubeletParts = Awaited<ReturnType<typeof assembleKubelet>>;

/** Rejects where the machine is not fit for a kubelet. */
export async function assembleKubelet(owner: KubeletOwner) {
  const base = await makeBase(owner);
  const { options: o, metrics } = owner;
  const node: NodeManager = makeNode(owner, base, {
    eviction: () => eviction,
    csi: () => csi.volumes,
    shutdown: () => shutdown,
  });
  base.devices?.onCapacity(() => node.hasten());
  const csi = await makeCsi(owner, base, node);
  const volumes = makeVolumes(owner, base, node, csi);
  const starting = await makeStarting(owner, base, node, volumes);
  const collector = makeCollector(owner, base, starting.images);
  const eviction: EvictionManager = makeEviction(owner, base, node, collector);
  const rotation = makeRotation(owner, base);
  const shutdown = makeShutdown(owner, { host: base.host, node, volumes });
  const oom = makeOomWatch(owner, node);
  const { client, clock, log, nodeName } = o;
  const lease = new NodeLease({
    ...{ client, clock, log, nodeName, ...o.heartbeat },
    durationSeconds: o.leaseDurationSeconds ?? 40,
  });
  const context: WorkerContext = {
    ...{
      ...base,
      ...starting,
      ...admissionOf(owner, base, { node, eviction, shutdown }),
      runtime: o.runtime,
      clock,
      log,
      volumes,
      metrics,
      tracer: owner.tracer,
      warnNode: (reason: string, message: string) => node.warn(reason, message),
    },
    get runtimeName() {
      return node.runtimeName;
    },
    paths: owner.paths,
    containerLogsDirectory: o.containerLogsDirectory,
    maxContainerBackOffMs: o.maxContainerBackOffMs ?? 300_000,
    networkError: () => node.networkError(),
    onGone: uid => owner.gone(uid),
  };
  const { probes } = starting;
  return { ...base, probes, node, volumes, csi, collector, eviction, rotation, oom, lease, shutdown, context };
}

type Base = Awaited<ReturnType<typeof makeBase>>;

async function makeBase(owner: KubeletOwner) {
  const { options: o, paths } = owner;
  const { times } = owner.metrics;
  const { client, runtime, clock, random, log, nodeName } = o;
  const host = o.host ?? linuxHost();
  await host.makeDirectory(paths.root, 0o755);
  await host.makeShared(paths.root);
  const found = o.machine ?? (await readMachine(paths.root));
  const machine = o.localStorageIsolation === false ? { ...found, ephemeralStorageBytes: 0 } : found;
  const recorder =
    o.events ??
    createEventRecorder(client, {
      component: 'kubelet',
      host: nodeName,
      clock,
      random,
      log,
      ...(o.eventRate ? { rate: o.eventRate } : {}),
    });
  const root = new KubeletRoot(paths.root);
  const events = podEvents(recorder);
  const plugins = new PluginWatcher({ directory: join(paths.root, 'plugins_registry'), root, host, clock, log });
  const cache = new RuntimeCache({ runtime, clock, log, relistMs: o.relistMs ?? 10_000, onRelist: times.relisted });
  cache.onChange(uid => owner.runtimeChanged(uid));
  const cgroups = o.cgroups ? times.timedCgroups(o.cgroups) : noCgroups;
  await checkStart(host, {
    ...{ swapBytes: machine.swapBytes, failSwapOn: o.failSwapOn ?? true, cgroupVersion: cgroups.version },
    ...{ failCgroupV1: o.failCgroupV1 ?? false, protectKernelDefaults: o.protectKernelDefaults ?? false },
  });
  const evictionHard = o.evictionHard ?? defaultEvictionHard;
  const topology = await topologyOf(o, machine);
  const devices = (o.nodePlugins ?? !o.host) ? makeDevices(owner, host, events, plugins, topology) : undefined;
  return {
    ...{ host, machine, recorder, cache, root, cgroups },
    resources: {
      ...{ memoryCapacityBytes: machine.memoryBytes, cgroupVersion: cgroups.version },
      ...{ enforceCpuQuota: o.enforceCpuQuota ?? true, singleProcessOomKill: o.singleProcessOomKill ?? false },
      ...(o.cpuPeriodUs ? { cpuPeriodUs: o.cpuPeriodUs } : {}),
      // Not before the groups are made.
      get swap() {
        const limited = o.swapBehavior === 'LimitedSwap';
        return machine.swapBytes && cgroups.limitsSwap() ? { limited, bytes: machine.swapBytes } : undefined;
      },
    },
    plugins,
    devices,
    managers: topology && makeManagers(owner, { host, machine, cache, devices, topology, evictionHard }),
    appArmor: o.appArmor ?? (await host.readFile('/sys/module/apparmor/parameters/enabled'))?.startsWith('Y') ?? false,
    events,
    hostIps: o.nodeIps?.length ? o.nodeIps : globalAddresses(),
    network: o.probeNetwork ?? linuxProbeNetwork(clock),
    statuses: new StatusManager({ client, clock, log, apiPod: uid => owner.apiPod(uid), onSynced: times.statusSynced }),
    objects: new ObjectCache({ client, clock, log, onChange: uid => owner.objectChanged(uid) }),
    tokens: new TokenManager({ client, clock, random, log }),
    trustBundles: new TrustBundles({ client, clock, onChange: uid => owner.objectChanged(uid) }),
    certificates: new PodCertificates({
      ...{ client, clock, random, log, events, nodeName },
      nodeUid: () => owner.nodes.lister.get(nodeName)?.metadata.uid ?? '',
      onChange: uid => owner.objectChanged(uid),
    }),
    evictionHard,
  };
}

function makeDevices(
  owner: KubeletOwner,
  host: Host,
  events: PodEvents,
  plugins: PluginWatcher,
  topology: MachineTopology | undefined,
): NodeDevices {
  const { nodeName, client, clock, log } = owner.options;
  const devices = new NodeDevices({
    ...{ root: owner.paths.root, nodeName, client, clock, log, host, events },
    ...(topology ? { topology } : {}),
    activePods: () => owner.activePods(),
    onHealth: uid => owner.runtimeChanged(uid),
  });
  devices.handle(plugins);
  return devices;
}

/** What is made later than the node and asked by it. */
interface Later {
  shutdown(): ShutdownManager | undefined;
  eviction(): EvictionManager;
  csi(): CsiVolumes;
}

function makeNode(owner: KubeletOwner, base: Base, later: Later): NodeManager {
  const { options: o } = owner;
  const { nodeName, client, runtime, clock, log } = o;
  return new NodeManager({
    ...{ nodeName, client, runtime, clock, log, machine: base.machine },
    events: base.recorder,
    ...(base.devices ? { devices: base.devices } : {}),
    maxPods: Math.min(o.maxPods ?? 110, o.podsPerCore ? o.podsPerCore * base.machine.cores : Infinity),
    maxImages: o.nodeStatusMaxImages ?? 50,
    reserved: [o.systemReserved ?? {}, o.kubeReserved ?? {}],
    evictionHard: base.evictionHard,
    nodeIps: base.hostIps,
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
    pressure: () => later.eviction().pressure,
    volumesInUse: () => later.csi().inUse(),
    problems: () => [...relistProblems(base.cache, clock), ...(later.shutdown()?.problems() ?? [])],
  });
}

type Csi = Awaited<ReturnType<typeof makeCsi>>;

async function makeCsi(owner: KubeletOwner, base: Base, node: NodeManager) {
  const { client, clock, log, nodeName } = owner.options;
  const { host, tokens, root, plugins, events, recorder } = base;
  const newestNode = () => newest(node.node, owner.nodes.lister.get(nodeName));
  const drivers = new CsiDrivers({ client, nodeName, clock, log, root, onChange: () => volumes.wakeAll() });
  const volumes: CsiVolumes = new CsiVolumes({
    ...{ client, host, clock, log, events, nodeName, drivers, tokens },
    paths: new CsiPaths(owner.paths),
    tellsHealth: owner.options.volumeHealth ?? false,
    nodeVolumes() {
      const status = newestNode()?.status;
      return { attached: (status?.volumesAttached ?? []).map(v => v.name), inUse: status?.volumesInUse ?? [] };
    },
    inUseChanged: () => node.hasten(),
    wake: uid => owner.objectChanged(uid),
  });
  plugins.registerHandler('CSIPlugin', drivers);
  const volumesOf = (n: Node) => JSON.stringify([n.status?.volumesAttached, n.status?.volumesInUse]);
  owner.nodes.addHandler({
    onUpdate: (now, old) => {
      if (volumesOf(now) !== volumesOf(old)) volumes.wakeAll();
    },
  });
  await volumes.restore();
  return { drivers, volumes, expansion: new CsiExpansion({ client, clock, nodeName, events, recorder, volumes }) };
}

function makeVolumes(owner: KubeletOwner, base: Base, node: NodeManager, csi: Csi): VolumeManager {
  const { client, clock, log, nodeName } = owner.options;
  const { host, objects, tokens, trustBundles, certificates, hostIps, cache, events, root } = base;
  const memory = new MemoryDirectories({ host, root: join(owner.paths.root, 'memory'), pods: owner.paths.pods });
  const podIps = (pod: Pod) =>
    pod.spec.hostNetwork ? hostIps : (cache.get(pod.metadata.uid ?? '')?.sandboxes[0]?.ips ?? []);
  const plugins = [
    emptyDirPlugin(host, base.machine.memoryBytes),
    ...contentPlugins({
      ...{ host, clock, objects, tokens, trustBundles, certificates, memory },
      nodeFields: pod => ({ hostIps, podIps: podIps(pod) }),
      allocatable: () => node.allocatable,
    }),
    hostPathPlugin(host, root),
    imageVolumePlugin,
    csiPlugin(csi.volumes),
    claimPlugin(client, host, claimedCsi({ csi: csi.volumes, expansion: csi.expansion, client, clock }), () =>
      newest(node.node, owner.nodes.lister.get(nodeName)),
    ),
  ];
  const timed = plugins.map(p => owner.metrics.times.timedVolumes(p));
  return new VolumeManager({ host, clock, log, events, paths: owner.paths, plugins: timed });
}

/** What starts sandboxes and containers, looks at them and ends them. */
async function makeStarting(owner: KubeletOwner, base: Base, node: NodeManager, volumes: VolumeManager) {
  const { options: o, paths } = owner;
  const { runtime, client, clock, random, log } = o;
  const { host, events, cgroups, network, hostIps } = base;
  const images = makeImages(owner, base);
  const hooks = { runtime, network, clock, events };
  const killer = new ContainerKiller({ runtime, clock, log, events, hooks });
  await host.writeFile(paths.sandboxSeccomp, sandboxSeccomp, { atomic: true });
  const security = {
    seccompRoot: paths.seccomp,
    sandboxSeccomp: paths.sandboxSeccomp,
    appArmor: base.appArmor,
    seccompDefault: o.seccompDefault ?? false,
  };
  const sandboxes = new SandboxStarter({
    ...{ runtime, client, host, log, events, paths, cgroups, security, cache: base.cache },
    idsPerPod: o.userNamespaceIdsPerPod ?? 65_536,
    userNamespaces: handler => node.userNamespaces(handler),
    ...{ clusterDns: o.clusterDns, clusterDomain: o.clusterDomain, resolvConf: o.resolvConf ?? '/etc/resolv.conf' },
  });
  const starter = new ContainerStarter({
    ...{ runtime, host, clock, random, log, events, paths, images, volumes, killer, hooks, security, hostIps },
    devices: base.devices,
    managers: base.managers,
    cache: base.cache,
    objects: base.objects,
    services: owner.services,
    clusterDomain: o.clusterDomain,
    resources: base.resources,
    containerLogsDirectory: o.containerLogsDirectory,
    allocatable: () => node.allocatable,
    recursiveReadOnly: handler => node.handlerFeatures(handler)?.recursive_read_only_mounts ?? false,
  });
  return { images, killer, sandboxes, starter, probes: makeProbes(owner, base) };
}

function makeProbes({ options: o, metrics, ...owner }: KubeletOwner, base: Base): ProbeManager {
  const { clock, random } = o;
  const { events, hostIps } = base;
  return new ProbeManager({
    prober: new Prober(o.runtime, base.network),
    ...{ clock, random, events, hostIps },
    onVerdict: uid => owner.probed(uid),
    onProbe: (pod, container, kind, result, seconds) =>
      metrics.probed(pod, container, probeTypes[kind], probeResults[result], seconds),
    onGone: uid => metrics.probedNoMore(uid),
  });
}

function makeEviction(owner: KubeletOwner, base: Base, node: NodeManager, collector: ImageCollector): EvictionManager {
  const { options: o, paths } = owner;
  const { runtime, clock, log } = o;
  const { host, events, evictionHard: hard } = base;
  return new EvictionManager({
    ...(o.upkeepMs === undefined ? {} : { everyMs: o.upkeepMs }),
    cgroups: base.cgroups,
    ...{ runtime, host, clock, log, events, paths, thresholds: thresholdsOf({ hard, ...o.eviction }) },
    localLimits: o.localStorageIsolation ?? true,
    transitionMs: o.eviction?.transitionMs ?? 300_000,
    maxPodGraceSeconds: o.eviction?.maxPodGraceSeconds ?? 0,
    ...(o.evictionSignals ? { signals: o.evictionSignals } : {}),
    memoryBytes: base.machine.memoryBytes,
    activePods: () => owner.activePods(),
    evict: async (pod, verdict, grace) => owner.evict(pod, verdict, grace),
    reclaimDisk: () => collector.collect(true),
    onPressure: () => node.hasten(),
    onReclaim: resource => node.warn('EvictionThresholdMet', `Attempting to reclaim ${resource}`),
    onEviction: signal => owner.metrics.evicted(signal),
  });
}

/** Only of a machine that is this one. */
function makeOomWatch({ options: { host, log } }: KubeletOwner, node: NodeManager): OomWatch | undefined {
  if (host) return undefined;
  const onOom = (process: string, pid: number) =>
    node.warn('SystemOOM', `System OOM encountered, victim process: ${process}, pid: ${pid}`);
  return new OomWatch({ log, kills: oomKills, records: kernelRecords, onOom });
}

function makeRotation({ options: o }: KubeletOwner, { cache, host }: Base): LogRotation {
  const { runtime, clock, log } = o;
  return new LogRotation({
    everyMs: o.containerLogMonitorMs ?? o.upkeepMs ?? 10_000,
    ...{ runtime, cache, host, clock, log },
    maxBytes: o.containerLogMaxSizeBytes ?? 10 * 2 ** 20,
    maxFiles: o.containerLogMaxFiles ?? 5,
    workers: o.containerLogWorkers ?? 1,
  });
}

interface Admitting {
  readonly node: NodeManager;
  readonly eviction: EvictionManager;
  readonly shutdown: ShutdownManager | undefined;
}

/** Which pods this node takes on, and which resizes. */
function admissionOf(owner: KubeletOwner, base: Base, { node, eviction, shutdown }: Admitting) {
  const { options: o } = owner;
  const { devices, managers } = base;
  const concerns = (pod: Pod) => managers !== undefined || devices?.concerns(pod);
  const admission = (pod: Pod) => ({
    pod,
    others: owner.takenOn().filter(p => p.metadata.uid !== pod.metadata.uid),
    allocatable: node.allocatable,
    node: newest(node.node, owner.nodes.lister.get(o.nodeName)),
    operatingSystem: base.machine.operatingSystem,
    unsafeSysctls: o.allowedUnsafeSysctls ?? [],
    appArmor: base.appArmor,
    pressure: eviction.pressure,
    ...(devices ? { heldDevices: devices.held() } : {}),
  });
  const pods = new PodAdmission({
    ...{ log: o.log, events: base.events, input: admission },
    evict: (pod, verdict) => owner.evict(pod, verdict),
    onPreemption: resource => owner.metrics.preempted(resource),
  });
  return {
    // Devices come first, as in Kubernetes: who lacks them is told so, and not that the node is full.
    rejection: (pod: Pod, take: () => void) =>
      shutdown?.rejection() ??
      (concerns(pod)
        ? (managers ?? devices!).admit(pod).then(lack => lack ?? pods.rejection(pod, take))
        : pods.rejection(pod, take)),
    resizeProblem: (pod: Pod) => managers?.resizeProblem(pod) ?? resizeProblemOf(admission(pod)),
  };
}

/** A scheduler places pods by labels the node may have had for a moment only. */
function newest(a: Node | undefined, b: Node | undefined): Node | undefined {
  if (!a || !b) return a ?? b;
  return Number(b.metadata.resourceVersion) > Number(a.metadata.resourceVersion) ? b : a;
}
