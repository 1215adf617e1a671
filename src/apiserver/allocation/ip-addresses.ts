// The IPAddress objects that say which Service holds which cluster IP.
import type { Draft } from '../../api/meta.ts';
import { networkingV1 } from '../../api/refs.ts';
import { isAlreadyExists, isNotFound, StatusError } from '../../api/status.ts';
import type { Service } from '../../api/type/core-v1.ts';
import type { IPAddress } from '../../api/type/networking-v1.ts';
import type { Client } from '../../client/client.ts';
import type { Registry } from '../registry/registry.ts';

export const managedBy = 'ipallocator.k8s.io';

/** The object of an address in its canonical text. */
export function ipAddressOf(ip: string, { metadata }: Service): Draft<IPAddress> {
  return {
    metadata: {
      name: ip,
      labels: {
        'ipaddress.kubernetes.io/ip-family': ip.includes(':') ? 'IPv6' : 'IPv4',
        'ipaddress.kubernetes.io/managed-by': managedBy,
      },
    },
    spec: { parentRef: { group: '', resource: 'services', namespace: metadata.namespace!, name: metadata.name } },
  };
}

export interface IpAddresses {
  /** Whether somebody else's object holds the address. */
  isHeld(ip: string): boolean;
  /** Resolves with false when the address was taken meanwhile. */
  claim(ip: string, service: Service): Promise<boolean>;
  /** Deletes what an allocation for the service made; of another's nothing. */
  giveBack(ip: string, service: Service): Promise<void>;
}

export function ipAddresses(client: Client, registry: Pick<Registry, 'cache'>): IpAddresses {
  return {
    isHeld: ip => registry.cache.latest(ip) !== undefined,
    async claim(ip, service) {
      try {
        await client.create(networkingV1.ipaddresses, ipAddressOf(ip, service));
        return true;
      } catch (error) {
        if (!isAlreadyExists(error)) throw error;
        return false;
      }
    },
    async giveBack(ip, { metadata }) {
      const held = registry.cache.latest(ip)?.object as IPAddress | undefined;
      if (held?.metadata.labels?.['ipaddress.kubernetes.io/managed-by'] !== managedBy) return;
      const { namespace, name } = held.spec?.parentRef ?? {};
      if (namespace !== metadata.namespace || name !== metadata.name) return;
      try {
        await client.delete(networkingV1.ipaddresses, { name: ip });
      } catch (error) {
        // What a failure of the store leaves behind the next repair finds.
        if (!isNotFound(error) && !(error instanceof StatusError)) throw error;
      }
    },
  };
}
