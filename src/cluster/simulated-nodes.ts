// Nodes without containers: real kubelets over a runtime, files and probes in memory, in the control plane's process.
import { coreV1 } from '../api/refs.ts';
import type { Node } from '../api/type/core-v1.ts';
import { aborted, abortsWith, runAll, type Service } from '../base/lifecycle.ts';
import type { Log } from '../base/log.ts';
import type { Client } from '../client/client.ts';
import type { InformerFactory } from '../client/informer.ts';
import { createInformerFactory } from '../client/informer-factory.ts';
import { type SimulatedContainerRuntime, simulatedRuntime } from '../cri/simulated.ts';
import { memoryHost } from '../kubelet/host/memory-host.ts';
import { createKubelet, type Kubelet } from '../kubelet/kubelet.ts';
import type { MachineInfo } from '../kubelet/option.ts';
import type { ProbeNetwork, ProbeResult } from '../kubelet/probe/network.ts';
import type { ControlPlaneContext } from './component-context.ts';
import { serviceAddress } from './config.ts';
import { Life, type NodeSwitch } from './fault/life.ts';
import { hostAddress, nodeNameOf } from './lab/kernel/lab-plan.ts';
import { simulatedUsage } from './simulated-usage.ts';
import { behaviourOf } from './simulation/behaviour-book.ts';

const gibibyte = 2 ** 30;

// The simulated runtime tells of every change, and nothing grows by itself: there is little to look after.
const upkeepMs = 60_000;
// Renewed each 40 seconds, within what the node controller grants (50).
const leaseDurationSeconds = 160;
// The signals of this machine are none of a simulated one's business.
const plenty = async () => ({});
// Machine ids of simulated nodes begin so.
export const simulatedMachinePrefix = '5131';

/** Which machine a simulated node pretends to be. */
export interface SimulatedMachine {
  readonly name: string;
  /** Of its own among all simulated nodes, from 1. */
  readonly number: number;
  readonly address: string;
  readonly cores?: number;
  readonly memoryBytes?: number;
  readonly maxPods?: number;
}

const machineOf = (
  { number, cores = 8, memoryBytes = 32 * gibibyte }: SimulatedMachine,
  boot: number,
): MachineInfo => ({
  machineId: `${simulatedMachinePrefix}${String(number).padStart(28, '0')}`,
  systemUuid: `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`,
  bootId: `00000000-0000-4000-9${String(boot % 1000).padStart(3, '0')}-${String(number).padStart(12, '0')}`,
  kernelVersion: '6.18.0-simulated',
  osImage: 'simulated',
  operatingSystem: 'linux',
  architecture: 'amd64',
  cores,
  memoryBytes,
  swapBytes: 0,
  ephemeralStorageBytes: 100 * gibibyte,
  hugepages: {},
});

/** The nodes that the cluster is configured with: node-1, node-2, … */
export function createSimulatedNodes(context: ControlPlaneContext): Service {
  const { config, clock, random } = context;
  const log = context.log.with({ part: 'kubelet' });
  const client = context.client({ userAgent: 'kubelet' });
  const informers = createInformerFactory(client, { clock, random, log });
  const nodes = Array.from({ length: config.simulatedNodes }, (_, i) => {
    const machine = { name: nodeNameOf(i), number: i + 1, address: hostAddress('10.8.0.0/16', 10 + i) };
    return new SimulatedNode(context, machine, log, informers);
  });
  const services: Service[] = [...nodes, { name: 'informers', run: signal => informers.run(signal) }];
  return { name: 'simulated nodes', run: signal => runAll(services, signal) };
}

/** Resolves when as many nodes are Ready as the cluster is configured with; rejects when the signal aborts before. */
export async function simulatedNodesReady(context: ControlPlaneContext, signal: AbortSignal): Promise<void> {
  const { config, clock, random, log } = context;
  const informers = createInformerFactory(context.client({ userAgent: 'readiness' }), { clock, random, log });
  const { controller, release } = abortsWith(signal);
  const waiting = new Set(Array.from({ length: config.simulatedNodes }, (_, i) => nodeNameOf(i)));
  const see = ({ metadata, status }: Node) => {
    if (status?.conditions?.some(c => c.type === 'Ready' && c.status === 'True')) waiting.delete(metadata.name);
    if (waiting.size === 0) controller.abort();
  };
  informers.informer<Node>(coreV1.nodes).addHandler({ onAdd: see, onUpdate: see });
  await informers.run(controller.signal);
  release();
  signal.throwIfAborted();
}

/** A machine with a kubelet that can lose its power and get it back. */
export class SimulatedNode implements Service, NodeSwitch {
  readonly name: string;
  readonly #context: ControlPlaneContext;
  readonly #machine: SimulatedMachine;
  readonly #log: Log;
  #life = new Life();
  #boots = 0;
  #kubelet: Kubelet;
  #power = Promise.withResolvers<void>();

  /** `informers` are run by whoever made them. */
  constructor(context: ControlPlaneContext, machine: SimulatedMachine, log: Log, informers: InformerFactory) {
    this.name = machine.name;
    this.#context = context;
    this.#machine = machine;
    this.#log = log.with({ node: this.name });
    this.#kubelet = this.#boot(informers);
    context.onNode?.(this.name, this);
  }

  /** Containers and kubelet are gone at once. */
  lose(): void {
    this.#life.kill();
  }

  restore(): void {
    this.#power.resolve();
  }

  async run(signal: AbortSignal): Promise<void> {
    let informers: InformerFactory | undefined;
    for (;;) {
      const { controller, release } = abortsWith(signal);
      this.#life.onKill(() => controller.abort(this.#life.signal.reason));
      const inner = controller.signal;
      const running = this.#kubelet.run(inner);
      const feeding = informers?.run(inner);
      await Promise.race([running, this.#life.ended]);
      if (!this.#life.dead) {
        await feeding;
        release();
        return;
      }
      release();
      running.catch(() => {});
      await Promise.race([this.#power.promise, aborted(signal)]);
      if (signal.aborted) return;
      this.#power = Promise.withResolvers();
      this.#life = new Life();
      const { clock, random } = this.#context;
      informers = createInformerFactory(this.#client(), { clock, random, log: this.#log });
      this.#kubelet = this.#boot(informers);
    }
  }

  #client(): Client {
    const identity = { userAgent: `kubelet/${this.name}` };
    return this.#context.mortalClient?.(identity, this.#life) ?? this.#context.client(identity);
  }

  #boot(informers: InformerFactory): Kubelet {
    const { config, clock, random, nodeUsage } = this.#context;
    const runtime = simulatedRuntime({ clock, random, ...behaviourOf(config.behaviours ?? [], random) });
    nodeUsage?.set(this.name, simulatedUsage(runtime, clock));
    return createKubelet({
      nodeName: this.name,
      client: this.#client(),
      informers,
      runtime,
      clock,
      random,
      log: this.#log,
      rootDirectory: '/var/lib/kubelet',
      podLogsDirectory: '/var/log/pods',
      clusterDns: [serviceAddress(config.serviceCidr, 10)],
      clusterDomain: config.clusterDomain,
      maxPods: this.#machine.maxPods ?? config.maxPods,
      nodeIps: [this.#machine.address],
      machine: machineOf(this.#machine, this.#boots++),
      host: memoryHost(),
      appArmor: true,
      probeNetwork: simulatedNetwork(runtime),
      failSwapOn: false,
      evictionSignals: plenty,
      relistMs: upkeepMs,
      upkeepMs,
      nodeStatusUpdateMs: upkeepMs,
      leaseDurationSeconds,
    });
  }
}

/** Pods answer as their behaviour says, and agreeably where it says nothing. */
function simulatedNetwork(runtime: SimulatedContainerRuntime): ProbeNetwork {
  const answer = (refused: boolean, output: string): ProbeResult =>
    refused ? { result: 'failure', output } : { result: 'success', output: '' };
  return {
    http: async ({ host, port, path }) =>
      answer(runtime.refuses(host, port, path), 'HTTP probe failed with statuscode: 500'),
    tcp: async (host, port) =>
      answer(runtime.refuses(host, port), `dial tcp ${host}:${port}: connect: connection refused`),
    grpc: async (host, port) => answer(runtime.refuses(host, port), 'service unhealthy (responded with "NOT_SERVING")'),
  };
}
