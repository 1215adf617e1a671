// What the kubelet counts of itself, under Kubernetes' names.
import type { Container, Pod } from '../api/type/core-v1.ts';
import { BucketCounts, bucketSamples } from '../base/bucket-counts.ts';
import type { Clock } from '../base/clock.ts';
import { CellCounter, CellHistogram } from '../base/metric-cells.ts';
import { createMetrics, defaultBuckets, exponentialBuckets, type Metrics } from '../base/metrics.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import { KubeletTimes } from './kubelet-times.ts';

export interface KubeletMetrics {
  /** Of /metrics. */
  readonly own: Metrics;
  /** Of /metrics/probes. */
  readonly probes: Metrics;
  probed(
    pod: Pod,
    container: Container,
    type: 'Liveness' | 'Readiness' | 'Startup',
    result: 'successful' | 'failed' | 'unknown',
    seconds: number,
  ): void;
  /** The pod is probed no more: what was counted of its probes goes, or a node's metrics grow with all it ever ran. */
  probedNoMore(uid: string): void;
  podStarted(failed: boolean): void;
  containerStarted(kind: string, code?: string): void;
  evicted(signal: string): void;
  preempted(resource: string): void;
  /** A pod was turned away. */
  rejected(reason: string): void;
  /** An image went, because nobody had used it for too long or for the disk's sake. */
  imageRemoved(reason: 'age' | 'space'): void;
  /** A plugin was asked for credentials. */
  pluginAsked(name: string, seconds: number, failed: boolean): void;
  readonly times: KubeletTimes;
  /** The same runtime, its operations counted. */
  counting(runtime: ContainerRuntime): ContainerRuntime;
}

export function kubeletMetrics(clock: Clock): KubeletMetrics {
  const own = createMetrics();
  const probes = createMetrics();
  const labels = ['probe_type', 'container', 'pod', 'namespace', 'pod_uid'] as const;
  const total = probes.counter(
    'prober_probe_total',
    '[BETA] Cumulative number of a liveness, readiness or startup probe for a container by result.',
    [...labels, 'result'],
  );
  const seconds = probes.histogram(
    'prober_probe_duration_seconds',
    '[ALPHA] Duration in seconds for a probe response.',
    ['probe_type', 'container', 'pod', 'namespace'],
    defaultBuckets,
  );
  // Labels of `total`, by pod uid.
  const probed = new Map<string, Map<string, Record<string, string>>>();
  const pods = own.counter('kubelet_started_pods_total', '[ALPHA] Cumulative number of pods started');
  const podErrors = own.counter(
    'kubelet_started_pods_errors_total',
    '[ALPHA] Cumulative number of errors when starting pods',
  );
  const containers = own.counter(
    'kubelet_started_containers_total',
    '[ALPHA] Cumulative number of containers started',
    ['container_type'],
  );
  const containerErrors = own.counter(
    'kubelet_started_containers_errors_total',
    '[ALPHA] Cumulative number of errors when starting containers',
    ['container_type', 'code'],
  );
  const evictions = own.counter('kubelet_evictions', '[ALPHA] Cumulative number of pod evictions by eviction signal', [
    'eviction_signal',
  ]);
  const preemptions = own.counter(
    'kubelet_preemptions',
    '[ALPHA] Cumulative number of pod preemptions by preemption resource',
    ['preemption_signal'],
  );
  // Made when they are first needed: of thousands of simulated nodes few ever do.
  const rejections = () =>
    own.counter(
      'kubelet_admission_rejections_total',
      '[ALPHA] Cumulative number pod admission rejections by the Kubelet.',
      ['reason'],
    );
  const removedImages = () =>
    own.counter(
      'kubelet_image_garbage_collected_total',
      '[ALPHA] Total number of images garbage collected by the kubelet, whether through disk usage or image age.',
      ['reason'],
    );
  const pluginErrors = () =>
    own.counter(
      'kubelet_credential_provider_plugin_errors_total',
      '[ALPHA] Number of errors from credential provider plugin',
      ['plugin_name'],
    );
  const pluginSeconds = () =>
    own.histogram(
      'kubelet_credential_provider_plugin_duration',
      '[ALPHA] Duration of execution in seconds for credential provider plugin',
      ['plugin_name'],
      defaultBuckets,
    );
  return {
    own,
    probes,
    times: new KubeletTimes(own, clock),
    probed(pod, container, probe_type, result, took) {
      const { name = '', namespace = '', uid = '' } = pod.metadata;
      const of = { probe_type, container: container.name, pod: name, namespace };
      const counted = { ...of, pod_uid: uid, result };
      total.inc(counted);
      seconds.observe(of, took);
      probed.getOrInsertComputed(uid, () => new Map()).set(`${container.name} ${probe_type} ${result}`, counted);
    },
    probedNoMore(uid) {
      for (const counted of probed.get(uid)?.values() ?? []) {
        total.remove(counted);
        seconds.remove(counted);
      }
      probed.delete(uid);
    },
    podStarted: failed => (failed ? podErrors : pods).inc({}),
    containerStarted(container_type, code) {
      if (code === undefined) containers.inc({ container_type });
      else containerErrors.inc({ container_type, code });
    },
    rejected: reason => rejections().inc({ reason: countedReason(reason) }),
    imageRemoved: reason => removedImages().inc({ reason }),
    pluginAsked(plugin_name, took, failed) {
      pluginSeconds().observe({ plugin_name }, took);
      if (failed) pluginErrors().inc({ plugin_name });
    },
    preempted: preemption_signal => preemptions.inc({ preemption_signal }),
    evicted: eviction_signal => evictions.inc({ eviction_signal }),
    counting: runtime => counted(runtime, own, clock),
  };
}

const ownResources = new Set(['OutOfcpu', 'OutOfmemory', 'OutOfephemeral-storage', 'OutOfpods']);

/** Resources that others have named are one, or pods could make series at will. */
const countedReason = (reason: string) =>
  reason.startsWith('OutOf') && !ownResources.has(reason) ? 'OutOfExtendedResources' : reason;

// As the kubelet writes them; others are the method in lower case with underscores.
const operationNames: Readonly<Record<string, string>> = {
  RunPodSandbox: 'run_podsandbox',
  StopPodSandbox: 'stop_podsandbox',
  RemovePodSandbox: 'remove_podsandbox',
  PodSandboxStatus: 'podsandbox_status',
  ListPodSandbox: 'list_podsandbox',
  UpdateContainerResources: 'update_container',
  ListContainerStats: 'list_container_stats',
};

const handlerOf = ([request]: readonly unknown[]): string =>
  (request as { runtime_handler?: string } | undefined)?.runtime_handler ?? '';

interface Operation {
  readonly labels: Readonly<Record<string, string>>;
  total: number;
  errors: number;
  readonly seconds: BucketCounts;
}

function counted(runtime: ContainerRuntime, metrics: Metrics, clock: Clock): ContainerRuntime {
  const operations: Operation[] = [];
  const count = (what: string, help: string, value: (operation: Operation) => number) =>
    metrics.source(`kubelet_runtime_operations_${what}`, `[ALPHA] ${help}`, 'counter', () =>
      operations.map(o => ({ labels: o.labels, value: value(o) })).filter(s => s.value > 0),
    );
  count('total', 'Cumulative number of runtime operations by operation type.', o => o.total);
  count('errors_total', 'Cumulative number of runtime operation errors by operation type.', o => o.errors);
  const seconds = 'kubelet_runtime_operations_duration_seconds';
  metrics.source(
    seconds,
    '[ALPHA] Duration in seconds of runtime operations. Broken down by operation type.',
    'histogram',
    () => operations.filter(o => o.total > 0).flatMap(o => bucketSamples(seconds, o.labels, o.seconds)),
  );
  const sandboxSeconds = new CellHistogram(
    metrics,
    'kubelet_run_podsandbox_duration_seconds',
    '[ALPHA] Duration in seconds of the run_podsandbox operations. Broken down by RuntimeClass.Handler.',
    defaultBuckets,
  );
  const sandboxErrors = new CellCounter(
    metrics,
    'kubelet_run_podsandbox_errors_total',
    '[ALPHA] Cumulative number of the run_podsandbox operation errors by RuntimeClass.Handler.',
  );
  const buckets = exponentialBuckets(0.005, 2.5, 14);
  const wrapped = new Map<string, unknown>();
  const wrap = (name: string, call: (...args: unknown[]) => Promise<unknown>) => {
    const labels = { operation_type: operationNames[name] ?? name.replace(/(?<!^)[A-Z]/g, '_$&').toLowerCase() };
    const operation: Operation = { labels, total: 0, errors: 0, seconds: new BucketCounts(buckets) };
    operations.push(operation);
    return async (...args: unknown[]) => {
      const startedMs = clock.monotonic();
      operation.total++;
      try {
        return await call.apply(runtime, args);
      } catch (error) {
        operation.errors++;
        if (name === 'RunPodSandbox') sandboxErrors.add(handlerOf(args), () => ({ runtime_handler: handlerOf(args) }));
        throw error;
      } finally {
        const took = (clock.monotonic() - startedMs) / 1000;
        operation.seconds.observe(took);
        if (name === 'RunPodSandbox')
          sandboxSeconds.cell(handlerOf(args), () => ({ runtime_handler: handlerOf(args) })).observe(took);
      }
    };
  };
  return new Proxy(runtime, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof name !== 'string' || typeof value !== 'function') return value;
      // The calls of CRI begin with a capital letter.
      const made = wrapped.get(name) ?? (/^[A-Z]/.test(name) ? wrap(name, value as never) : value.bind(target));
      wrapped.set(name, made);
      return made;
    },
  });
}
