// Services and their slices as they come, and what follows from them for rules, health checks and remembered connections.
// Pure: one object at a time in, contributions out.
import { keyOf } from '../../api/meta.ts';
import type { Service } from '../../api/type/core-v1.ts';
import type { EndpointSlice } from '../../api/type/discovery-v1.ts';
import { udpFrontends } from './conntrack.ts';
import { chooseEndpoints, endpointsOf } from './endpoint.ts';
import { type PlanContext, planServicePort } from './plan-service.ts';
import { type Contribution, type Family, nothing } from './rule-set.ts';
import { merge } from './rule-table.ts';
import { healthCheckPortOf, isProxied, servicePortsOf } from './service-port.ts';

export interface HealthCheck {
  readonly port: number;
  readonly localEndpoints: number;
}

export interface ServicePlan {
  readonly rules: ReadonlyMap<Family, Contribution>;
  readonly udp: ReadonlyMap<string, ReadonlySet<string>>;
  readonly healthCheck: HealthCheck | undefined;
  /** Ports whose policy Local finds nothing on this node though there is something elsewhere. */
  readonly withoutLocal: { readonly internal: number; readonly external: number };
}

const serviceNameLabel = 'kubernetes.io/service-name';
const headlessLabel = 'service.kubernetes.io/headless';
const proxyNameLabel = 'service.kubernetes.io/service-proxy-name';

function withoutExternalIps(service: Service): Service {
  const { externalIPs: _, ...spec } = service.spec;
  return { ...service, spec };
}

export class ServiceMap {
  readonly #services = new Map<string, Service>();
  readonly #slices = new Map<string, Map<string, EndpointSlice>>();
  readonly #externalIps: boolean;

  /** `externalIps`: whether the addresses of elsewhere that services claim lead to them. */
  constructor({ externalIps = true }: { readonly externalIps?: boolean | undefined } = {}) {
    this.#externalIps = externalIps;
  }

  /** The key of the service that has to be planned again; undefined when none. */
  putService(service: Service): string | undefined {
    const key = keyOf(service);
    if (!isProxied(service)) return this.#services.delete(key) ? key : undefined;
    this.#services.set(key, this.#externalIps ? service : withoutExternalIps(service));
    return key;
  }

  deleteService(service: Service): string | undefined {
    const key = keyOf(service);
    return this.#services.delete(key) ? key : undefined;
  }

  putSlice(slice: EndpointSlice): string | undefined {
    const key = serviceKeyOf(slice);
    if (key === undefined) return undefined;
    const slices = this.#slices.get(key) ?? new Map<string, EndpointSlice>();
    slices.set(slice.metadata.name ?? '', slice);
    this.#slices.set(key, slices);
    return this.#services.has(key) ? key : undefined;
  }

  deleteSlice(slice: EndpointSlice): string | undefined {
    const key = serviceKeyOf(slice);
    const slices = key === undefined ? undefined : this.#slices.get(key);
    if (key === undefined || !slices?.delete(slice.metadata.name ?? '')) return undefined;
    if (slices.size === 0) this.#slices.delete(key);
    return this.#services.has(key) ? key : undefined;
  }

  keys(): Iterable<string> {
    return this.#services.keys();
  }

  slicesOf(key: string): Iterable<EndpointSlice> {
    return this.#slices.get(key)?.values() ?? [];
  }

  /** Undefined when there is no such service (any more). */
  plan(key: string, families: readonly Family[], context: Omit<PlanContext, 'family'>): ServicePlan | undefined {
    const service = this.#services.get(key);
    if (!service) return undefined;
    const slices = [...this.slicesOf(key)];
    const rules = new Map<Family, Contribution>();
    const udp = new Map<string, ReadonlySet<string>>();
    const local = new Set<string>();
    const withoutLocal = { internal: 0, external: 0 };
    for (const family of families) {
      const parts = servicePortsOf(service, family).map(info => {
        const all = endpointsOf(slices, info.portName, info.protocol, family, context);
        const choice = chooseEndpoints(all, info, context);
        for (const [frontend, endpoints] of udpFrontends(info, all)) udp.set(frontend, endpoints);
        // What is on its way out still gets what comes, but balancers should send no more.
        if (info.externalLocal) for (const e of choice.local) if (e.ready) local.add(e.address);
        if (choice.any && choice.local.length === 0) {
          if (info.internalLocal) withoutLocal.internal++;
          if (info.externalLocal && info.external) withoutLocal.external++;
        }
        return planServicePort(info, all, { ...context, family, podCidrs: ofFamily(context.podCidrs, family) });
      });
      rules.set(family, parts.length > 0 ? merge(parts) : nothing);
    }
    const port = healthCheckPortOf(service);
    return { rules, udp, withoutLocal, healthCheck: port ? { port, localEndpoints: local.size } : undefined };
  }
}

export const ofFamily = (cidrs: readonly string[], family: Family): string[] =>
  cidrs.filter(c => c.includes(':') === (family === 6));

function serviceKeyOf(slice: EndpointSlice): string | undefined {
  const { labels, namespace } = slice.metadata;
  if (labels?.[headlessLabel] !== undefined || labels?.[proxyNameLabel]) return undefined;
  const name = labels?.[serviceNameLabel];
  return name ? `${namespace}/${name}` : undefined;
}
