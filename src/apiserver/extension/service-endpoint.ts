// Where a service leads: to one of its ready endpoints, found in this server's own caches.
import { StatusError, unavailable } from '../../api/status.ts';
import type { Service } from '../../api/type/core-v1.ts';
import type { EndpointSlice } from '../../api/type/discovery-v1.ts';
import { type ApiContext, registryOf } from '../context.ts';
import { isSimulatedNode } from '../simulated-node.ts';

export interface ServiceReference {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

export const serviceNotFound = (name: string) =>
  new StatusError(404, 'NotFound', `service ${JSON.stringify(name)} not found`, { name, kind: 'service' });

export const noEndpoints = (name: string) => unavailable(`no endpoints available for service ${JSON.stringify(name)}`);

/** Throws 404 or 503 when there is no such service, port or ready endpoint. Several endpoints are used in turn, by chance. */
export function resolveService(context: ApiContext, { namespace, name, port }: ServiceReference): Address {
  const service = serviceOf(context, namespace, name);
  if (!service) throw serviceNotFound(name);
  if (service.spec?.type === 'ExternalName') return { host: service.spec.externalName ?? '', port };
  const found = service.spec?.ports?.find(p => p.port === port);
  if (!found) throw unavailable(`no service port ${port} found for service ${JSON.stringify(name)}`);
  const ready = readyAddresses(context, namespace, name, found.name ?? '');
  if (!ready.length) throw noEndpoints(name);
  return ready[Math.floor(context.random.next() * ready.length)]!;
}

export function serviceOf(context: ApiContext, namespace: string, name: string): Service | undefined {
  return registryOf(context, '', 'services').cache.get(`${namespace}/${name}`)?.object as unknown as
    | Service
    | undefined;
}

export function slicesOf(context: ApiContext, namespace: string, name: string): EndpointSlice[] {
  const found: EndpointSlice[] = [];
  registryOf(context, 'discovery.k8s.io', 'endpointslices')
    .cache.snapshot()
    .scan(`${namespace}/`, undefined, ({ object }) => {
      const slice = object as unknown as EndpointSlice;
      if (slice.metadata.labels?.['kubernetes.io/service-name'] === name) found.push(slice);
      return true;
    });
  return found;
}

/** Addresses that are ready behind the service's port of this name. */
export function readyAddresses(context: ApiContext, namespace: string, name: string, portName: string): Address[] {
  return slicesOf(context, namespace, name).flatMap(slice => {
    const port = slice.ports?.find(p => (p.name ?? '') === portName)?.port;
    if (!port || slice.addressType === 'FQDN') return [];
    const ready = (slice.endpoints ?? []).filter(
      e => e.conditions?.ready !== false && !isSimulatedNode(context, e.nodeName),
    );
    return ready.flatMap(e => e.addresses.map(host => ({ host, port })));
  });
}
