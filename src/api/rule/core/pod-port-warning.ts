// Ports of containers that run together.
import type { FieldPath } from '../../field-error.ts';
import type { Container, ContainerPort, PodSpec } from '../../type/core-v1.ts';

interface Seen {
  readonly port: ContainerPort;
  readonly at: string;
}

/** Init containers that end before the next begins share nothing with it. */
export function portWarnings(spec: PodSpec, at: FieldPath): string[] {
  const out: string[] = [];
  const numbers = new Map<string, Seen[]>();
  const names = new Map<string, string>();
  for (const list of ['initContainers', 'containers'] as const) {
    const containers: readonly Container[] = spec[list] ?? [];
    for (let i = 0; i < containers.length; i++) {
      const { ports, restartPolicy } = containers[i]!;
      if (!ports?.length || (list === 'initContainers' && restartPolicy !== 'Always')) continue;
      for (let j = 0; j < ports.length; j++) {
        const here = at.child(list).index(i).child('ports').index(j).toString();
        warnOfPort({ port: ports[j]!, at: here }, numbers, out);
        warnOfName({ port: ports[j]!, at: here }, names, out);
      }
    }
  }
  return out;
}

function warnOfPort(seen: Seen, numbers: Map<string, Seen[]>, out: string[]): void {
  const { port, at } = seen;
  const id = `${port.protocol ?? 'TCP'}/${port.containerPort}`;
  for (const other of numbers.get(id) ?? []) {
    const relation = relationOf(port, other.port);
    if (relation) out.push(`${at}: ${relation} port definition with ${other.at}`);
  }
  numbers.set(id, [...(numbers.get(id) ?? []), seen]);
  if (port.hostIP && !port.hostPort)
    out.push(
      `${at}: hostIP set without hostPort: {Name:${port.name ?? ''} HostPort:0 ContainerPort:${port.containerPort} Protocol:${port.protocol ?? ''} HostIP:${port.hostIP}}`,
    );
}

/** Of two with one number and protocol; undefined when they mean different ports of the host. */
function relationOf(port: ContainerPort, other: ContainerPort): string | undefined {
  const [host, otherHost] = [port.hostPort ?? 0, other.hostPort ?? 0];
  const [ip, otherIp] = [port.hostIP ?? '', other.hostIP ?? ''];
  if (host === otherHost && ip === otherIp) return 'duplicate';
  if (host === 0 || otherHost === 0) return 'overlapping';
  return host === otherHost && (ip === '') !== (otherIp === '') ? 'dangerously ambiguous' : undefined;
}

/** Names that two ports of one container have are refused. */
function warnOfName({ port: { name }, at }: Seen, names: Map<string, string>, out: string[]): void {
  if (!name) return;
  const before = names.get(name);
  if (before === undefined) names.set(name, at);
  else
    out.push(
      `${at}: duplicate port name ${JSON.stringify(name)} with ${before}, services and probes that select ports by name will use ${before}`,
    );
}
