import type { Service } from '../../api/type/core-v1.ts';

export interface EnvPair {
  readonly name: string;
  readonly value: string;
}

const variable = (name: string) => name.toUpperCase().replace(/[-.]/g, '_');
const hostPort = (ip: string, port: number) => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`);

const hasClusterIp = (s: Service) => !!s.spec?.clusterIP && s.spec.clusterIP !== 'None';

/** Docker-link style variables: the services of the pod's namespace, and always default/kubernetes. */
export function serviceEnv(services: readonly Service[], namespace: string, links: boolean): readonly EnvPair[] {
  const chosen = new Map<string, Service>();
  for (const s of services) {
    if (!hasClusterIp(s)) continue;
    const name = s.metadata.name ?? '';
    const master = s.metadata.namespace === 'default' && name === 'kubernetes';
    if (master && !chosen.has(name)) chosen.set(name, s);
    else if (s.metadata.namespace === namespace && links) chosen.set(name, s);
  }
  return [...chosen.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([name, s]) => envOf(variable(name), s));
}

function envOf(prefix: string, service: Service): readonly EnvPair[] {
  const ip = service.spec?.clusterIP ?? '';
  const ports = service.spec?.ports ?? [];
  const [first] = ports;
  if (!first) return [{ name: `${prefix}_SERVICE_HOST`, value: ip }];
  const url = (p: { readonly protocol?: string; readonly port: number }) =>
    `${(p.protocol ?? 'TCP').toLowerCase()}://${hostPort(ip, p.port)}`;
  const out: EnvPair[] = [
    { name: `${prefix}_SERVICE_HOST`, value: ip },
    { name: `${prefix}_SERVICE_PORT`, value: String(first.port) },
  ];
  for (const p of ports)
    if (p.name) out.push({ name: `${prefix}_SERVICE_PORT_${variable(p.name)}`, value: String(p.port) });
  out.push({ name: `${prefix}_PORT`, value: url(first) });
  for (const p of ports) {
    const protocol = p.protocol ?? 'TCP';
    const base = `${prefix}_PORT_${p.port}_${protocol}`;
    out.push(
      { name: base, value: url(p) },
      { name: `${base}_PROTO`, value: protocol.toLowerCase() },
      { name: `${base}_PORT`, value: String(p.port) },
      { name: `${base}_ADDR`, value: ip },
    );
  }
  return out;
}
