// Says on the node's own object that its agent serves DNS: only such nodes are endpoints of the cluster's DNS address.
import { coreV1 } from '../api/refs.ts';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Service } from '../base/lifecycle.ts';
import type { Log } from '../base/log.ts';
import type { Client } from '../client/client.ts';
import type { InformerFactory } from '../client/informer.ts';
import { servesDns, servesDnsAnnotation } from '../dns/kernel/slice-plan.ts';
import { watchOwnNode } from './own-node.ts';

export interface DnsAnnouncementOptions {
  readonly nodeName: string;
  /** May patch the node. */
  readonly client: Client;
  /** May watch it. */
  readonly informers: InformerFactory;
  readonly clock: Clock;
  readonly log: Log;
}

const retryMs = 5_000;

export function createDnsAnnouncement(options: DnsAnnouncementOptions): Service {
  const { nodeName: name, client, informers, clock, log } = options;
  const body = { metadata: { annotations: { [servesDnsAnnotation]: 'true' } } };
  let busy = false;
  const announce = async (signal: AbortSignal) => {
    busy = true;
    while (!signal.aborted) {
      try {
        await client.patch(coreV1.nodes, { name }, { type: 'merge', body });
        break;
      } catch (error) {
        log.warn('telling that the node serves DNS failed; trying again', { error: messageOf(error) });
        await clock.sleep(retryMs, signal).catch(() => {});
      }
    }
    busy = false;
  };
  return {
    name: 'DNS announcement',
    run: signal =>
      watchOwnNode(informers, name, signal, node => {
        if (!busy && !servesDns(node)) void announce(signal);
      }),
  };
}
