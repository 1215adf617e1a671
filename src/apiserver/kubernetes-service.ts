// The `kubernetes` service of namespace default, whose endpoints are the API servers themselves.
import type { Draft } from '../api/meta.ts';
import { coreV1, discoveryV1 } from '../api/refs.ts';
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
  await ensureService(client, options);
  // Nothing but this machine reaches a loopback address, and endpoints may not have one.
  const reachable = !isLoopback(options.address);
  const endpoints: Draft<Endpoints> = {
    metadata: { ...key, labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } },
    subsets: reachable
      ? [{ addresses: [{ ip: options.address }], ports: [{ name: 'https', port: options.port, protocol: 'TCP' }] }]
      : [],
  };
  const slice: Draft<EndpointSlice> = {
    metadata: { ...key, labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: options.address.includes(':') ? 'IPv6' : 'IPv4',
    endpoints: reachable ? [{ addresses: [options.address], conditions: { ready: true } }] : [],
    ports: [{ name: 'https', port: options.port, protocol: 'TCP' }],
  };
  await write(client, coreV1.endpoints, endpoints);
  await write(client, discoveryV1.endpointslices, slice);
}

const isLoopback = (address: string) => address === '::1' || address.startsWith('127.');

async function ensureService(client: Client, { clusterIp, port }: KubernetesServiceOptions): Promise<void> {
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
    if (!isAlreadyExists(error)) throw error;
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
