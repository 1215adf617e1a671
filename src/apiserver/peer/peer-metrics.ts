// Requests that another server of the cluster answered, by Kubernetes' names.
import { CellCounter } from '../../base/metric-cells.ts';
import type { Metrics } from '../../base/metrics.ts';

interface Named {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
}

export interface PeerMetrics {
  rerouted(of: Named, code: number): void;
  failed(of: Named): void;
  unread(): void;
  /** Discovery of this server alone, of all from what was merged before, of all merged anew. */
  counted(what: 'alone' | 'kept' | 'made'): void;
}

export function peerMetrics(metrics: Metrics): PeerMetrics {
  const rerouted = new CellCounter(
    metrics,
    'apiserver_rerouted_request_total',
    `[ALPHA] Total number of requests that were proxied to a peer kube-apiserver because the local apiserver was not capable of serving it, broken down by 'group', 'version', and 'resource' indicating the GVR of the request. If all three are empty (""), the request is a discovery request.`,
  );
  const failed = new CellCounter(
    metrics,
    'apiserver_peer_proxy_errors_total',
    '[ALPHA] Total number of errors encountered while proxying requests to a peer kube apiserver',
  );
  const discovery = (what: string, help: string) => {
    const counter = new CellCounter(metrics, `aggregator_discovery_${what}_total`, `[ALPHA] ${help}`);
    counter.add('', () => ({}), 0);
    return counter;
  };
  const unread = new CellCounter(
    metrics,
    'apiserver_peer_discovery_sync_errors_total',
    '[ALPHA] Total number of errors encountered while syncing discovery information from a peer kube-apiserver',
  );
  const discoveries = {
    alone: discovery(
      'nopeer_requests',
      'Counter of number of times no-peer (non peer-aggregated) discovery was requested',
    ),
    kept: discovery(
      'peer_aggregated_cache_hits',
      'Counter of number of times discovery was served from peer-aggregated cache',
    ),
    made: discovery(
      'peer_aggregated_cache_misses',
      'Counter of number of times discovery was aggregated across all API servers',
    ),
  };
  const keyOf = ({ group, version, resource }: Named) => `${group}/${version}/${resource}`;
  return {
    rerouted: ({ group, version, resource }, code) =>
      rerouted.add(`${keyOf({ group, version, resource })} ${code}`, () => ({
        ...{ code: String(code), group, resource, version },
      })),
    failed: ({ group, version, resource }) =>
      failed.add(keyOf({ group, version, resource }), () => ({ group, resource, type: 'proxy_transport', version })),
    counted: what => discoveries[what].add('', () => ({})),
    unread: () => unread.add('', () => ({ type: 'fetch_discovery' })),
  };
}
