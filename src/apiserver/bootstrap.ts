// Objects every cluster has from its first start.
import type { Draft, KubeObject } from '../api/meta.ts';
import type { ResourceRef } from '../api/ref.ts';
import { coreV1, networkingV1, schedulingV1 } from '../api/refs.ts';
import { isAlreadyExists } from '../api/status.ts';
import type { Client } from '../client/client.ts';
import type { FrontProxyOptions } from './authn/front-proxy.ts';

export interface BootstrapOptions {
  readonly serviceCidrs: readonly string[];
  /** PEM of the CA whose client certificates are believed. */
  readonly clientCa: string;
  /** PEM of the CA of front proxies. */
  readonly frontProxyCa?: string | undefined;
  /** How a proxy in front names users. */
  readonly requestHeader?: FrontProxyOptions | undefined;
}

export const systemNamespaces = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

/** Creates the namespaces that are missing. */
export async function ensureNamespaces(client: Client): Promise<void> {
  await Promise.all(systemNamespaces.map(name => ensureObject(client, coreV1.namespaces, { metadata: { name } })));
}

async function ensureObject<T extends KubeObject>(client: Client, resource: ResourceRef<T>, object: Draft<T>) {
  try {
    await client.create(resource, object);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}

/** Creates what is missing; leaves alone what exists. */
export async function bootstrapObjects(client: Client, options: BootstrapOptions): Promise<void> {
  const ensure = <T extends KubeObject>(resource: ResourceRef<T>, object: Draft<T>) =>
    ensureObject(client, resource, object);
  await ensureNamespaces(client);
  await Promise.all([
    ensure(schedulingV1.priorityclasses, {
      metadata: { name: 'system-node-critical' },
      value: 2_000_001_000,
      globalDefault: false,
      description: 'Used for system critical pods that must not be moved from their current node.',
    }),
    ensure(schedulingV1.priorityclasses, {
      metadata: { name: 'system-cluster-critical' },
      value: 2_000_000_000,
      globalDefault: false,
      description:
        'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
    }),
    ensure(networkingV1.servicecidrs, { metadata: { name: 'kubernetes' }, spec: { cidrs: [...options.serviceCidrs] } }),
    ensureAuthentication(client, options),
  ]);
}

/** What aggregated API servers need to know to believe this one: kept current. */
async function ensureAuthentication(
  client: Client,
  { clientCa, frontProxyCa, requestHeader = {} }: BootstrapOptions,
): Promise<void> {
  const key = { namespace: 'kube-system', name: 'extension-apiserver-authentication' };
  const list = (names: readonly string[] | undefined, ...otherwise: string[]) => JSON.stringify(names ?? otherwise);
  const data: Record<string, string> = {
    'client-ca-file': clientCa,
    ...(frontProxyCa
      ? {
          'requestheader-allowed-names': list(requestHeader.allowedNames, 'front-proxy-client'),
          'requestheader-client-ca-file': frontProxyCa,
          'requestheader-extra-headers-prefix': list(requestHeader.extraHeadersPrefixes, 'X-Remote-Extra-'),
          'requestheader-group-headers': list(requestHeader.groupHeaders, 'X-Remote-Group'),
          'requestheader-uid-headers': list(requestHeader.uidHeaders, 'X-Remote-Uid'),
          'requestheader-username-headers': list(requestHeader.usernameHeaders, 'X-Remote-User'),
        }
      : {}),
  };
  try {
    await client.create(coreV1.configmaps, { metadata: key, data });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    const current = await client.get(coreV1.configmaps, key);
    if (Object.entries(data).every(([name, value]) => current.data?.[name] === value)) return;
    await client.patch(coreV1.configmaps, key, { type: 'merge', body: { data } });
  }
}
