// What the managers of CPUs, memory and topology count, under Kubernetes' names.
import { BucketCounts, bucketSamples } from '../../base/bucket-counts.ts';
import { linearBuckets, type Metrics } from '../../base/metrics.ts';

const counters = {
  cpuPinningRequests: [
    'kubelet_cpu_manager_pinning_requests_total',
    'The number of cpu core allocations which required pinning.',
  ],
  cpuPinningErrors: [
    'kubelet_cpu_manager_pinning_errors_total',
    'The number of cpu core allocations which required pinning failed.',
  ],
  memoryPinningRequests: [
    'kubelet_memory_manager_pinning_requests_total',
    'The number of memory pages allocations which required pinning.',
  ],
  memoryPinningErrors: [
    'kubelet_memory_manager_pinning_errors_total',
    'The number of memory pages allocations which required pinning that failed.',
  ],
  admissionRequests: [
    'kubelet_topology_manager_admission_requests_total',
    'The number of admission requests where resources have to be aligned.',
  ],
  admissionErrors: [
    'kubelet_topology_manager_admission_errors_total',
    'The number of admission request failures where resources could not be aligned.',
  ],
} as const;

export type Counted = keyof typeof counters;
export type Boundary = 'numa_node' | 'physical_cpu' | 'uncore_cache';

export interface CpuFigures {
  readonly sharedMilli: number;
  readonly exclusive: number;
  /** CPUs given out, by NUMA node. */
  readonly byNode: ReadonlyMap<number, number>;
}

export class ManagerMetrics {
  readonly #metrics: Metrics;
  readonly #counts = new Map<Counted, number>();
  readonly #seconds = new BucketCounts(linearBuckets(0, 500, 21).slice(1));

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
    for (const [key, [name, help]] of Object.entries(counters))
      metrics.source(name, `[ALPHA] ${help}`, 'counter', () => [
        { labels: {}, value: this.#counts.get(key as Counted) ?? 0 },
      ]);
    const duration = 'kubelet_topology_manager_admission_duration_ms';
    metrics.source(duration, '[ALPHA] Duration in milliseconds to serve a pod admission request.', 'histogram', () =>
      bucketSamples(duration, {}, this.#seconds),
    );
  }

  count(what: Counted): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }

  admitted(tookMs: number): void {
    this.#seconds.observe(tookMs);
  }

  /** Resources were given out within a boundary, or could not be. */
  aligned(boundary: Boundary, scope: 'container' | 'pod', done: boolean): void {
    const [name, help] = done
      ? [
          'kubelet_container_aligned_compute_resources_count',
          'Cumulative number of aligned compute resources allocated to containers by alignment type.',
        ]
      : [
          'kubelet_container_aligned_compute_resources_failure_count',
          'Cumulative number of failures to allocate aligned compute resources to containers by alignment type.',
        ];
    this.#metrics.counter(name, `[ALPHA] ${help}`, ['boundary', 'scope']).inc({ boundary, scope });
  }

  cpus(read: () => CpuFigures): void {
    const gauge = (name: string, help: string, value: (figures: CpuFigures) => number) =>
      this.#metrics.source(name, `[ALPHA] ${help}`, 'gauge', () => [{ labels: {}, value: value(read()) }]);
    gauge(
      'kubelet_cpu_manager_shared_pool_size_millicores',
      'The size of the shared CPU pool for non-guaranteed QoS pods, in millicores.',
      f => f.sharedMilli,
    );
    gauge(
      'kubelet_cpu_manager_exclusive_cpu_allocation_count',
      'The total number of CPUs exclusively allocated to containers running on this node',
      f => f.exclusive,
    );
    this.#metrics.source(
      'kubelet_cpu_manager_allocation_per_numa',
      '[ALPHA] Number of CPUs allocated per NUMA node',
      'gauge',
      () => [...read().byNode].map(([node, value]) => ({ labels: { numa_node: String(node) }, value })),
    );
  }
}
