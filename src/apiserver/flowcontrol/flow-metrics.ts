// Metrics of priority and fairness, by Kubernetes' names. Everything is counted where it happens and read when asked.
import { type BucketCounts, bucketSamples } from '../../base/bucket-counts.ts';
import type { Metrics, Sample } from '../../base/metrics.ts';
import type { FlowControl } from './flow-control.ts';
import type { FlowCounts } from './flow-schema.ts';
import { guessMs } from './kernel/level.ts';
import type { LevelState } from './level-state.ts';

const prefix = 'apiserver_flowcontrol_';

type ByFlow = readonly [name: string, help: string, read: (counts: FlowCounts) => number];
type ByLevel = readonly [name: string, help: string, read: (state: LevelState) => number];

const flowCounters: readonly ByFlow[] = [
  [
    'dispatched_requests_total',
    '[BETA] Number of requests executed by API Priority and Fairness subsystem',
    c => c.dispatched,
  ],
  [
    'request_dispatch_no_accommodation_total',
    '[ALPHA] Number of times a dispatch attempt resulted in a non accommodation due to lack of available seats',
    c => c.noAccommodation,
  ],
];

const flowGauges: readonly ByFlow[] = [
  [
    'current_inqueue_requests',
    '[BETA] Number of requests currently pending in queues of the API Priority and Fairness subsystem',
    c => c.waiting,
  ],
  [
    'current_inqueue_seats',
    '[ALPHA] Number of seats currently pending in queues of the API Priority and Fairness subsystem',
    c => c.waitingSeats,
  ],
  [
    'current_executing_requests',
    '[BETA] Number of requests in initial (for a WATCH) or any (for a non-WATCH) execution stage in the API Priority and Fairness subsystem',
    c => c.executing,
  ],
  [
    'current_executing_seats',
    '[BETA] Concurrency (number of seats) occupied by the currently executing (initial stage for a WATCH, any stage otherwise) requests in the API Priority and Fairness subsystem',
    c => c.seats,
  ],
  [
    'request_concurrency_in_use',
    '[ALPHA] Concurrency (number of seats) occupied by the currently executing (initial stage for a WATCH, any stage otherwise) requests in the API Priority and Fairness subsystem',
    c => c.seats,
  ],
];

const levelGauges: readonly ByLevel[] = [
  [
    'nominal_limit_seats',
    '[BETA] Nominal number of execution seats configured for each priority level',
    s => s.bounds.nominal,
  ],
  [
    'request_concurrency_limit',
    '[ALPHA] Nominal number of execution seats configured for each priority level',
    s => s.bounds.nominal,
  ],
  [
    'lower_limit_seats',
    '[ALPHA] Configured lower bound on number of execution seats available to each priority level',
    s => s.bounds.lower,
  ],
  [
    'upper_limit_seats',
    '[ALPHA] Configured upper bound on number of execution seats available to each priority level',
    s => s.bounds.upper,
  ],
  [
    'current_limit_seats',
    '[ALPHA] current derived number of execution seats available to each priority level',
    s => s.level.limit,
  ],
  [
    'demand_seats_high_watermark',
    '[ALPHA] High watermark, over last adjustment period, of demand_seats',
    s => s.stats.high,
  ],
  [
    'demand_seats_average',
    '[ALPHA] Time-weighted average, over last adjustment period, of demand_seats',
    s => s.stats.average,
  ],
  [
    'demand_seats_stdev',
    '[ALPHA] Time-weighted standard deviation, over last adjustment period, of demand_seats',
    s => s.stats.deviation,
  ],
  ['demand_seats_smoothed', '[ALPHA] Smoothed seat demands', s => s.smooth],
  ['target_seats', '[ALPHA] Seat allocation targets', s => s.target],
  ['current_r', '[ALPHA] R(time of last change)', s => s.level.meter / 1000],
  ['dispatch_r', '[ALPHA] R(time of last dispatch)', s => s.level.dispatchMeter / 1000],
  ['latest_s', '[ALPHA] S(most recently dispatched request)', s => s.level.latestStart / 1000],
];

type FlowHistogram = readonly [
  name: string,
  help: string,
  read: (counts: FlowCounts) => readonly (readonly [Readonly<Record<string, string>>, BucketCounts])[],
];

const flowHistograms: readonly FlowHistogram[] = [
  [
    'request_wait_duration_seconds',
    '[BETA] Length of time a request spent waiting in its queue',
    c => [
      [{ execute: 'true' }, c.waitSeconds.true],
      [{ execute: 'false' }, c.waitSeconds.false],
    ],
  ],
  [
    'request_execution_seconds',
    '[ALPHA] Duration of initial stage (for a WATCH) or any (for a non-WATCH) stage of request execution in the API Priority and Fairness subsystem',
    c => [
      [{ type: 'regular' }, c.executionSeconds.regular],
      [{ type: 'watch' }, c.executionSeconds.watch],
    ],
  ],
  [
    'request_queue_length_after_enqueue',
    '[ALPHA] Length of queue in the API Priority and Fairness subsystem, as seen by each request after it is enqueued',
    c => [[{}, c.queueLength]],
  ],
  [
    'watch_count_samples',
    '[ALPHA] count of watchers for mutating requests in API Priority and Fairness',
    c => [[{}, c.watchers]],
  ],
  [
    'work_estimated_seats',
    '[ALPHA] Number of estimated seats (maximum of initial and final seats) associated with requests in API Priority and Fairness',
    c => [[{}, c.width]],
  ],
];

type LevelHistogram = readonly [
  name: string,
  help: string,
  read: (state: LevelState) => readonly (readonly [Readonly<Record<string, string>>, BucketCounts])[],
];

const levelHistograms: readonly LevelHistogram[] = [
  [
    'priority_level_seat_utilization',
    'EXPERIMENTAL: [ALPHA] Observations, at the end of every nanosecond, of utilization of seats for any stage of execution (but only initial stage for WATCHes)',
    s => [[{ phase: 'executing' }, s.level.seatUse]],
  ],
  [
    'priority_level_request_utilization',
    'EXPERIMENTAL: [ALPHA] Observations, at the end of every nanosecond, of number of requests (as a fraction of the relevant limit) waiting or in any stage of execution (but only initial stage for WATCHes)',
    s => [
      [{ phase: 'waiting' }, s.level.requestUse.waiting],
      [{ phase: 'executing' }, s.level.requestUse.executing],
    ],
  ],
  [
    'demand_seats',
    'EXPERIMENTAL: [ALPHA] Observations, at the end of every nanosecond, of (the number of seats each priority level could use) / (nominal number of seats for that level)',
    s => [[{}, s.level.demandUse]],
  ],
];

export function reportFlowControl(control: FlowControl, metrics: Metrics): void {
  // The first source asked brings everything up to now.
  const levels = () => {
    control.refresh();
    return control.levels;
  };
  const used = () => [...control.counts].filter(c => c.dispatched + c.waiting + refusals(c) > 0);
  for (const [name, help, read] of flowCounters)
    metrics.source(prefix + name, help, 'counter', () =>
      used()
        .map(c => ({ labels: c.labels, value: read(c) }))
        .filter(s => s.value > 0),
    );
  metrics.source(
    `${prefix}rejected_requests_total`,
    '[BETA] Number of requests rejected by API Priority and Fairness subsystem',
    'counter',
    () => used().flatMap(rejections),
  );
  for (const [name, help, read] of flowGauges)
    metrics.source(prefix + name, help, 'gauge', () => used().map(c => ({ labels: c.labels, value: read(c) })));
  for (const [name, help, read] of levelGauges)
    metrics.source(prefix + name, help, 'gauge', () =>
      levels().map(s => ({ labels: { priority_level: s.level.name }, value: read(s) })),
    );
  metrics.source(
    `${prefix}seat_fair_frac`,
    "[ALPHA] Fair fraction of server's concurrency to allocate to each priority level that can use it",
    'gauge',
    () => [{ labels: {}, value: control.fairFraction }],
  );
  metrics.source(
    `${prefix}next_s_bounds`,
    '[ALPHA] min and max, over queues, of S(oldest waiting request in queue)',
    'gauge',
    () => levels().flatMap(s => startBounds(s, () => 0)),
  );
  metrics.source(
    `${prefix}next_discounted_s_bounds`,
    '[ALPHA] min and max, over queues, of S(oldest waiting request in queue) - estimated work in progress',
    'gauge',
    () => levels().flatMap(s => startBounds(s, queue => queue.seatsInUse * guessMs)),
  );
  for (const [name, help, read] of flowHistograms)
    metrics.source(prefix + name, help, 'histogram', () =>
      used().flatMap(c =>
        read(c)
          .filter(([, h]) => h.counts.some(n => n > 0))
          .flatMap(([extra, h]) => bucketSamples(prefix + name, { ...c.labels, ...extra }, h)),
      ),
    );
  for (const [name, help, read] of levelHistograms)
    metrics.source(prefix + name, help, 'histogram', () =>
      levels().flatMap(s =>
        read(s).flatMap(([extra, h]) => bucketSamples(prefix + name, { priority_level: s.level.name, ...extra }, h)),
      ),
    );
}

const refusals = ({ rejected }: FlowCounts) => Object.values(rejected).reduce((sum, n) => sum + n, 0);

const rejections = ({ labels, rejected }: FlowCounts): Sample[] =>
  Object.entries(rejected)
    .filter(([, value]) => value > 0)
    .map(([reason, value]) => ({ labels: { ...labels, reason }, value }));

function startBounds({ level }: LevelState, discountMs: (queue: { readonly seatsInUse: number }) => number): Sample[] {
  const starts = level.queues.filter(q => q.length > 0).map(q => (q.nextStart - discountMs(q)) / 1000);
  if (starts.length === 0) return [];
  return [
    { labels: { priority_level: level.name, bound: 'min' }, value: Math.min(...starts) },
    { labels: { priority_level: level.name, bound: 'max' }, value: Math.max(...starts) },
  ];
}
