// Simulated nodes: those the cluster is configured with, and one for each Node object marked `k8ts.dev/simulate: "true"`.
// The kubelet's code is loaded with the first of them.

import { parseQuantity } from '../../api/quantity.ts';
import { coreV1 } from '../../api/refs.ts';
import type { Node } from '../../api/type/core-v1.ts';
import { aborted, runAll, type Service } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import { randomUuid } from '../../base/random.ts';
import type { Informer, InformerFactory } from '../../client/informer.ts';
import { createInformerFactory } from '../../client/informer-factory.ts';
import { runAsLeader } from '../../client/leader-election.ts';
import type { ControlPlaneContext } from '../component-context.ts';
import { hostAddress, nodeNameOf } from '../lab/kernel/lab-plan.ts';
import type { SimulatedMachine } from '../simulated-nodes.ts';
import { isSimulated } from './simulated-mark.ts';

export async function createNodesOnRequest(context: ControlPlaneContext): Promise<Service> {
  const services: Service[] = [new MarkedNodes(context)];
  if (context.config.simulatedNodes > 0) {
    const { createSimulatedNodes } = await import('../simulated-nodes.ts');
    services.unshift(createSimulatedNodes(context));
  }
  return { name: 'simulated nodes', run: signal => runAll(services, signal) };
}

// For tests of networks, and never routed: no real node has an address there.
const addresses = '198.18.0.0/15';
// Numbers of configured nodes are below.
const firstNumber = 10_000;

/** Follows Node objects: the mark comes, a kubelet starts; the mark or the object goes, it loses its power. */
class MarkedNodes implements Service {
  readonly name = 'marked nodes';
  readonly #context: ControlPlaneContext;
  readonly #log: Log;
  readonly #configured: ReadonlySet<string>;
  readonly #running = new Map<string, { readonly uid: string; readonly stop: AbortController }>();
  readonly #ends = new Set<Promise<void>>();
  #count = 0;

  constructor(context: ControlPlaneContext) {
    this.#context = context;
    this.#log = context.log.with({ part: 'kubelet' });
    this.#configured = new Set(Array.from({ length: context.config.simulatedNodes }, (_, i) => nodeNameOf(i)));
  }

  /** Of several control planes one simulates. */
  async run(signal: AbortSignal): Promise<void> {
    const { config, clock, random } = this.#context;
    if (!(config.leaderElect ?? config.store?.type === 'etcd')) return this.#follow(signal);
    const client = this.#context.client({ userAgent: 'leader-election' });
    const election = {
      client,
      name: 'k8ts-simulated-nodes',
      identity: randomUuid(random),
      clock,
      random,
      log: this.#log,
    };
    await runAsLeader(election, signal, term => this.#follow(term));
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#context;
    const client = this.#context.client({ userAgent: 'kubelet' });
    const informers = createInformerFactory(client, { clock, random, log: this.#log });
    const nodes = informers.informer<Node>(coreV1.nodes);
    const look = (node: Node) => this.#look(node, informers, signal);
    const remove = nodes.addHandler({ onAdd: look, onUpdate: look, onDelete: node => this.#stop(node.metadata.name) });
    await Promise.all([informers.run(signal), aborted(signal)]);
    remove();
    await Promise.all(this.#ends);
  }

  #look(node: Node, informers: InformerFactory, signal: AbortSignal): void {
    const { name, uid } = node.metadata;
    if (this.#configured.has(name)) return;
    const running = this.#running.get(name);
    if (running && (running.uid !== uid || !isSimulated(node))) this.#stop(name);
    if (!isSimulated(node) || this.#running.has(name) || signal.aborted) return;
    if (hasAgent(node)) {
      this.#log.warn('a node with an agent of its own is not simulated', { node: name });
      return;
    }
    const stop = new AbortController();
    this.#running.set(name, { uid, stop });
    const end = this.#simulate(node, informers, AbortSignal.any([signal, stop.signal]))
      .catch(error => this.#log.warn('a simulated node failed', { node: name, error }))
      .finally(() => {
        this.#ends.delete(end);
        if (this.#running.get(name)?.stop === stop) this.#running.delete(name);
      });
    this.#ends.add(end);
  }

  #stop(name: string): void {
    this.#running.get(name)?.stop.abort();
    this.#running.delete(name);
  }

  async #simulate(node: Node, shared: InformerFactory, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#context;
    const number = firstNumber + this.#count++;
    const { SimulatedNode } = await import('../simulated-nodes.ts');
    if (signal.aborted) return;
    const client = this.#context.client({ userAgent: `kubelet/${node.metadata.name}` });
    const own = createInformerFactory(client, { clock, random, log: this.#log });
    // Its pods and its Node leave with it; services are the same for all.
    const informers: InformerFactory = {
      ...{ run: s => own.run(s), whenSynced: s => own.whenSynced(s) },
      informer: (resource, options): Informer<any> =>
        (resource.resource === 'services' ? shared : own).informer(resource, options),
    };
    const kubelet = new SimulatedNode(this.#context, machineOf(node, number), this.#log, informers);
    // Without its mark it is gone at once, as without power.
    signal.addEventListener('abort', () => kubelet.lose(), { once: true });
    await runAll([kubelet, { name: 'informers', run: s => own.run(s) }], signal);
  }
}

/** Somebody else has reported a machine. */
function hasAgent({ status }: Node): boolean {
  const { osImage, kubeletVersion } = status?.nodeInfo ?? {};
  return !!kubeletVersion && osImage !== 'simulated';
}

/** As large as the object says, where it says anything. */
function machineOf({ metadata, status }: Node, number: number): SimulatedMachine {
  const given = status?.addresses?.find(a => a.type === 'InternalIP')?.address;
  const { cpu, memory, pods } = status?.capacity ?? {};
  const amount = (text: string) => parseQuantity(text).toNumber();
  return {
    name: metadata.name,
    number,
    address: given ?? hostAddress(addresses, number),
    ...(cpu ? { cores: amount(cpu) } : {}),
    ...(memory ? { memoryBytes: amount(memory) } : {}),
    ...(pods ? { maxPods: amount(pods) } : {}),
  };
}
