// A node: its containerd, its network, and the parts that components.ts names, in one process.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../base/assert.ts';
import { aborted, runAll, type Service } from '../base/lifecycle.ts';
import { httpClient } from '../client/http-client.ts';
import type { InformerFactory } from '../client/informer.ts';
import { createInformerFactory } from '../client/informer-factory.ts';
import { findCniBinDir, writeCniConfig } from '../cri/cni.ts';
import { containerdRuntime } from '../cri/containerd.ts';
import { ContainerdProcess } from '../cri/containerd-process.ts';
import { ensurePauseImage, pauseImageReference } from '../cri/pause-image.ts';
import type { NodeContext } from './component-context.ts';
import { nodeParts } from './components.ts';
import { loadBridgeFilter } from './host/bridge-filter.ts';
import { createNodeRoutes } from './node-routes.ts';
import { watchOwnNode } from './own-node.ts';
import { untilReachable } from './reachable.ts';
import { type AgentConfig, cniNetworkName, containerdSocket } from './role.ts';
import type { RunOptions } from './server.ts';

/** As the kubelet's: a connection that is dead is given up before the node counts as lost. */
const heartbeatTimeoutMs = 10_000;

/** Runs until the signal aborts; containers outlive it. Rejects when it cannot start or go on. */
export async function runAgent(config: AgentConfig, signal: AbortSignal, options: RunOptions): Promise<void> {
  const { clock, random, log, link } = options;
  link?.phase('starting the container runtime');
  const lacking = await loadBridgeFilter();
  if (lacking) log.warn('a service may not be reached', { reason: lacking });
  setKernelParameters(log.warn);
  const cniConfDir = join(config.stateDirectory, 'cni');
  const containerd = new ContainerdProcess({
    root: join(config.stateDirectory, 'containerd'),
    state: join(config.runDirectory, 'containerd'),
    socket: containerdSocket(config.runDirectory),
    logFile: join(config.stateDirectory, 'containerd.log'),
    cniConfDir,
    cniBinDir: findCniBinDir(),
    sandboxImage: pauseImageReference,
    registryDir: join(config.stateDirectory, 'registry'),
    clock,
    log,
  });
  mkdirSync(cniConfDir, { recursive: true });
  const connect = (identity: { certificate: string; key: string }, userAgent: string, more: object = {}) =>
    httpClient({
      server: config.server,
      ca: config.certificateAuthority,
      cert: identity.certificate,
      key: identity.key,
      userAgent,
      clock,
      log,
      ...more,
    });
  const kubeletClient = connect(config.kubelet, 'kubelet');
  const proxyClient = connect(config.proxy, 'kube-proxy');
  const heartbeatClient = connect(config.kubelet, 'kubelet', { requestTimeoutMs: heartbeatTimeoutMs });
  const clients = [heartbeatClient, kubeletClient, proxyClient];
  const network = networkOf(config);
  const runtime = containerdRuntime({ socket: containerdSocket(config.runDirectory), clock, log, network });
  const context: NodeContext = {
    config,
    clock,
    random,
    log,
    kubeletClient,
    heartbeat: {
      client: heartbeatClient,
      onUnanswered() {
        for (const client of clients) client.reconnect();
      },
    },
    kubeletInformers: createInformerFactory(kubeletClient, { clock, random, log }),
    proxyClient,
    proxyInformers: createInformerFactory(proxyClient, { clock, random, log }),
    runtime,
    runtimeReady: containerd.ready().then(() => ensurePauseImage(runtime)),
  };
  context.runtimeReady.catch(() => {});
  try {
    const reachable = untilReachable(config.server, proxyClient, clock, signal);
    const parts = await Promise.all(nodeParts.map(part => part.create(context)));
    const askingServer = [
      createNodeRoutes({ ...config, informers: context.proxyInformers, clock, log }),
      createCniConfig(context, cniConfDir),
      readiness(context.proxyInformers, config.nodeName, () => link?.ready()),
      ...parts,
      informers('kubelet informers', context.kubeletInformers),
      informers('proxy informers', context.proxyInformers),
    ];
    await runAll(
      [
        containerd,
        { name: 'pause image', run: s => failing(context.runtimeReady, s) },
        ...askingServer.map(service => after(reachable, service)),
      ],
      signal,
    );
  } finally {
    runtime.close();
    for (const client of clients) client.close();
  }
}

const after = (gate: Promise<void>, service: Service): Service => ({
  name: service.name,
  run: signal => gate.then(() => service.run(signal)),
});

const informers = (name: string, factory: InformerFactory): Service => ({ name, run: s => factory.run(s) });

/** Runs until the signal aborts; rejects when the promise does before. */
async function failing(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  await Promise.race([promise, aborted(signal)]);
  await aborted(signal);
}

// Forwarding between pods, and bridged packets past the service rules: a pod's answer to a neighbour on the same bridge
// must be translated back. Both are per network namespace.
const kernelParameters: readonly (readonly [string, string])[] = [
  ['net/ipv4/ip_forward', '1'],
  ['net/bridge/bridge-nf-call-iptables', '1'],
];

function setKernelParameters(warn: (message: string, fields: Record<string, unknown>) => void): void {
  for (const [name, value] of kernelParameters) {
    const file = `/proc/sys/${name}`;
    try {
      if (existsSync(file) && readFileSync(file, 'utf8').trim() === value) continue;
      writeFileSync(file, value);
    } catch (error) {
      warn('setting a kernel parameter failed', { name: name.replaceAll('/', '.'), error: messageOf(error) });
    }
  }
}

const networkOf = ({ cluster, nodeName, stateDirectory }: AgentConfig) => ({
  name: cniNetworkName(cluster, nodeName),
  leaseDir: join(stateDirectory, 'leases'),
});

function createCniConfig(context: NodeContext, confDir: string): Service {
  const { config, log } = context;
  let written = '';
  return {
    name: 'CNI configuration',
    run: signal =>
      watchOwnNode(context.proxyInformers, config.nodeName, signal, node => {
        const podCidrs = node.spec?.podCIDRs ?? (node.spec?.podCIDR ? [node.spec.podCIDR] : []);
        if (podCidrs.length === 0 || podCidrs.join() === written) return;
        written = podCidrs.join();
        writeCniConfig(confDir, { ...networkOf(config), bridge: 'cni0', podCidrs, mtu: 1500 }).catch(error => {
          written = '';
          log.error('writing the CNI configuration failed', { error });
        });
      }),
  };
}

function readiness(factory: InformerFactory, name: string, onReady: () => void): Service {
  let told = false;
  return {
    name: 'readiness',
    run: signal =>
      watchOwnNode(factory, name, signal, node => {
        if (told || !node.status?.conditions?.some(c => c.type === 'Ready' && c.status === 'True')) return;
        told = true;
        onReady();
      }),
  };
}
