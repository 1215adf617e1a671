// From one service port and its endpoints to rules. Pure.
import { endpointMapOf, maxSharedEndpoints, type SharedKind, sharedChain } from './base-rules.ts';
import { type Choice, chooseEndpoints, type NodePlace, type ProxyEndpoint } from './endpoint.ts';
import { type Chain, type Contribution, type DynamicSet, type Element, type Family, wordsOf } from './rule-set.ts';
import type { ServicePortInfo } from './service-port.ts';

export interface PlanContext extends NodePlace {
  readonly family: Family;
  readonly podCidrs: readonly string[];
}

/** `all` are the port's endpoints of this family. */
export function planServicePort(
  info: ServicePortInfo,
  all: readonly ProxyEndpoint[],
  context: PlanContext,
): Contribution {
  return new PortPlan(info, chooseEndpoints(all, info, context), context).make();
}

class PortPlan {
  readonly #info: ServicePortInfo;
  readonly #choice: Choice;
  readonly #context: PlanContext;
  readonly #protocol: string;
  readonly #elements: Element[] = [];
  readonly #chains = new Map<string, Chain>();
  readonly #sets = new Map<string, DynamicSet>();

  constructor(info: ServicePortInfo, choice: Choice, context: PlanContext) {
    this.#info = info;
    this.#choice = choice;
    this.#context = context;
    this.#protocol = info.protocol.toLowerCase();
  }

  make(): Contribution {
    const { clusterIp, externalIps, loadBalancerIps, nodePort, port } = this.#info;
    if (clusterIp) {
      this.#elements.push({ set: 'cluster-ips', key: clusterIp });
      this.#internal(`${clusterIp} . ${this.#protocol} . ${port}`);
    }
    for (const ip of new Set([...externalIps, ...loadBalancerIps]))
      this.#external('ips', `${ip} . ${this.#protocol} . ${port}`);
    if (nodePort) this.#external('nodeports', `${this.#protocol} . ${nodePort}`);
    this.#firewall();
    this.#hairpin();
    return { elements: this.#elements, chains: [...this.#chains.values()], sets: [...this.#sets.values()] };
  }

  #internal(key: string): void {
    const { internalLocal } = this.#info;
    const endpoints = internalLocal ? this.#choice.local : this.#choice.cluster;
    if (endpoints.length === 0) this.#unserved('no-endpoint-services', key);
    else if (this.#isPlain(endpoints)) this.#spread('service-ips', key, endpoints, 'cluster');
    else this.#verdict('service-ips', key, `goto ${this.#policyChain(internalLocal ? 'local' : 'cluster')}`);
  }

  /** Nothing but a choice of few endpoints. */
  #isPlain(endpoints: readonly ProxyEndpoint[]): boolean {
    return this.#info.affinitySeconds === undefined && endpoints.length <= maxSharedEndpoints;
  }

  #external(where: 'ips' | 'nodeports', key: string): void {
    const { externalLocal } = this.#info;
    const { local, cluster, any } = this.#choice;
    const endpoints = externalLocal ? local : cluster;
    const found = where === 'ips' ? 'service-ips' : 'service-nodeports';
    if (endpoints.length === 0) this.#unserved(where === 'ips' ? 'no-endpoint-services' : 'no-endpoint-nodeports', key);
    if (externalLocal ? any : endpoints.length > 0 && !this.#isPlain(endpoints))
      this.#verdict(found, key, `goto ${this.#externalChain()}`);
    else if (endpoints.length > 0) this.#spread(found, key, endpoints, where === 'ips' ? 'external' : 'nodeport');
  }

  #verdict(set: string, key: string, data: string): void {
    this.#elements.push({ set, key, data });
  }

  // Endpoints elsewhere: the sender should try another node, so nothing tells it that nobody is there.
  #unserved(set: string, key: string): void {
    this.#verdict(set, key, this.#choice.any ? 'drop' : 'goto reject-chain');
  }

  /** Through a chain that all services with as many endpoints share, and one map element an endpoint. */
  #spread(found: string, key: string, endpoints: readonly ProxyEndpoint[], kind: SharedKind): void {
    this.#verdict(found, key, `goto ${sharedChain(kind, endpoints.length)}`);
    endpoints.forEach((e, i) => {
      this.#verdict(endpointMapOf(kind), `${key} . ${i}`, `${e.address} . ${e.port}`);
    });
  }

  #chain(name: string, rules: readonly string[]): void {
    this.#chains.set(name, { name, rules });
  }

  /** Where external traffic with affinity or policy Local is sorted by where it comes from. */
  #externalChain(): string {
    const name = chainName('external', this.#info.id);
    if (this.#chains.has(name)) return name;
    const { address } = wordsOf(this.#context.family);
    if (!this.#info.externalLocal) {
      this.#chain(name, ['jump mark-for-masquerade', `goto ${this.#policyChain('cluster')}`]);
      return name;
    }
    const rules: string[] = [];
    if (this.#choice.cluster.length > 0) {
      const { podCidrs } = this.#context;
      const cluster = this.#policyChain('cluster');
      // Pods and the node itself need no balancer's detour.
      if (podCidrs.length > 0) rules.push(`${address} saddr { ${podCidrs.join(', ')} } goto ${cluster}`);
      rules.push('fib saddr type local jump mark-for-masquerade', `fib saddr type local goto ${cluster}`);
    }
    if (this.#choice.local.length > 0) rules.push(`goto ${this.#policyChain('local')}`);
    this.#chain(name, rules);
    return name;
  }

  #policyChain(policy: 'cluster' | 'local'): string {
    const name = chainName(policy, this.#info.id);
    if (this.#chains.has(name)) return name;
    const endpoints = policy === 'cluster' ? this.#choice.cluster : this.#choice.local;
    const seconds = this.#info.affinitySeconds;
    if (seconds !== undefined) {
      this.#chain(name, this.#affinityRules(endpoints, seconds));
      return name;
    }
    const { table } = wordsOf(this.#context.family);
    const targets = endpoints.map((e, i) => `${i} : ${e.address} . ${e.port}`).join(', ');
    const pick = `numgen random mod ${endpoints.length} map { ${targets} }`;
    this.#chain(name, [`meta l4proto ${this.#protocol} dnat ${table} to ${pick}`]);
    return name;
  }

  /** Who was here before goes where it went before; the others anywhere, which is remembered. */
  #affinityRules(endpoints: readonly ProxyEndpoint[], seconds: number): string[] {
    const { address, type, table } = wordsOf(this.#context.family);
    const remembered: string[] = [];
    const targets: string[] = [];
    endpoints.forEach((e, i) => {
      const id = `${this.#info.id}/${e.address.replaceAll(':', '.')}/${e.port}`;
      const set = chainName('affinity', `${id}/${seconds}`);
      const chain = chainName('endpoint', id);
      this.#sets.set(set, {
        name: set,
        declaration: `type ${type}; flags dynamic,timeout; timeout ${seconds}s; size 65535;`,
      });
      const target = this.#context.family === 4 ? `${e.address}:${e.port}` : `[${e.address}]:${e.port}`;
      this.#chain(chain, [
        `update @${set} { ${address} saddr }`,
        `meta l4proto ${this.#protocol} dnat ${table} to ${target}`,
      ]);
      remembered.push(`${address} saddr @${set} goto ${chain}`);
      targets.push(`${i} : goto ${chain}`);
    });
    return [...remembered, `numgen random mod ${endpoints.length} vmap { ${targets.join(', ')} }`];
  }

  #firewall(): void {
    const { sourceRanges, loadBalancerIps, port, id } = this.#info;
    if (sourceRanges.length === 0 || loadBalancerIps.length === 0) return;
    const name = chainName('firewall', id);
    const { address } = wordsOf(this.#context.family);
    this.#chain(name, sourceRanges.map(r => `${address} saddr ${r} return`).concat('drop'));
    for (const ip of new Set(loadBalancerIps))
      this.#verdict('firewall-ips', `${ip} . ${this.#protocol} . ${port}`, `goto ${name}`);
  }

  // A pod that reaches itself through a service must see another address than its own, or it would answer itself.
  #hairpin(): void {
    const own = new Set([...this.#choice.cluster, ...this.#choice.local].filter(e => e.local).map(e => e.address));
    for (const address of own) this.#elements.push({ set: 'hairpin-endpoints', key: `${address} . ${address}` });
  }
}

const maxNameBytes = 120;

/** Unique and readable; nft takes letters, digits and a few signs. */
export function chainName(kind: string, id: string): string {
  return `${kind}-${hash(id)}-${id.replace(/[^\w./-]/g, '.')}`.slice(0, maxNameBytes);
}

// FNV-1a twice with different starts: 64 bits.
function hash(text: string): string {
  let [a, b] = [0x811c9dc5, 0x01000193];
  for (let i = 0; i < text.length; i++) {
    a = Math.imul(a ^ text.charCodeAt(i), 0x01000193) >>> 0;
    b = Math.imul(b ^ text.charCodeAt(i), 0x85ebca6b) >>> 0;
  }
  return a.toString(16).padStart(8, '0') + b.toString(16).padStart(8, '0');
}
