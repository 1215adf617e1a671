// Cluster IPs and node ports given out, by Kubernetes' names.
import { CellCounter } from '../../base/metric-cells.ts';
import type { Metrics, Sample } from '../../base/metrics.ts';

interface Range {
  readonly used: number;
  readonly free: number;
}

/** What there is to give out. */
export interface AllocationState {
  readonly cidrs: readonly (Range & { readonly cidr: string })[];
  readonly ports: Range;
}

/** Asked for by number, or whatever is free. */
export type Scope = 'static' | 'dynamic';

export class AllocationCounts {
  /** Known from the first service on that is written here. */
  state: AllocationState | undefined;
  readonly #counters: Readonly<Record<'ip' | 'port', Record<'done' | 'failed', CellCounter>>>;

  constructor(metrics: Metrics) {
    const counters = (kind: string, what: string) => ({
      done: new CellCounter(
        metrics,
        `kube_apiserver_${kind}_allocator_allocation_total`,
        `[ALPHA] Number of ${what} allocations`,
      ),
      failed: new CellCounter(
        metrics,
        `kube_apiserver_${kind}_allocator_allocation_errors_total`,
        `[ALPHA] Number of errors trying to allocate ${what}`,
      ),
    });
    this.#counters = { ip: counters('clusterip', 'Cluster IPs'), port: counters('nodeport', 'NodePort') };
    const gauge = (name: string, help: string, read: (state: AllocationState) => Sample[]) =>
      metrics.source(`kube_apiserver_${name}`, `[ALPHA] ${help}`, 'gauge', () => (this.state ? read(this.state) : []));
    const ranges = (read: (range: Range) => number) => (state: AllocationState) =>
      state.cidrs.map(range => ({ labels: { cidr: range.cidr }, value: read(range) }));
    const ports = (read: (range: Range) => number) => (state: AllocationState) => [
      { labels: {}, value: read(state.ports) },
    ];
    gauge(
      'clusterip_allocator_allocated_ips',
      'Gauge measuring the number of allocated IPs for Services',
      ranges(r => r.used),
    );
    gauge(
      'clusterip_allocator_available_ips',
      'Gauge measuring the number of available IPs for Services',
      ranges(r => r.free),
    );
    gauge(
      'nodeport_allocator_allocated_ports',
      'Gauge measuring the number of allocated NodePorts for Services',
      ports(r => r.used),
    );
    gauge(
      'nodeport_allocator_available_ports',
      'Gauge measuring the number of available NodePorts for Services',
      ports(r => r.free),
    );
  }

  /** `cidr`: of an address, the range it is of. */
  count(what: 'ip' | 'port', result: 'done' | 'failed', scope: Scope, cidr = ''): void {
    this.#counters[what][result].add(
      `${cidr} ${scope}`,
      (): Record<string, string> => (what === 'ip' ? { cidr, scope } : { scope }),
    );
  }
}
