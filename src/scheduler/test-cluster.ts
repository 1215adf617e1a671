// A bench for tests: the scheduler on the fake client and a virtual clock.
import type { Draft } from '../api/meta.ts';
import { coreV1, eventsV1 } from '../api/refs.ts';
import type { Node, Pod } from '../api/type/core-v1.ts';
import { VirtualClock } from '../base/clock.ts';
import { createLog } from '../base/log.ts';
import { createMetrics, type Metrics } from '../base/metrics.ts';
import { seededRandom } from '../base/random.ts';
import { type FakeClient, fakeClient } from '../client/fake-client.ts';
import { createInformerFactory } from '../client/informer-factory.ts';
import { createScheduler, type Scheduler, type SchedulerOptions } from './scheduler.ts';

export interface SchedulerBench extends AsyncDisposable {
  readonly client: FakeClient;
  readonly clock: VirtualClock;
  readonly scheduler: Scheduler;
  readonly metrics: Metrics;
  /** Lines of the log from warn on. */
  readonly log: string[];
  settle(): Promise<void>;
  /** Puts a pod there and lets the scheduler do all it can. Returns the name of its node, '' without one. */
  place(pod: Draft<Pod>): Promise<string>;
  nodeOf(name: string): string;
  condition(name: string): { status: string; reason?: string; message?: string } | undefined;
  /** `Warning FailedScheduling: …` of the pod, in the order they were written. */
  events(name: string): string[];
}

export interface BenchOptions extends Partial<Omit<SchedulerOptions, 'client' | 'clock' | 'informers'>> {
  readonly objects?: readonly Draft<any>[];
  readonly seed?: number;
}

export async function schedulerBench(options: BenchOptions = {}): Promise<SchedulerBench> {
  const { objects = [], seed = 1, ...rest } = options;
  const clock = new VirtualClock();
  const random = seededRandom(seed);
  const client = fakeClient(objects, { clock, random });
  const lines: string[] = [];
  const log = createLog('scheduler', { clock, level: 'warn', write: line => lines.push(line) });
  const metrics = createMetrics();
  const informers = createInformerFactory(client, { clock, random, log });
  const scheduler = createScheduler({ client, informers, clock, random, log, metrics, ...rest });
  const abort = new AbortController();
  const running = Promise.all([scheduler.run(abort.signal), informers.run(abort.signal)]);
  // Until nothing is asked of the API any more, in a few turns of the loop.
  const settle = async () => {
    for (let quiet = 0, seen = -1; quiet < 3; seen = client.actions.length) {
      await clock.advance(0);
      quiet = seen === client.actions.length ? quiet + 1 : 0;
    }
  };
  await settle();
  const find = (name: string) => client.object(coreV1.pods, `default/${name}`);
  return {
    client,
    clock,
    scheduler,
    metrics,
    log: lines,
    settle,
    async place(pod) {
      client.set(coreV1.pods, pod);
      await settle();
      return find(pod.metadata!.name!)?.spec.nodeName ?? '';
    },
    nodeOf: name => find(name)?.spec.nodeName ?? '',
    condition: name => find(name)?.status?.conditions?.find(c => c.type === 'PodScheduled'),
    events: name =>
      client
        .objects(eventsV1.events)
        .filter(e => e.regarding?.name === name)
        .map(e => `${e.type} ${e.reason}: ${e.note}`),
    async [Symbol.asyncDispose]() {
      abort.abort();
      await running;
    },
  };
}

export function testNode(
  name: string,
  more: { labels?: object; spec?: object; allocatable?: object; status?: object } = {},
) {
  const allocatable = { cpu: '4', memory: '8Gi', pods: '110', ...more.allocatable };
  return {
    kind: 'Node',
    apiVersion: 'v1',
    metadata: { name, labels: { 'kubernetes.io/hostname': name, ...more.labels } },
    spec: { ...more.spec },
    status: { allocatable, capacity: allocatable, ...more.status },
  } as Draft<Node>;
}

export interface PodOptions {
  readonly labels?: object;
  readonly metadata?: object;
  readonly spec?: object;
  readonly requests?: object;
  readonly container?: object;
  readonly status?: object;
}

export function testPod(name: string, o: PodOptions = {}) {
  const container = { name: 'c', image: 'busybox', ...(o.requests ? { resources: { requests: o.requests } } : {}) };
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: { name, namespace: 'default', uid: `uid-${name}`, labels: { ...o.labels }, ...o.metadata },
    spec: { containers: [{ ...container, ...o.container }], ...o.spec },
    status: { phase: 'Pending', ...o.status },
  } as Draft<Pod>;
}
