// The same measurements as Prometheus reads them: /metrics/resource and /metrics/cadvisor.
import type { DiskStats, Throttling } from '../../../../cri/kernel/cgroup-stats.ts';
import type { ContainerSample, NodeSample, PodSample, ResourceSample } from './sample.ts';

type Labels = Readonly<Record<string, string>>;

class Exposition {
  readonly #families: string[] = [];

  /** Samples without a value are left out, and families without samples. */
  add(
    name: string,
    type: 'counter' | 'gauge',
    help: string,
    samples: readonly (readonly [Labels, number | undefined, number?])[],
  ): void {
    const lines = samples.flatMap(([labels, value, atMs]) =>
      value === undefined ? [] : [`${name}${labelText(labels)} ${value}${atMs === undefined ? '' : ` ${atMs}`}`],
    );
    if (lines.length) this.#families.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines);
  }

  text(): string {
    return this.#families.length ? `${this.#families.join('\n')}\n` : '';
  }
}

function labelText(labels: Labels): string {
  const entries = Object.entries(labels);
  if (entries.length === 0) return '';
  const escaped = (value: string) => value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
  return `{${entries.map(([k, v]) => `${k}="${escaped(v)}"`).join(',')}}`;
}

const seconds = (nanoseconds: number) => nanoseconds / 1e9;
const ofPod = (p: PodSample) => ({ namespace: p.namespace, pod: p.name });

function eachContainer(node: NodeSample) {
  return node.pods.flatMap(pod =>
    pod.containers.map(c => ({ c, labels: { container: c.name, ...ofPod(pod) }, atMs: c.resources.atMs })),
  );
}

/** What metrics-server reads. */
export function resourceMetrics(node: NodeSample): string {
  const out = new Exposition();
  const containers = eachContainer(node);
  const pods = node.pods.flatMap(p => (p.resources ? [{ labels: ofPod(p), r: p.resources }] : []));
  const own = node.resources;
  out.add(
    'container_cpu_usage_seconds_total',
    'counter',
    '[STABLE] Cumulative cpu time consumed by the container in core-seconds',
    containers.map(({ c, labels, atMs }) => [labels, seconds(c.resources.cpuNanoseconds), atMs]),
  );
  out.add(
    'container_memory_working_set_bytes',
    'gauge',
    '[STABLE] Current working set of the container in bytes',
    containers.map(({ c, labels, atMs }) => [labels, c.resources.workingSetBytes, atMs]),
  );
  out.add(
    'container_start_time_seconds',
    'gauge',
    '[STABLE] Start time of the container since unix epoch in seconds',
    containers.map(({ c, labels }) => [labels, c.startedAtMs / 1000]),
  );
  out.add(
    'node_cpu_usage_seconds_total',
    'counter',
    '[STABLE] Cumulative cpu time consumed by the node in core-seconds',
    own ? [[{}, seconds(own.cpuNanoseconds), own.atMs]] : [],
  );
  out.add(
    'node_memory_working_set_bytes',
    'gauge',
    '[STABLE] Current working set of the node in bytes',
    own ? [[{}, own.workingSetBytes, own.atMs]] : [],
  );
  out.add(
    'pod_cpu_usage_seconds_total',
    'counter',
    '[STABLE] Cumulative cpu time consumed by the pod in core-seconds',
    pods.map(({ labels, r }) => [labels, seconds(r.cpuNanoseconds), r.atMs]),
  );
  out.add(
    'pod_memory_working_set_bytes',
    'gauge',
    '[STABLE] Current working set of the pod in bytes',
    pods.map(({ labels, r }) => [labels, r.workingSetBytes, r.atMs]),
  );
  out.add(
    'resource_scrape_error',
    'gauge',
    '[STABLE] 1 if there was an error while getting container metrics, 0 otherwise',
    [[{}, 0]],
  );
  return out.text();
}

/** The part of cAdvisor's that dashboards and alerts are made of. */
export function containerMetrics(node: NodeSample): string {
  const out = new Exposition();
  const containers = eachContainer(node).map(({ c, labels, atMs }) => ({
    c,
    atMs,
    labels: {
      container: labels.container,
      id: c.id,
      image: c.image,
      name: c.id,
      namespace: labels.namespace,
      pod: labels.pod,
    },
  }));
  const perContainer = (
    name: string,
    type: 'counter' | 'gauge',
    help: string,
    value: (c: ContainerSample) => number | undefined,
  ) =>
    out.add(
      name,
      type,
      help,
      containers.map(({ c, labels, atMs }) => [labels, value(c), atMs]),
    );
  const machine = { container: '', id: '/', image: '', name: '', namespace: '', pod: '' };
  // Of the whole machine as well: its cgroup is the root.
  const perCgroup = (
    name: string,
    type: 'counter' | 'gauge',
    help: string,
    value: (r: ResourceSample) => number | undefined,
    more: Labels = {},
  ) =>
    out.add(name, type, help, [
      ...(node.resources ? [[{ ...machine, ...more }, value(node.resources), node.resources.atMs] as const] : []),
      ...containers.map(({ c, labels, atMs }) => [{ ...labels, ...more }, value(c.resources), atMs] as const),
    ]);
  perCgroup(
    'container_cpu_usage_seconds_total',
    'counter',
    'Cumulative cpu time consumed in seconds.',
    r => seconds(r.cpuNanoseconds),
    { cpu: 'total' },
  );
  for (const [name, help, value] of [
    ['periods_total', 'Number of elapsed enforcement period intervals.', t => t.periods],
    ['throttled_periods_total', 'Number of throttled period intervals.', t => t.throttledPeriods],
    [
      'throttled_seconds_total',
      'Total time duration the container has been throttled.',
      t => seconds(t.throttledNanoseconds),
    ],
  ] as const satisfies readonly (readonly [string, string, (t: Throttling) => number])[])
    perContainer(
      `container_cpu_cfs_${name}`,
      'counter',
      help,
      c => c.resources.throttling && value(c.resources.throttling),
    );
  perContainer(
    'container_spec_cpu_period',
    'gauge',
    'CPU period of the container.',
    c => c.resources.throttling?.periodUs,
  );
  perContainer(
    'container_spec_cpu_quota',
    'gauge',
    'CPU quota of the container.',
    c => c.resources.throttling?.quotaUs,
  );
  for (const [name, help, value] of [
    ['reads_bytes_total', 'Cumulative count of bytes read', d => d.readBytes],
    ['reads_total', 'Cumulative count of reads completed', d => d.reads],
    ['writes_bytes_total', 'Cumulative count of bytes written', d => d.writtenBytes],
    ['writes_total', 'Cumulative count of writes completed', d => d.writes],
  ] as const satisfies readonly (readonly [string, string, (d: DiskStats) => number])[])
    out.add(
      `container_fs_${name}`,
      'counter',
      help,
      containers.flatMap(({ c, labels, atMs }) =>
        (c.resources.disks ?? []).map(d => [{ ...labels, device: d.device }, value(d), atMs] as const),
      ),
    );
  perContainer(
    'container_fs_usage_bytes',
    'gauge',
    'Number of bytes that are consumed by the container on this filesystem.',
    c => c.rootfsUsedBytes,
  );
  out.add(
    'container_memory_failures_total',
    'counter',
    'Cumulative count of memory allocation failures.',
    containers.flatMap(({ c: { resources }, labels, atMs }) => [
      [{ ...labels, failure_type: 'pgfault', scope: 'container' }, resources.pageFaults, atMs] as const,
      [{ ...labels, failure_type: 'pgmajfault', scope: 'container' }, resources.majorPageFaults, atMs] as const,
    ]),
  );
  perContainer('container_last_seen', 'gauge', 'Last time a container was seen by the exporter', c =>
    Math.floor(c.resources.atMs / 1000),
  );
  perContainer(
    'container_processes',
    'gauge',
    'Number of processes running inside the container.',
    c => c.resources.processes,
  );
  perContainer(
    'container_spec_memory_limit_bytes',
    'gauge',
    'Memory limit for the container.',
    c => c.resources.limitBytes ?? 0,
  );
  perCgroup('container_memory_cache', 'gauge', 'Number of bytes of page cache memory.', r => r.cacheBytes);
  perCgroup('container_memory_swap', 'gauge', 'Container swap usage in bytes.', r => r.swapBytes);
  perCgroup('container_memory_rss', 'gauge', 'Size of RSS in bytes.', r => r.rssBytes);
  perCgroup(
    'container_memory_usage_bytes',
    'gauge',
    'Current memory usage in bytes, including all memory regardless of when it was accessed',
    r => r.usageBytes,
  );
  perCgroup('container_memory_working_set_bytes', 'gauge', 'Current working set in bytes.', r => r.workingSetBytes);
  for (const [name, what] of [
    ['cpu', 'CPU'],
    ['io', 'IO'],
    ['memory', 'memory'],
  ] as const) {
    const total = (r: ResourceSample, kind: 'full' | 'some') =>
      r.pressure?.[name] && (r.pressure[name][kind]?.total ?? 0) / 1e6;
    perCgroup(
      `container_pressure_${name}_stalled_seconds_total`,
      'counter',
      `Total time duration no tasks in the container could make progress due to ${what} congestion.`,
      r => total(r, 'full'),
    );
    perCgroup(
      `container_pressure_${name}_waiting_seconds_total`,
      'counter',
      `Total time duration tasks in the container have waited due to ${what} congestion.`,
      r => total(r, 'some'),
    );
  }
  perContainer(
    'container_start_time_seconds',
    'gauge',
    'Start time of the container since unix epoch in seconds.',
    c => c.startedAtMs / 1000,
  );
  const links = node.pods.flatMap(p => p.network.map(n => ({ n, labels: { interface: n.name, ...ofPod(p) } })));
  for (const [way, word] of [
    ['rx', 'receive'],
    ['tx', 'transmit'],
  ] as const)
    for (const [field, unit, help] of [
      ['Bytes', 'bytes', 'count of bytes'],
      ['Errors', 'errors', 'count of errors encountered while'],
      ['Dropped', 'packets_dropped', 'count of packets dropped while'],
      ['Packets', 'packets', 'count of packets'],
    ] as const)
      out.add(
        `container_network_${word}_${unit}_total`,
        'counter',
        `Cumulative ${help} ${word === 'receive' ? 'receiv' : 'transmitt'}${help.endsWith('while') ? 'ing' : 'ed'}`,
        links.map(({ n, labels }) => [labels, n[`${way}${field}`], node.atMs]),
      );
  out.add('machine_cpu_cores', 'gauge', 'Number of logical CPU cores.', [[{}, node.cores]]);
  out.add('machine_memory_bytes', 'gauge', 'Amount of memory installed on the machine.', [[{}, node.memoryBytes]]);
  return out.text();
}
