import type { Node, Pod } from '../../api/type/core-v1.ts';
import type { NodeInfo } from '../cache/node-info.ts';
import { action } from '../cluster-event.ts';
import type { Handle, Plugin } from '../framework.ts';
import { isSame } from '../hint.ts';
import { capacityOf, podRequests, type Resources, resourceValue } from '../kernel/resources.ts';
import type { PodInfo } from '../pod-info.ts';
import { podInfoOf } from '../pod-info.ts';
import { Status } from '../status.ts';
import { draStateOf } from './dra/dra-state.ts';
import { type NodeResourcesFitArgs, resourceScorer } from './resource-scorer.ts';

const name = 'NodeResourcesFit';

interface Shortage {
  readonly reason: string;
  /** More than the node has altogether. */
  readonly never: boolean;
}

/**
 * Resources of which the node has too little left. `ignored` names extended resources not to look at, `provided` those
 * that devices may stand for where the node has none of its own.
 */
export function shortages(
  pod: Resources,
  node: Pick<NodeInfo, 'allocatable' | 'requested' | 'pods'>,
  ignored: (resource: string) => boolean = () => false,
  provided: (resource: string) => boolean = () => false,
): Shortage[] {
  const { allocatable, requested } = node;
  const out: Shortage[] = [];
  if (node.pods.size + 1 > allocatable.pods) out.push({ reason: 'Too many pods', never: false });
  const check = (resource: string, wants: number, has: number, used: number) => {
    if (wants > 0 && wants > has - used) out.push({ reason: `Insufficient ${resource}`, never: wants > has });
  };
  check('cpu', pod.milliCpu, allocatable.milliCpu, requested.milliCpu);
  check('memory', pod.memory, allocatable.memory, requested.memory);
  check('ephemeral-storage', pod.ephemeralStorage, allocatable.ephemeralStorage, requested.ephemeralStorage);
  for (const [resource, wants] of pod.scalar ?? [])
    if (!ignored(resource) && (allocatable.scalar?.get(resource) || !provided(resource)))
      check(resource, wants, allocatable.scalar?.get(resource) ?? 0, requested.scalar?.get(resource) ?? 0);
  return out;
}

// Few distinct answers, given for many nodes.
const statuses = new Map<string, Status>();

function statusOf(found: readonly Shortage[]): Status {
  const reasons = found.map(s => s.reason);
  const never = found.some(s => s.never);
  return statuses.getOrInsertComputed(
    `${never}|${reasons.join('|')}`,
    () => new Status(never ? 'UnschedulableAndUnresolvable' : 'Unschedulable', reasons, name),
  );
}

function ignores(args: NodeResourcesFitArgs): (resource: string) => boolean {
  const names = new Set(args.ignoredResources);
  const groups = new Set(args.ignoredResourceGroups);
  if (names.size + groups.size === 0) return () => false;
  return resource => names.has(resource) || groups.has(resource.split('/', 1)[0]!);
}

/** Would an empty node of this size do? */
function fitsCapacity(
  pod: PodInfo,
  node: Node,
  ignored: (resource: string) => boolean,
  provided: (resource: string) => boolean,
): boolean {
  const empty = { allocatable: capacityOf(node.status?.allocatable), pods: new Map(), requested: noRequests };
  return shortages(pod.requests, empty, ignored, provided).length === 0;
}

const noRequests: Resources = { milliCpu: 0, memory: 0, ephemeralStorage: 0, scalar: undefined };

const signed = (r: Resources) =>
  `${r.milliCpu}/${r.memory}/${r.ephemeralStorage}${r.scalar ? JSON.stringify([...r.scalar]) : ''}`;

export function nodeResourcesFit({ informers }: Pick<Handle, 'informers'>, given: unknown): Plugin {
  const { extended } = draStateOf(informers);
  const provided = (resource: string) => extended.isMapped(resource);
  const args = (given ?? {}) as NodeResourcesFitArgs;
  const ignored = ignores(args);
  const score = resourceScorer(args.scoringStrategy);
  return {
    name,
    sign: pod => `${signed(pod.requests)};${signed(pod.scored)}`,
    filter(_state, pod, node) {
      const { allocatable, requested } = node;
      const wants = pod.requests;
      // The usual case first, without allocating.
      if (
        !wants.scalar &&
        node.pods.size < allocatable.pods &&
        (wants.milliCpu === 0 || wants.milliCpu <= allocatable.milliCpu - requested.milliCpu) &&
        (wants.memory === 0 || wants.memory <= allocatable.memory - requested.memory) &&
        wants.ephemeralStorage === 0
      )
        return undefined;
      const found = shortages(wants, node, ignored, provided);
      return found.length ? statusOf(found) : undefined;
    },
    score: (_state, pod, node) => score(pod, node),
    eventsToRegister: () => [
      {
        resource: 'AssignedPod',
        actions: action.delete | action.updatePodScaleDown,
        hint: (pod, old, now) => (freesSomething(pod, old as Pod, now as Pod | undefined) ? 'Queue' : 'Skip'),
      },
      {
        resource: 'UnscheduledPod',
        actions: action.updatePodScaleDown,
        hint: (pod, _old, now) => (isSame(pod, now) ? 'Queue' : 'Skip'),
      },
      {
        resource: 'Node',
        actions: action.add | action.updateNodeAllocatable,
        hint: (pod, old, now) => {
          const info = podInfoOf(pod);
          if (!fitsCapacity(info, now as Node, ignored, provided)) return 'Skip';
          return old && !grew(info, old as Node, now as Node) ? 'Skip' : 'Queue';
        },
      },
      {
        resource: 'DeviceClass',
        actions: action.add | action.update,
        hint: pod => ([...(podInfoOf(pod).requests.scalar?.keys() ?? [])].some(provided) ? 'Queue' : 'Skip'),
      },
    ],
  };
}

/** Something that the pod wants is free now: the other pod has gone, or takes less. */
function freesSomething(pod: Pod, old: Pod, now: Pod | undefined): boolean {
  const wants = podInfoOf(pod).requests;
  const before = podRequests(old, { withStatus: true });
  const after = now ? podRequests(now, { withStatus: true }) : noRequests;
  // A pod that has gone leaves at least its place among the node's pods.
  return !now || some(wants, (n, want) => want > 0 && resourceValue(before, n) > resourceValue(after, n));
}

function grew(pod: PodInfo, old: Node, now: Node): boolean {
  const [before, after] = [capacityOf(old.status?.allocatable), capacityOf(now.status?.allocatable)];
  if (after.pods > before.pods) return true;
  return some(pod.requests, (n, want) => want > 0 && resourceValue(after, n) > resourceValue(before, n));
}

const some = (r: Resources, test: (resource: string, value: number) => boolean): boolean =>
  ['cpu', 'memory', 'ephemeral-storage', ...(r.scalar?.keys() ?? [])].some(n => test(n, resourceValue(r, n)));
