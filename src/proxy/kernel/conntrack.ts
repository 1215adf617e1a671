// Which UDP connections the kernel remembers lead to endpoints that are gone. Pure.
import type { ProxyEndpoint } from './endpoint.ts';
import type { ServicePortInfo } from './service-port.ts';

/** `10.96.0.10 53` (or ` 30053` for a node port) to the endpoints that may answer, `10.8.0.2 53`. */
export type UdpFrontends = ReadonlyMap<string, ReadonlySet<string>>;

export interface Flow {
  readonly destination: string;
  readonly port: number;
  /** Who answers. */
  readonly endpoint: string;
  readonly endpointPort: number;
}

/** A service's UDP ports. Endpoints that still serve keep their connections, chosen or not. */
export function udpFrontends(info: ServicePortInfo, all: readonly ProxyEndpoint[]): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  if (info.protocol !== 'UDP') return found;
  const endpoints = new Set(all.filter(e => e.ready || e.serving).map(e => `${e.address} ${e.port}`));
  const own = info.clusterIp ? [info.clusterIp] : [];
  for (const ip of [...own, ...info.externalIps, ...info.loadBalancerIps]) found.set(`${ip} ${info.port}`, endpoints);
  if (info.nodePort) found.set(` ${info.nodePort}`, endpoints);
  return found;
}

/** True when a remembered connection may have become wrong: an endpoint is gone, or the first one is there. */
export function needsCleaning(before: UdpFrontends | undefined, now: UdpFrontends): boolean {
  for (const [frontend, endpoints] of before ?? []) {
    const left = now.get(frontend);
    if (!left || [...endpoints].some(e => !left.has(e))) return true;
  }
  for (const [frontend, endpoints] of now) if (endpoints.size > 0 && !before?.get(frontend)?.size) return true;
  return false;
}

/** Lines of `conntrack -L -p udp`: original source and destination, then the reply's. */
export function parseFlows(text: string): Flow[] {
  const flows: Flow[] = [];
  for (const line of text.split('\n')) {
    const values = (name: string) => [...line.matchAll(new RegExp(`\\b${name}=(\\S+)`, 'g'))].map(m => m[1]!);
    const [, replySource] = values('src');
    const [destination] = values('dst');
    const [, replyPort] = values('sport');
    const [port] = values('dport');
    if (!replySource || !destination || !replyPort || !port) continue;
    flows.push({ destination, port: Number(port), endpoint: replySource, endpointPort: Number(replyPort) });
  }
  return flows;
}

/** One of each kind that has to go; `frontends` are those of all services, those of gone ones with no endpoints. */
export function staleFlows(
  flows: readonly Flow[],
  frontends: UdpFrontends,
  nodePortAddresses: ReadonlySet<string>,
): Flow[] {
  const stale = new Map<string, Flow>();
  for (const flow of flows) {
    const endpoints =
      frontends.get(`${flow.destination} ${flow.port}`) ??
      (nodePortAddresses.has(flow.destination) ? frontends.get(` ${flow.port}`) : undefined);
    if (!endpoints || endpoints.has(`${flow.endpoint} ${flow.endpointPort}`)) continue;
    stale.set(Object.values(flow).join(), flow);
  }
  return [...stale.values()];
}

/** Arguments of the `conntrack` command that forgets them. */
export const forgetArguments = (flow: Flow): string[] => [
  ...['-D', '-p', 'udp', '-f', flow.destination.includes(':') ? 'ipv6' : 'ipv4'],
  ...['--orig-dst', flow.destination, '--orig-port-dst', String(flow.port)],
  ...['--reply-src', flow.endpoint, '--reply-port-src', String(flow.endpointPort)],
];
