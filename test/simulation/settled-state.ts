// What the cluster must have come to, once faults are over and nobody asks for anything new.
import { type Any, controllerOf, isEnding, isLive, isReady, type World } from './world.ts';

/** What is not yet as declared; empty when all is. */
export function unsettled(world: World): string[] {
  return [
    ...world.all('deployments').flatMap(d => deployment(world, d)),
    ...world.all('statefulsets').flatMap(s => statefulSet(world, s)),
    ...world.all('daemonsets').flatMap(d => daemonSet(world, d)),
    ...world.all('jobs').flatMap(j => job(world, j)),
    ...orphans(world),
    ...world.all('pods').flatMap(waiting),
  ];
}

/** Only beside what waits for it, to tell why. */
function waiting(p: Any): string[] {
  if (!isLive(p) || isReady(p)) return [];
  const conditions = p.status?.conditions?.filter((c: Any) => c.status !== 'True');
  return [
    `pod ${p.metadata.name} on ${p.spec.nodeName}: ${JSON.stringify([conditions, p.status?.containerStatuses?.[0]?.state])}`,
  ];
}

const observed = (o: Any) => o.status?.observedGeneration === o.metadata.generation;

function deployment(world: World, d: Any): string[] {
  const { replicas = 1 } = d.spec;
  const { status = {} } = d;
  const pods = world
    .all('replicasets')
    .filter(s => controllerOf(s)?.uid === d.metadata.uid)
    .flatMap(s => world.podsOf(s));
  const live = pods.filter(isLive);
  const image = d.spec.template.spec.containers[0].image;
  const right =
    observed(d) &&
    !isEnding(d) &&
    (status.replicas ?? 0) === replicas &&
    (status.updatedReplicas ?? 0) === replicas &&
    (status.availableReplicas ?? 0) === replicas &&
    live.length === replicas &&
    live.every(p => isReady(p) && p.spec.containers[0].image === image);
  return right ? [] : [`deployment ${d.metadata.name} wants ${replicas}: ${JSON.stringify(status)}`];
}

function statefulSet(world: World, s: Any): string[] {
  const { replicas = 1 } = s.spec;
  const { status = {} } = s;
  const live = world.podsOf(s).filter(isLive);
  const names = live
    .map(p => p.metadata.name)
    .sort()
    .join();
  const wanted = Array.from({ length: replicas }, (_, i) => `${s.metadata.name}-${i}`).join();
  const right =
    observed(s) &&
    !isEnding(s) &&
    names === wanted &&
    live.every(isReady) &&
    (status.readyReplicas ?? 0) === replicas &&
    (status.availableReplicas ?? 0) === replicas &&
    status.currentRevision === status.updateRevision &&
    live.every(p => p.metadata.labels['controller-revision-hash'] === status.updateRevision);
  return right ? [] : [`stateful set ${s.metadata.name} wants ${wanted}, has ${names}: ${JSON.stringify(status)}`];
}

function daemonSet(world: World, d: Any): string[] {
  const nodes = world.all('minions').length;
  const live = world.podsOf(d).filter(isLive);
  const { status = {} } = d;
  const right =
    observed(d) &&
    !isEnding(d) &&
    status.desiredNumberScheduled === nodes &&
    status.numberReady === nodes &&
    status.updatedNumberScheduled === nodes &&
    live.length === nodes &&
    new Set(live.map(p => p.spec.nodeName)).size === nodes;
  return right ? [] : [`daemon set ${d.metadata.name} on ${live.map(p => p.spec.nodeName)}: ${JSON.stringify(status)}`];
}

function job(world: World, j: Any): string[] {
  const over = j.status?.conditions?.some(
    (c: Any) => (c.type === 'Complete' || c.type === 'Failed') && c.status === 'True',
  );
  const pods = world.podsOf(j);
  const { active = 0, uncountedTerminatedPods: u } = j.status ?? {};
  const counted = !u?.succeeded?.length && !u?.failed?.length && active === 0;
  const held = pods.some(p => p.metadata.finalizers?.length);
  if (over && counted && !held && !pods.some(isLive)) return [];
  return [`job ${j.metadata.name}: ${JSON.stringify(j.status)}, ${pods.length} pods${held ? ', held' : ''}`];
}

const kinds: Readonly<Record<string, string>> = {
  ReplicaSet: 'replicasets',
  Deployment: 'deployments',
  StatefulSet: 'statefulsets',
  DaemonSet: 'daemonsets',
  Job: 'jobs',
  CronJob: 'cronjobs',
};

function orphans(world: World): string[] {
  const owned = ['pods', 'replicasets', 'jobs', 'controllerrevisions'].flatMap(k => world.all(k));
  return owned.flatMap(o => {
    const by = controllerOf(o);
    const kind = by && kinds[by.kind];
    if (isEnding(o)) return [`${o.kind} ${o.metadata.name} is still being deleted`];
    if (!kind || world.get(kind, o.metadata.namespace, by.name)?.metadata.uid === by.uid) return [];
    return [`${o.kind} ${o.metadata.name} has outlived ${by.kind} ${by.name}`];
  });
}
