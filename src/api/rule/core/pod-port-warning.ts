// Ports of containers that run together.
import type { FieldPath } from '../../field-error.ts';
import type { Container, ContainerPort, PodSpec } from '../../type/core-v1.ts';
import { mostWarnings } from './warning-limit.ts';

interface Placed {
  readonly port: ContainerPort;
  readonly at: FieldPath;
  readonly order: number;
}

/** Init containers that end before the next begins share nothing with it. */
export function portWarnings(spec: PodSpec, at: FieldPath): string[] {
  const ports = portsOf(spec, at);
  if (ports.length === 0) return [];
  const out: string[] = [];
  const numbers = new PortIndex();
  const names = new Map<string, FieldPath>();
  for (const placed of ports) {
    if (out.length >= mostWarnings) break;
    if (ports.length > 1) warnOfPort(placed, numbers, out);
    warnOfHost(placed, out);
    warnOfName(placed, names, out);
  }
  return out;
}

function portsOf(spec: PodSpec, at: FieldPath): Placed[] {
  const ports: Placed[] = [];
  for (const list of ['initContainers', 'containers'] as const) {
    const containers: readonly Container[] = spec[list] ?? [];
    for (let i = 0; i < containers.length; i++) {
      const container = containers[i]!;
      if (!container.ports?.length || (list === 'initContainers' && container.restartPolicy !== 'Always')) continue;
      const here = at.child(list).index(i).child('ports');
      for (const [j, port] of container.ports.entries()) ports.push({ port, at: here.index(j), order: ports.length });
    }
  }
  return ports;
}

const hostOf = ({ hostPort, hostIP }: ContainerPort) => ({ host: hostPort ?? 0, ip: hostIP ?? '' });

/** Ports by what they may be taken for: those of one number and protocol may be as many as a request holds. */
class PortIndex {
  readonly #lists = new Map<string, Placed[]>();

  /** Those so far that mean the same or might, in order. */
  related(port: ContainerPort): readonly Placed[] {
    const { host, ip } = hostOf(port);
    const of = (...more: (string | number)[]) => this.#lists.get(keyOf(port, ...more)) ?? [];
    if (host === 0) return of();
    const beside = ip === '' ? of(host) : [...of(host, ip), ...of(host, '')];
    return [...of(0), ...beside].sort((a, b) => a.order - b.order);
  }

  add(placed: Placed): void {
    const { host, ip } = hostOf(placed.port);
    for (const key of [keyOf(placed.port), keyOf(placed.port, host), keyOf(placed.port, host, ip)])
      this.#lists.getOrInsertComputed(key, () => []).push(placed);
  }
}

const keyOf = ({ protocol = 'TCP', containerPort }: ContainerPort, ...more: (string | number)[]): string =>
  [protocol, containerPort, ...more].join('/');

function warnOfPort(placed: Placed, numbers: PortIndex, out: string[]): void {
  const { port, at } = placed;
  for (const other of numbers.related(port).slice(0, mostWarnings - out.length))
    out.push(`${at}: ${relationOf(port, other.port)} port definition with ${other.at}`);
  numbers.add(placed);
}

/** Of two that are related. */
function relationOf(port: ContainerPort, other: ContainerPort): string {
  const [a, b] = [hostOf(port), hostOf(other)];
  if (a.host === b.host && a.ip === b.ip) return 'duplicate';
  return a.host === 0 || b.host === 0 ? 'overlapping' : 'dangerously ambiguous';
}

function warnOfHost({ port, at }: Placed, out: string[]): void {
  if (port.hostIP && !port.hostPort)
    out.push(
      `${at}: hostIP set without hostPort: {Name:${port.name ?? ''} HostPort:0 ContainerPort:${port.containerPort} Protocol:${port.protocol ?? ''} HostIP:${port.hostIP}}`,
    );
}

/** Names that two ports of one container have are refused. */
function warnOfName({ port: { name }, at }: Placed, names: Map<string, FieldPath>, out: string[]): void {
  if (!name) return;
  const before = names.get(name);
  if (before === undefined) names.set(name, at);
  else
    out.push(
      `${at}: duplicate port name ${JSON.stringify(name)} with ${before}, services and probes that select ports by name will use ${before}`,
    );
}
