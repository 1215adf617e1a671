// Gives a profile's plugins what they work with.
import { coreV1 } from '../api/refs.ts';
import type { Algorithm } from './algorithm.ts';
import type { Cache } from './cache/cache.ts';
import type { Handle } from './framework.ts';
import type { SchedulerMetrics } from './metrics.ts';
import { Profile } from './profile.ts';
import type { ProfileConfig } from './profile-config.ts';
import type { SchedulingQueue } from './queue/scheduling-queue.ts';
import type { WaitingPods } from './waiting-pods.ts';

type Given =
  | 'client'
  | 'clock'
  | 'random'
  | 'log'
  | 'events'
  | 'informers'
  | 'schedulerName'
  | 'featureEnabled'
  | 'stopping'
  | 'statuses'
  | 'preemptors';

/** The scheduler's parts that all profiles share, and a profile's own name and events. */
export interface ProfileParts extends Pick<Handle, Given> {
  readonly cache: Cache;
  readonly queue: SchedulingQueue;
  readonly algorithm: Algorithm;
  readonly waiting: WaitingPods;
  readonly metrics: SchedulerMetrics;
}

export function makeProfile(config: ProfileConfig, parts: ProfileParts): Profile {
  const { cache, queue, algorithm, waiting, metrics, ...given } = parts;
  const { clock, schedulerName } = given;
  const namespaces = given.informers.informer(coreV1.namespaces).lister;
  // Plugins come before the profile that they belong to.
  let profile: Profile | undefined;
  const self = () => profile!;
  const handle: Handle = {
    ...given,
    metrics,
    cluster: cache,
    nominated: queue.nominator,
    namespaceLabels: name => namespaces.get(name)?.metadata.labels,
    filterWithNominated: (state, pod, node) => algorithm.filterWithNominated(self(), state, pod, node),
    addPod: (state, pod, added, node) => self().addPod(state, pod, added, node),
    removePod: (state, pod, removed, node) => self().removePod(state, pod, removed, node),
    waitingPod: uid => waiting.get(uid),
    activate: pod => queue.activate(pod.uid),
    happened: event => queue.happened(event),
  };
  const { points, percentageOfNodesToScore } = config;
  profile = new Profile({
    schedulerName,
    clock,
    plugins: config.plugins.map(p => ({ plugin: p.create(handle, p.args), weight: p.weight })),
    observePlugin: (plugin, point, code, seconds) => metrics.pluginExecution(plugin, point, code, seconds),
    observe: (point, code, seconds) => metrics.extensionPoint(point, code, schedulerName, seconds),
    ...(points ? { points } : {}),
    ...(percentageOfNodesToScore === undefined ? {} : { percentageOfNodesToScore }),
  });
  return profile;
}
