// What must hold after every single write, whatever fails. Controllers act on what they last saw: where that may be
// old, a rule looks back as far as news may take to arrive (`staleMs`).
import type { Call } from '../../src/cluster/index.ts';
import { JobRules } from './job-rules.ts';
import { RecentValues } from './recent-values.ts';
import { type Any, type Change, controllerOf, isEnding, isLive, isOver, isReady, part, type World } from './world.ts';

export interface Circumstances {
  /** How old a component's picture may be. */
  readonly staleMs: number;
  /** Calls may have happened though their caller was told otherwise: counts may overshoot for a moment. */
  readonly uncertain: boolean;
}

/** Watches the writes and collects what should not have happened. */
export class Invariants {
  readonly violations: string[] = [];
  readonly #world: World;
  readonly #how: Circumstances;
  /** Who sent the last delete of a pod, by namespace/name. */
  readonly #deleters = new Map<string, string>();
  /** The most pods each deployment could have been allowed of late: limit and until when it counts. */
  readonly #limits = new Map<string, { atMs: number; most: number; least: number }[]>();
  /** When pods of a deployment were last lost to anything but its own controllers. */
  readonly #disturbedMs = new Map<string, number>();
  /** When pods with a label `app` were last lost to anything but eviction. */
  readonly #shakenMs = new Map<string | undefined, number>();
  /** Pods that a quota's last count may have missed, by uid. */
  readonly #unseen = new Map<string, number>();
  readonly #sizes: RecentValues;
  readonly #jobs: JobRules;

  constructor(world: World, how: Circumstances) {
    this.#world = world;
    this.#how = how;
    this.#sizes = new RecentValues(world, how.staleMs);
    this.#jobs = new JobRules(world, how, what => this.#fail(what));
  }

  /** Told of calls as they are sent. */
  called({ component, verb, resource, namespace, name }: Call): void {
    if (resource === 'pods' && verb === 'delete') this.#deleters.set(`${namespace}/${name}`, component);
    if (resource === 'pods/eviction') this.#deleters.set(`${namespace}/${name}`, 'eviction');
  }

  check(change: Change): void {
    const { kind, type, object, old } = change;
    if (kind === 'pods') {
      this.#pod(change);
      this.#jobs.pod(change);
    }
    if (kind === 'deployments' && type === 'put') this.#deployment(object);
    else if (kind === 'replicasets' && type === 'put') this.#replicaSet(object, old);
    else if (kind === 'resourcequotas' && type === 'put' && object.status?.used) this.#counted(object, old);
    else if (kind === 'jobs' && type === 'put') this.#jobs.job(change);
  }

  #fail(what: string): void {
    const at = new Date(this.#world.now).toISOString().slice(11, 23);
    if (this.violations.length < 20) this.violations.push(`${at} ${what}`);
  }

  // ---- pods ----

  #pod({ type, object: pod, old }: Change): void {
    const { namespace, name } = pod.metadata;
    if (type === 'put' && !old) this.#created(pod);
    if (type === 'put' && old && !old.spec.nodeName && pod.spec.nodeName) this.#bound(pod);
    if (old && !isEnding(old) && (type === 'delete' || isEnding(pod))) this.#ending(pod, old);
    const lost = old && isReady(old) && isLive(old) && (type === 'delete' || !isReady(pod) || !isLive(pod));
    const by = this.#deleters.get(`${namespace}/${name}`);
    if (lost && !by?.endsWith('/replicaset-controller')) this.#disturbed(old);
    const app = old?.metadata.labels?.app;
    if ((lost && by !== 'eviction') || (old && app !== pod.metadata.labels?.app))
      this.#shakenMs.set(app, this.#world.now);
    if (old && controllerOf(old)?.uid !== controllerOf(pod)?.uid) this.#disturbed(old);
    if (type === 'delete') {
      if (pod.metadata.finalizers?.length) this.#fail(`pod ${name} is gone with finalizers ${pod.metadata.finalizers}`);
      this.#deleters.delete(`${namespace}/${name}`);
    }
    if (old && isOver(old) && type === 'put' && old.status.phase !== pod.status.phase)
      this.#fail(`pod ${name} went from ${old.status.phase} to ${pod.status.phase}`);
  }

  #created(pod: Any): void {
    const owner = controllerOf(pod);
    const { namespace } = pod.metadata;
    this.#quota(namespace);
    if (owner?.kind === 'StatefulSet') this.#inOrder(this.#world.get('statefulsets', namespace, owner.name), pod);
    if (owner?.kind === 'DaemonSet') this.#daemonPod(owner, pod);
    if (owner?.kind === 'ReplicaSet') this.#surge(pod);
  }

  #quota(namespace: string): void {
    const used = this.#quotaPods(namespace).length;
    // It holds from when its controller has taken note of it, as in Kubernetes.
    for (const { metadata, status } of this.#world.all('resourcequotas')) {
      const most = Number(status?.hard?.pods ?? Number.POSITIVE_INFINITY) + (this.#unseen.get(metadata.uid) ?? 0);
      if (metadata.namespace === namespace && used > most) this.#fail(`${used} pods where the quota allows ${most}`);
    }
  }

  #quotaPods(namespace: string): Any[] {
    // Overdue ones are somebody else's trouble.
    const counts = ({ metadata: m }: Any) =>
      !m.deletionTimestamp || this.#world.now <= Date.parse(m.deletionTimestamp) + 1000 * m.deletionGracePeriodSeconds;
    return this.#world.all('pods').filter(p => p.metadata.namespace === namespace && !isOver(p) && counts(p));
  }

  /** A count made with an old picture leaves out what is new; admission only adds to it. */
  #counted(quota: Any, old: Any): void {
    const { namespace, uid } = quota.metadata;
    const claimed = (q: Any) => Number(q?.status?.used?.pods ?? 0);
    if (claimed(quota) > claimed(old) && this.#unseen.has(uid)) return;
    const pods = this.#quotaPods(namespace);
    const since = this.#world.now - this.#how.staleMs;
    const recent = pods.filter(p => Date.parse(p.metadata.creationTimestamp) >= since);
    this.#unseen.set(uid, Math.max(0, Math.min(recent.length, pods.length - claimed(quota))));
  }

  /** Of an ordered set: all lower ordinals were ready when its controller last looked. */
  #inOrder(set: Any, pod: Any): void {
    if (!set || set.spec.podManagementPolicy === 'Parallel') return;
    const ordinal = Number(pod.metadata.name.slice(set.metadata.name.length + 1));
    for (let i = set.spec.ordinals?.start ?? 0; i < ordinal; i++) {
      const since = this.#world.sinceReadyMs(pod.metadata.namespace, `${set.metadata.name}-${i}`);
      if (since > this.#how.staleMs)
        this.#fail(`${pod.metadata.name} was made though ${set.metadata.name}-${i} has not been ready for ${since} ms`);
    }
  }

  #daemonPod(owner: Any, pod: Any): void {
    if (this.#how.uncertain) return;
    const nodeOf = (p: Any) =>
      p.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms?.[0]
        ?.matchFields?.[0]?.values?.[0];
    const set = this.#world.get('daemonsets', pod.metadata.namespace, owner.name);
    const surges = set?.spec.updateStrategy.rollingUpdate.maxSurge;
    // Without surge the next pod comes when the last one has ended.
    const counts = surges ? isLive : (p: Any) => !isOver(p);
    const pods = this.#world.all('pods').filter(p => controllerOf(p)?.uid === owner.uid && counts(p));
    const same = pods.filter(p => nodeOf(p) === nodeOf(pod));
    const revision = (p: Any) => p.metadata.labels['controller-revision-hash'];
    // An old one and a new one.
    const many = surges ? same.some(p => p !== pod && revision(p) === revision(pod)) : same.length > 1;
    if (many) this.#fail(`${same.length} pods of daemon set ${owner.name} for ${nodeOf(pod)}`);
  }

  #bound(pod: Any): void {
    const node = this.#world.get('minions', '', pod.spec.nodeName);
    if (!node) return;
    const here = this.#world.all('pods').filter(p => p.spec.nodeName === pod.spec.nodeName && !isOver(p));
    const cpu = here.reduce(
      (sum, p) => sum + p.spec.containers.reduce((n: number, c: Any) => n + milli(c.resources), 0),
      0,
    );
    const room = Number(node.status.allocatable.cpu) * 1000;
    if (cpu > room) this.#fail(`${pod.spec.nodeName} is asked for ${cpu}m of ${room}m by ${here.length} pods`);
    if (here.length > Number(node.status.allocatable.pods)) this.#fail(`${here.length} pods on ${pod.spec.nodeName}`);
  }

  #ending(pod: Any, old: Any): void {
    const { namespace, name } = pod.metadata;
    const by = this.#deleters.get(`${namespace}/${name}`);
    if (by === 'eviction' && isReady(old)) this.#evicted(pod);
    if (by?.endsWith('/replicaset-controller') && isReady(old)) this.#available(old);
  }

  #evicted(pod: Any): void {
    for (const budget of this.#world.all('poddisruptionbudgets')) {
      const { matchLabels } = budget.spec.selector ?? {};
      if (budget.metadata.namespace !== pod.metadata.namespace || !matchLabels) continue;
      const selected = (p: Any) =>
        p.metadata.namespace === pod.metadata.namespace &&
        Object.entries(matchLabels).every(([k, v]) => p.metadata.labels?.[k] === v);
      if (!selected(pod)) continue;
      const healthy = this.#world.all('pods').filter(p => selected(p) && isReady(p) && isLive(p)).length;
      // Only what eviction itself takes away is its business.
      if (this.#world.now - (this.#shakenMs.get(matchLabels.app) ?? Number.NEGATIVE_INFINITY) <= this.#how.staleMs)
        continue;
      const wanted = budget.status?.desiredHealthy ?? 0;
      if (healthy < wanted && budget.status?.observedGeneration === budget.metadata.generation)
        this.#fail(
          `eviction of ${pod.metadata.name} leaves ${healthy} healthy where ${budget.metadata.name} wants ${wanted}`,
        );
    }
  }

  // ---- deployments ----

  #deploymentNamed = (namespace: string, name: string): Any => this.#world.get('deployments', namespace, name ?? '');

  #deploymentOf(pod: Any): Any {
    const owner = controllerOf(pod);
    if (owner?.kind !== 'ReplicaSet') return undefined;
    const set = this.#world.get('replicasets', pod.metadata.namespace, owner.name);
    const by = set && controllerOf(set);
    return by && this.#deploymentNamed(pod.metadata.namespace, by.name);
  }

  #deployment(deployment: Any): void {
    const { replicas = 1, strategy = {} } = deployment.spec;
    const rolling = strategy.rollingUpdate ?? {};
    const surge = strategy.type === 'Recreate' ? 0 : part(rolling.maxSurge, replicas, true);
    let unavailable = strategy.type === 'Recreate' ? replicas : part(rolling.maxUnavailable, replicas, false);
    if (surge === 0 && unavailable === 0) unavailable = 1;
    const list = this.#limits.get(deployment.metadata.uid) ?? [];
    const last = list.at(-1);
    const next = { atMs: this.#world.now, most: replicas + surge, least: replicas - unavailable };
    if (!last || last.most !== next.most || last.least !== next.least) list.push(next);
    this.#limits.set(deployment.metadata.uid, list);
  }

  /** What the spec said at any time of late. */
  #limitsOf(deployment: Any): { most: number; least: number } {
    const list = this.#limits.get(deployment.metadata.uid) ?? [];
    const since = this.#world.now - this.#how.staleMs;
    const recent = list.filter((_, i) => i === list.length - 1 || list[i + 1]!.atMs >= since);
    return { most: Math.max(...recent.map(l => l.most)), least: Math.min(...recent.map(l => l.least)) };
  }

  #replicaSet(set: Any, old: Any): void {
    this.#sizes.note(set.metadata.uid, set.spec.replicas);
    const by = controllerOf(set);
    if (by?.kind !== 'Deployment' || (old && set.spec.replicas <= old.spec.replicas)) return;
    const deployment = this.#deploymentNamed(set.metadata.namespace, by.name);
    if (!deployment || deployment.metadata.uid !== by.uid) return;
    const sets = this.#world.all('replicasets').filter(s => controllerOf(s)?.uid === by.uid);
    const sum = sets.reduce((n, s) => n + s.spec.replicas, 0);
    const { most } = this.#limitsOf(deployment);
    if (sum > most) this.#fail(`replica sets of ${by.name} ask for ${sum} pods, surge allows ${most}`);
  }

  /** The sizes of replica sets keep to the surge (above), and their pods to those sizes. */
  #surge(pod: Any): void {
    const set = this.#world.get('replicasets', pod.metadata.namespace, controllerOf(pod).name);
    if (!set || this.#how.uncertain) return;
    const live = this.#world.podsOf(set).filter(isLive).length;
    const most = Math.max(...this.#sizes.of(set.metadata.uid, set.spec.replicas));
    if (live > most) this.#fail(`${live} pods of replica set ${set.metadata.name} of size ${most}`);
  }

  #available(pod: Any): void {
    const deployment = this.#deploymentOf(pod);
    if (!deployment || isEnding(deployment) || this.#isDisturbed(deployment)) return;
    // Its ReplicaSet may not have known it to be ready: those that are not go first.
    const { lastTransitionTime } = pod.status.conditions.find((c: Any) => c.type === 'Ready');
    if (this.#world.now - Date.parse(lastTransitionTime) <= this.#how.staleMs) return;
    const ready = this.#world.all('pods').filter(p => isReady(p) && isLive(p) && this.#deploymentOf(p) === deployment);
    const { least } = this.#limitsOf(deployment);
    if (ready.length < least)
      this.#fail(
        `taking ${pod.metadata.name} away leaves ${ready.length} ready of ${deployment.metadata.name}, least ${least}`,
      );
  }

  #disturbed(pod: Any): void {
    const deployment = this.#deploymentOf(pod);
    if (deployment) this.#disturbedMs.set(deployment.metadata.uid, this.#world.now);
  }

  #isDisturbed(deployment: Any): boolean {
    const at = this.#disturbedMs.get(deployment.metadata.uid);
    return at !== undefined && this.#world.now - at <= this.#how.staleMs;
  }
}

function milli(resources: Any): number {
  const cpu: string = resources?.requests?.cpu ?? '0';
  return cpu.endsWith('m') ? Number(cpu.slice(0, -1)) : Number(cpu) * 1000;
}
