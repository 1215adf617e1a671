// The scheduler's metrics, by Kubernetes' names.
import { CellHistogram } from '../base/metric-cells.ts';
import { exponentialBuckets, type Metrics } from '../base/metrics.ts';

export type AttemptResult = 'scheduled' | 'unschedulable' | 'error';

type Sizes = {
  readonly active: number;
  readonly backoff: number;
  readonly unschedulable: number;
  readonly gated: number;
};

export type SchedulerMetrics = ReturnType<typeof schedulerMetrics>;

/** Without a registry nothing is counted. */
export function schedulerMetrics(m: Metrics | undefined) {
  const seconds = exponentialBuckets(0.001, 2, 15);
  const attempts = m?.counter(
    'scheduler_schedule_attempts_total',
    "Number of attempts to schedule pods, by the result. 'unschedulable' means a pod could not be scheduled, while 'error' means an internal scheduler problem.",
    ['result', 'profile'],
  );
  const duration = m?.histogram(
    'scheduler_scheduling_attempt_duration_seconds',
    'Scheduling attempt latency in seconds (scheduling algorithm + binding)',
    ['result', 'profile'],
    seconds,
  );
  const algorithm = m?.histogram(
    'scheduler_scheduling_algorithm_duration_seconds',
    'Scheduling algorithm latency in seconds',
    [],
    seconds,
  );
  const extensionPoint = m?.histogram(
    'scheduler_framework_extension_point_duration_seconds',
    'Latency for running all plugins of a specific extension point.',
    ['extension_point', 'status', 'profile'],
    exponentialBuckets(0.0001, 2, 12),
  );
  const podAttempts = m?.histogram(
    'scheduler_pod_scheduling_attempts',
    'Number of attempts to successfully schedule a pod.',
    [],
    exponentialBuckets(1, 2, 5),
  );
  const sli = m?.histogram(
    'scheduler_pod_scheduling_sli_duration_seconds',
    'E2e latency for a pod being scheduled, from the time the pod enters the scheduling queue and might involve multiple scheduling attempts.',
    ['attempts'],
    exponentialBuckets(0.01, 2, 20),
  );
  const pending = m?.gauge(
    'scheduler_pending_pods',
    "Number of pending pods, by the queue type. 'active' means number of pods in activeQ; 'backoff' means number of pods in backoffQ; 'unschedulable' means number of pods in unschedulablePods that the scheduler attempted to schedule and failed; 'gated' is the number of unschedulable pods that the scheduler never attempted to schedule because they are gated.",
    ['queue'],
  );
  const unschedulable = m?.gauge(
    'scheduler_unschedulable_pods',
    'The number of unschedulable pods broken down by plugin name. A pod will increment the gauge for all plugins that caused it to not schedule and so this metric have meaning only when broken down by plugin.',
    ['plugin', 'profile'],
  );
  const cacheSize = m?.gauge(
    'scheduler_scheduler_cache_size',
    'Number of nodes, pods, and assumed (bound) pods in the scheduler cache.',
    ['type'],
  );
  const newCacheSize = m?.gauge(
    'scheduler_cache_size',
    'Number of nodes, pods, and assumed (bound) pods in the scheduler cache.',
    ['type'],
  );
  const permitWait = m?.histogram(
    'scheduler_permit_wait_duration_seconds',
    'Duration of waiting on permit.',
    ['result'],
    seconds,
  );
  const eventHandling = m?.histogram(
    'scheduler_event_handling_duration_seconds',
    'Event handling latency in seconds.',
    ['event'],
    exponentialBuckets(0.0001, 2, 12),
  );
  const inflightEvents = m?.gauge(
    'scheduler_inflight_events',
    'Number of events currently tracked in the scheduling queue.',
    ['event'],
  );
  const goroutines = m?.gauge(
    'scheduler_goroutines',
    'Number of running goroutines split by the work they do such as binding.',
    ['operation'],
  );
  const preemptionRuns = m?.counter(
    'scheduler_preemption_goroutines_execution_total',
    'Number of preemption goroutines executed.',
    ['result'],
  );
  const preemptionTimes = m?.histogram(
    'scheduler_preemption_goroutines_duration_seconds',
    'Duration in seconds for running goroutines for the preemption.',
    ['result'],
    exponentialBuckets(0.01, 2, 20),
  );
  const claimCreates = m?.counter(
    'scheduler_resourceclaim_creates_total',
    'Number of ResourceClaims creation requests within scheduler',
    ['status'],
  );
  const incoming = m?.counter(
    'scheduler_queue_incoming_pods_total',
    'Number of pods added to scheduling queues by event and queue type.',
    ['queue', 'event'],
  );
  const preemptions = m?.counter(
    'scheduler_preemption_attempts_total',
    'Total preemption attempts in the cluster till now',
    [],
  );
  const victims = m?.histogram(
    'scheduler_preemption_victims',
    'Number of selected preemption victims',
    [],
    exponentialBuckets(1, 2, 7),
  );
  const evaluations = m?.counter(
    'scheduler_plugin_evaluation_total',
    'Number of attempts to schedule pods by each plugin and the extension point (available only in PreFilter, Filter, PreScore, and Score).',
    ['plugin', 'extension_point', 'profile'],
  );
  const evaluated = new Map<string, number>();
  const hints = m?.histogram(
    'scheduler_queueing_hint_execution_duration_seconds',
    'Latency for running a queueing hint function of a plugin.',
    ['plugin', 'event', 'hint'],
    // From 0.00001 to 0.04096.
    exponentialBuckets(0.00001, 2, 12),
  );
  const volumeErrors = m?.counter(
    'scheduler_volume_scheduling_stage_error_total',
    'Volume scheduling stage error count',
    ['operation'],
  );
  const executions =
    m &&
    new CellHistogram(
      m,
      'scheduler_plugin_execution_duration_seconds',
      '[ALPHA] Duration for running a plugin at a specific extension point.',
      exponentialBuckets(0.00001, 1.5, 20),
    );
  const attempt = (result: AttemptResult, profile: string, tookSeconds: number) => {
    attempts?.inc({ result, profile });
    duration?.observe({ result, profile }, tookSeconds);
  };
  return {
    attempt,
    scheduled(profile: string, tookSeconds: number, pod: { attempts: number; sinceFirstSeconds: number }) {
      attempt('scheduled', profile, tookSeconds);
      podAttempts?.observe({}, pod.attempts);
      sli?.observe({ attempts: pod.attempts >= 15 ? '15+' : String(pod.attempts) }, pod.sinceFirstSeconds);
    },
    algorithm: (tookSeconds: number) => algorithm?.observe({}, tookSeconds),
    extensionPoint: (point: string, status: string, profile: string, tookSeconds: number) =>
      extensionPoint?.observe({ extension_point: point, status, profile }, tookSeconds),
    pluginExecution: (plugin: string, extension_point: string, status: string, tookSeconds: number) =>
      executions
        ?.cell(`${plugin} ${extension_point} ${status}`, () => ({ extension_point, plugin, status }))
        .observe(tookSeconds),
    incoming: (queue: string, event: string) => incoming?.inc({ queue, event }),
    permitWait: (result: string, tookSeconds: number) => permitWait?.observe({ result }, tookSeconds),
    eventHandling: (event: string, tookSeconds: number) => eventHandling?.observe({ event }, tookSeconds),
    inflightEvents(byLabel: ReadonlyMap<string, number>) {
      for (const [event, n] of byLabel) inflightEvents?.set({ event }, n);
    },
    goroutines: (operation: string, n: number) => goroutines?.set({ operation }, n),
    preempted(result: 'success' | 'error', tookSeconds: number) {
      preemptionRuns?.inc({ result });
      preemptionTimes?.observe({ result }, tookSeconds);
    },
    /** `total` since the start. */
    evaluations(profile: string, extension_point: string, plugin: string, total: number) {
      const key = `${profile}\n${extension_point}\n${plugin}`;
      const more = total - (evaluated.get(key) ?? 0);
      if (more > 0) evaluations?.inc({ plugin, extension_point, profile }, more);
      evaluated.set(key, total);
    },
    hinted: (plugin: string, event: string, hint: string, tookSeconds: number) =>
      hints?.observe({ plugin, event, hint }, tookSeconds),
    volumeStageFailed: (operation: 'predicate' | 'assume' | 'bind') => volumeErrors?.inc({ operation }),
    resourceClaimCreated: (status: 'success' | 'failure') => claimCreates?.inc({ status }),
    pending(sizes: Sizes, cache: { nodes: readonly unknown[]; podCount: number; assumedCount: number }) {
      for (const [queue, n] of Object.entries(sizes)) pending?.set({ queue }, n);
      for (const gauge of [cacheSize, newCacheSize]) {
        gauge?.set({ type: 'nodes' }, cache.nodes.length);
        gauge?.set({ type: 'pods' }, cache.podCount);
        gauge?.set({ type: 'assumed_pods' }, cache.assumedCount);
      }
    },
    rejected: (plugin: string, profile: string, count: number) => unschedulable?.set({ plugin, profile }, count),
    collect: (fn: () => void) => m?.onCollect(fn),
    preemptionAttempt: () => preemptions?.inc({}),
    preemptionVictims: (count: number) => victims?.observe({}, count),
  };
}
