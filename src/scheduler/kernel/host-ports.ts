import type { Container, Pod } from '../../api/type/core-v1.ts';

export interface HostPort {
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

const anyAddress = '0.0.0.0';

/** The ports of the node that the pod wants, of containers and sidecars. */
export function hostPortsOf(pod: Pod): readonly HostPort[] {
  const { containers, initContainers = [] } = pod.spec;
  const out: HostPort[] = [];
  const collect = (c: Container) => {
    for (const p of c.ports ?? [])
      if (p.hostPort) out.push({ ip: p.hostIP || anyAddress, protocol: p.protocol || 'TCP', port: p.hostPort });
  };
  containers.forEach(collect);
  for (const c of initContainers) if (c.restartPolicy === 'Always') collect(c);
  return out;
}

/** Ports in use on a node. Which pod uses one does not matter; two that share one count twice. */
export class HostPortSet {
  readonly #byPort: Map<string, Map<string, number>>;

  constructor(from?: HostPortSet) {
    this.#byPort = new Map();
    if (from) for (const [k, v] of from.#byPort) this.#byPort.set(k, new Map(v));
  }

  add(p: HostPort): void {
    const ips = this.#byPort.getOrInsertComputed(`${p.protocol}/${p.port}`, () => new Map());
    ips.set(p.ip, (ips.get(p.ip) ?? 0) + 1);
  }

  remove(p: HostPort): void {
    const key = `${p.protocol}/${p.port}`;
    const ips = this.#byPort.get(key);
    const count = ips?.get(p.ip);
    if (!ips || !count) return;
    if (count > 1) ips.set(p.ip, count - 1);
    else ips.delete(p.ip);
    if (ips.size === 0) this.#byPort.delete(key);
  }

  /** A port on any address conflicts with the same port on every address. */
  conflicts(p: HostPort): boolean {
    const ips = this.#byPort.get(`${p.protocol}/${p.port}`);
    if (!ips) return false;
    return p.ip === anyAddress || ips.has(anyAddress) || ips.has(p.ip);
  }
}
