// The `kubernetes` service of namespace default, whose endpoints are the API servers themselves.
import type { Draft } from '../api/meta.ts';
import { coreV1, discoveryV1 } from '../api/refs.ts';
import { deepEqual } from '../api/rule/record.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../api/status.ts';
import type { Endpoints, Service } from '../api/type/core-v1.ts';
import type { EndpointSlice } from '../api/type/discovery-v1.ts';
import type { Client } from '../client/client.ts';

export interface KubernetesServiceOptions {
  /** First address of the service range. */
  readonly clusterIp: string;
  readonly address: string;
  readonly port: number;
}

const key = { namespace: 'default', name: 'kubernetes' };

/** Makes the service and points its endpoints at this server. */
export async function reconcileKubernetesService(client: Client, options: KubernetesServiceOptions): Promise<void> {
  await ensureKubernetesService(client, options);
  await writeKubernetesEndpoints(client, [options.address], options.port);
}

/** Points the service's endpoints at these servers; writes nothing when they are there already. */
export async function writeKubernetesEndpoints(
  client: Client,
  servers: readonly string[],
  port: number,
): Promise<void> {
  // Nothing but its own machine reaches a loopback address, and endpoints may not have one.
  const addresses = servers.filter(address => !isLoopback(address));
  const endpoints: Draft<Endpoints> = {
    metadata: { ...key, labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } },
    subsets: addresses.length
      ? [{ addresses: addresses.map(ip => ({ ip })), ports: [{ name: 'https', port, protocol: 'TCP' }] }]
      : [],
  };
  const slice: Draft<EndpointSlice> = {
    metadata: { ...key, labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: servers[0]?.includes(':') ? 'IPv6' : 'IPv4',
    endpoints: addresses.map(address => ({ addresses: [address], conditions: { ready: true } })),
    ports: [{ name: 'https', port, protocol: 'TCP' }],
  };
  await write(client, coreV1.endpoints, endpoints);
  await write(client, discoveryV1.endpointslices, slice);
}

const isLoopback = (address: string) => address === '::1' || address.startsWith('127.');

/** Makes the service where it is not there. */
export async function ensureKubernetesService(
  client: Client,
  { clusterIp, port }: KubernetesServiceOptions,
): Promise<void> {
  const service: Draft<Service> = {
    metadata: { ...key, labels: { component: 'apiserver', provider: 'kubernetes' } },
    spec: {
      type: 'ClusterIP',
      clusterIP: clusterIp,
      clusterIPs: [clusterIp],
      sessionAffinity: 'None',
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      ports: [{ name: 'https', protocol: 'TCP', port: 443, targetPort: port }],
    },
  };
  try {
    await client.create(coreV1.services, service);
  } catch (error) {
    if (isAlreadyExists(error)) return;
    // Another server, making it at the same time, has its address already.
    await client.get(coreV1.services, key).catch(() => {
      throw error;
    });
  }
}

async function write(
  client: Client,
  resource: typeof coreV1.endpoints | typeof discoveryV1.endpointslices,
  wanted: object,
): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      const current = await client.get<never>(resource as never, key);
      const { metadata } = current as { metadata: { resourceVersion: string } };
      if (sameTargets(current, wanted)) return;
      await client.update(
        resource as never,
        {
          ...wanted,
          metadata: { ...(wanted as { metadata: object }).metadata, resourceVersion: metadata.resourceVersion },
        } as never,
      );
      return;
    } catch (error) {
      if (isConflict(error) && tries < 5) continue;
      if (!isNotFound(error)) throw error;
      await client.create(resource as never, wanted as never);
      return;
    }
  }
}

/** What an update would not change; the API server adds nothing to these fields. */
function sameTargets(current: object, wanted: object): boolean {
  const of = (object: object) => {
    const { subsets, endpoints, ports, addressType } = object as Record<string, unknown>;
    return [(subsets as [] | undefined)?.length ? subsets : [], endpoints ?? [], ports, addressType];
  };
  return deepEqual(of(current), of(wanted));
}
