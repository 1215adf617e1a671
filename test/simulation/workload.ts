// What people do to a cluster, at random from a seed: make, change, scale, drain, delete.
import {
  appsV1,
  batchV1,
  type Call,
  type Client,
  type Cluster,
  coreV1,
  isAlreadyExists,
  isConflict,
  isForbidden,
  isNotFound,
  policyV1,
  StatusError,
} from '../../src/cluster/index.ts';
import { type Any, controllerOf, isReady, type World } from './world.ts';

export const namespace = 'sim';

/** Draws from one seed, apart from the cluster's own chance. */
export interface Dice {
  next(): number;
  /** From 0 to n - 1. */
  below(n: number): number;
  pick<T>(list: readonly T[]): T;
  chance(probability: number): boolean;
}

export function dice(next: () => number): Dice {
  const below = (n: number) => Math.floor(next() * n);
  return { next, below, pick: list => list[below(list.length)]!, chance: p => next() < p };
}

/** Random deeds; each tells in a few words what it did. */
export class Workload {
  readonly #client: Client;
  readonly #cluster: Cluster;
  readonly #world: World;
  readonly #dice: Dice;
  /** Told of what is done to pods past the faults, as of components' calls. */
  readonly #told: (call: Call) => void;
  #count = 0;
  #image = 1;
  /** Nodes switched off. */
  readonly dark = new Set<string>();

  constructor(cluster: Cluster, world: World, dice: Dice, told: (call: Call) => void) {
    this.#told = told;
    this.#cluster = cluster;
    this.#client = cluster.client;
    this.#world = world;
    this.#dice = dice;
  }

  /** One random deed. What the API refuses is no failure: others were faster. */
  async step(nodeFaults: boolean): Promise<string> {
    const deeds: [number, () => Promise<string>][] = [
      [4, () => this.#makeDeployment()],
      [2, () => this.#makeStatefulSet()],
      [1, () => this.#makeDaemonSet()],
      [3, () => this.#makeJob()],
      [2, () => this.#makeCronJob()],
      [1, () => this.#makeCrowd()],
      [2, () => this.#makeBudget()],
      [1, () => this.#setQuota()],
      [5, () => this.#rollOut()],
      [5, () => this.#scale()],
      [2, () => this.#pause()],
      [2, () => this.#remove()],
      [3, () => this.#deletePod()],
      [2, () => this.#evictPod()],
      [4, () => this.#evictApp()],
      [1, () => this.#release()],
      [1, () => this.#drain()],
      [1, () => this.#uncordon()],
      ...(nodeFaults ? ([[2, () => this.#switchNode()]] as [number, () => Promise<string>][]) : []),
    ];
    let at = this.#dice.next() * deeds.reduce((sum, [weight]) => sum + weight, 0);
    const [, deed] = deeds.find(([weight]) => {
      at -= weight;
      return at < 0;
    })!;
    try {
      return await deed();
    } catch (error) {
      const refused = isConflict(error) || isNotFound(error) || isForbidden(error) || isAlreadyExists(error);
      if (refused || (error instanceof StatusError && error.code === 429))
        return `refused: ${(error as Error).message}`;
      throw error;
    }
  }

  // ---- making ----

  #template(behaviour: object, more: object = {}): Any {
    const { chance, below } = this.#dice;
    const slow = chance(0.3) ? { startDelayMs: 500 + below(4000) } : {};
    return {
      metadata: { annotations: { 'k8ts.local/simulate': JSON.stringify({ ...slow, ...behaviour }) } },
      spec: {
        terminationGracePeriodSeconds: this.#dice.pick([0, 1, 5]),
        containers: [
          {
            name: 'c',
            image: `registry.example/i:${this.#image++}`,
            resources: { requests: { cpu: this.#dice.pick(['100m', '250m', '500m', '1']) } },
          },
        ],
        ...more,
      },
    };
  }

  #labelled(name: string, behaviour: object = {}): { selector: Any; template: Any } {
    const template = this.#template(behaviour);
    template.metadata.labels = { app: name };
    return { selector: { matchLabels: { app: name } }, template };
  }

  #name = (prefix: string) => `${prefix}${++this.#count}`;

  async #makeDeployment(): Promise<string> {
    const { pick, below, chance } = this.#dice;
    const name = this.#name('d');
    const rolling = pick([
      { maxSurge: 1, maxUnavailable: 0 },
      { maxSurge: 0, maxUnavailable: 1 },
      { maxSurge: '25%', maxUnavailable: '25%' },
      { maxSurge: '50%', maxUnavailable: 1 },
      { maxSurge: 2, maxUnavailable: 2 },
    ]);
    const strategy = chance(0.15) ? { type: 'Recreate' } : { type: 'RollingUpdate', rollingUpdate: rolling };
    await this.#client.create(appsV1.deployments, {
      metadata: { name, namespace },
      spec: { replicas: below(6), revisionHistoryLimit: below(3), strategy, ...this.#labelled(name) } as Any,
    });
    return `deployment ${name}`;
  }

  async #makeStatefulSet(): Promise<string> {
    const { pick, below } = this.#dice;
    const name = this.#name('s');
    await this.#client.create(appsV1.statefulsets, {
      metadata: { name, namespace },
      spec: {
        replicas: below(5),
        serviceName: name,
        podManagementPolicy: pick(['OrderedReady', 'OrderedReady', 'Parallel']),
        ...this.#labelled(name),
      } as Any,
    });
    return `stateful set ${name}`;
  }

  async #makeDaemonSet(): Promise<string> {
    const name = this.#name('n');
    const rollingUpdate = this.#dice.pick([{ maxUnavailable: 1 }, { maxUnavailable: 0, maxSurge: 1 }]);
    await this.#client.create(appsV1.daemonsets, {
      metadata: { name, namespace },
      spec: { updateStrategy: { type: 'RollingUpdate', rollingUpdate }, ...this.#labelled(name) } as Any,
    });
    return `daemon set ${name}`;
  }

  /** Pods at once of which a node takes only one. */
  async #makeCrowd(): Promise<string> {
    const name = this.#name('p');
    const { spec, metadata } = this.#template({ exitAfterMs: 2000 }, { restartPolicy: 'Never' });
    spec.containers[0].resources.requests.cpu = '4500m';
    const make = (i: number) =>
      this.#client.create(coreV1.pods, { metadata: { ...metadata, name: `${name}-${i}`, namespace }, spec });
    await Promise.all([0, 1, 2, 3].map(make));
    return `four large pods ${name}`;
  }

  #jobSpec(longestMs = 8000): Any {
    const { below, chance, pick } = this.#dice;
    const completions = 1 + below(6);
    const failing = chance(0.2) ? { exitCode: 1 } : {};
    const template = this.#template(
      { exitAfterMs: 500 + below(longestMs), ...failing },
      { restartPolicy: chance(0.3) && !('exitCode' in failing) ? 'OnFailure' : 'Never' },
    );
    return {
      completions,
      parallelism: 1 + below(4),
      backoffLimit: pick([0, 1, 2]),
      completionMode: pick(['Indexed', 'NonIndexed']),
      ...(chance(0.2) ? { ttlSecondsAfterFinished: 30 } : {}),
      template,
    };
  }

  async #makeJob(): Promise<string> {
    const name = this.#name('j');
    await this.#client.create(batchV1.jobs, { metadata: { name, namespace }, spec: this.#jobSpec() });
    return `job ${name}`;
  }

  async #makeCronJob(): Promise<string> {
    const name = this.#name('c');
    const spec: Any = {
      schedule: '* * * * *',
      concurrencyPolicy: this.#dice.pick(['Allow', 'Forbid', 'Forbid', 'Replace']),
      successfulJobsHistoryLimit: 1,
      failedJobsHistoryLimit: 1,
      // Some run into the next minute.
      jobTemplate: { spec: this.#jobSpec(this.#dice.pick([8000, 100_000, 200_000])) },
    };
    await this.#client.create(batchV1.cronjobs, { metadata: { name, namespace }, spec });
    return `cron job ${name}`;
  }

  async #makeBudget(): Promise<string> {
    const target = this.#some(['deployments', 'statefulsets']);
    if (!target) return 'no budget';
    await this.#guard(target.metadata.name);
    return `budget of ${target.metadata.name}`;
  }

  async #guard(name: string): Promise<void> {
    const limit = this.#dice.pick([{ minAvailable: 1 }, { maxUnavailable: 1 }, { minAvailable: '50%' }]);
    await this.#client.create(policyV1.poddisruptionbudgets, {
      metadata: { name, namespace },
      spec: { ...limit, selector: { matchLabels: { app: name } } },
    });
  }

  async #setQuota(): Promise<string> {
    const [quota] = this.#world.all('resourcequotas');
    if (quota) {
      await this.#client.delete(coreV1.resourcequotas, { namespace, name: 'q' });
      return 'no quota';
    }
    const used = this.#world.all('pods').filter(p => p.metadata.namespace === namespace).length;
    const pods = String(used + 1 + this.#dice.below(6));
    await this.#client.create(coreV1.resourcequotas, { metadata: { name: 'q', namespace }, spec: { hard: { pods } } });
    return `quota of ${pods} pods`;
  }

  // ---- changing ----

  #some(kinds: readonly string[]): Any | undefined {
    const all = kinds.flatMap(k => this.#world.all(k)).filter(o => o.metadata.namespace === namespace);
    return all.length ? this.#dice.pick(all) : undefined;
  }

  #patch(target: Any, body: object): Promise<unknown> {
    const ref = { Deployment: appsV1.deployments, StatefulSet: appsV1.statefulsets, DaemonSet: appsV1.daemonsets }[
      target.kind as 'Deployment'
    ];
    return this.#client.patch(ref, { namespace, name: target.metadata.name }, { type: 'strategic', body });
  }

  async #rollOut(): Promise<string> {
    const target = this.#some(['deployments', 'statefulsets', 'daemonsets']);
    if (!target) return 'nothing to roll out';
    const image = this.#dice.chance(0.2) ? 'registry.example/i:1' : `registry.example/i:${this.#image++}`;
    await this.#patch(target, { spec: { template: { spec: { containers: [{ name: 'c', image }] } } } });
    return `roll out ${image} of ${target.metadata.name}`;
  }

  async #scale(): Promise<string> {
    const target = this.#some(['deployments', 'statefulsets']);
    if (!target) return 'nothing to scale';
    const replicas = this.#dice.below(7);
    await this.#patch(target, { spec: { replicas } });
    return `scale ${target.metadata.name} to ${replicas}`;
  }

  async #pause(): Promise<string> {
    const target = this.#some(['deployments']);
    if (!target) return 'nothing to pause';
    await this.#patch(target, { spec: { paused: !target.spec.paused } });
    return `${target.spec.paused ? 'resume' : 'pause'} ${target.metadata.name}`;
  }

  async #remove(): Promise<string> {
    const target = this.#some([
      'deployments',
      'statefulsets',
      'daemonsets',
      'jobs',
      'cronjobs',
      'poddisruptionbudgets',
    ]);
    if (!target) return 'nothing to delete';
    const ref = {
      Deployment: appsV1.deployments,
      StatefulSet: appsV1.statefulsets,
      DaemonSet: appsV1.daemonsets,
      Job: batchV1.jobs,
      CronJob: batchV1.cronjobs,
      PodDisruptionBudget: policyV1.poddisruptionbudgets,
    }[target.kind as 'Deployment'];
    const propagationPolicy = this.#dice.pick(['Background', 'Foreground'] as const);
    await this.#client.delete(ref, { namespace, name: target.metadata.name }, { propagationPolicy });
    return `delete ${target.kind} ${target.metadata.name} (${propagationPolicy})`;
  }

  // ---- pods and nodes ----

  async #deletePod(): Promise<string> {
    const pod = this.#some(['pods']);
    if (!pod) return 'no pod to delete';
    this.#tell('delete', 'pods', pod.metadata.name);
    await this.#client.delete(coreV1.pods, { namespace, name: pod.metadata.name });
    return `delete pod ${pod.metadata.name}`;
  }

  #tell(verb: 'create' | 'delete', resource: string, name: string): void {
    this.#told({ component: 'user', verb, group: '', resource, namespace, name });
  }

  async #evict(pod: Any): Promise<string> {
    const { name } = pod.metadata;
    this.#tell('create', 'pods/eviction', name);
    await this.#cluster.client.createSubresource(coreV1.pods, { namespace, name }, 'eviction', {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name, namespace },
    });
    return name;
  }

  async #evictPod(): Promise<string> {
    const pod = this.#some(['pods']);
    return pod ? `evict ${await this.#evict(pod)}` : 'no pod to evict';
  }

  /** All pods of an app at once, twice, as those who drain several nodes do; a budget stands between them. */
  async #evictApp(): Promise<string> {
    const sizes = Map.groupBy(this.#world.all('pods').filter(isReady), p => p.metadata.labels?.app);
    const large = ['deployments', 'statefulsets']
      .flatMap(kind => this.#world.all(kind))
      .filter(o => (sizes.get(o.metadata.name)?.length ?? 0) > 1);
    if (large.length === 0) return 'nothing to evict all of';
    const target = this.#dice.pick(large);
    const { name } = target.metadata;
    const guarded = this.#world.get('poddisruptionbudgets', namespace, name);
    if (!guarded) await this.#guard(name);
    const waitMs = this.#dice.pick([1000, 20_000]);
    let evicted = 0;
    for (let i = 0; i < 2; i++) {
      await this.#cluster.advance(waitMs);
      evicted += await this.#evictAll(this.#world.all('pods').filter(p => p.metadata.labels?.app === name));
    }
    return `evict all of ${name}: ${evicted} evicted`;
  }

  /** All at once; tells how many went. */
  async #evictAll(pods: readonly Any[]): Promise<number> {
    const tries = await Promise.allSettled(pods.map(p => this.#evict(p)));
    return tries.filter(t => t.status === 'fulfilled').length;
  }

  /** The pod no longer matches its owner, who must let go of it and make another. */
  async #release(): Promise<string> {
    const pod = this.#some(['pods']);
    if (!pod?.metadata.labels?.app || controllerOf(pod)?.kind === 'StatefulSet') return 'no pod to release';
    const body = { metadata: { labels: { app: 'free' }, annotations: { free: 'yes' } } };
    await this.#client.patch(coreV1.pods, { namespace, name: pod.metadata.name }, { type: 'merge', body });
    return `release ${pod.metadata.name}`;
  }

  async #drain(): Promise<string> {
    const nodes = this.#world.all('minions');
    const node = this.#dice.pick(nodes).metadata.name;
    if (nodes.filter(n => !n.spec.unschedulable).length < 2) return 'no node to drain';
    await this.#client.patch(coreV1.nodes, { name: node }, { type: 'merge', body: { spec: { unschedulable: true } } });
    const here = this.#world.all('pods').filter(p => p.spec.nodeName === node && p.metadata.namespace === namespace);
    return `drain ${node}: ${await this.#evictAll(here)} evicted`;
  }

  async #uncordon(): Promise<string> {
    for (const { metadata, spec } of this.#world.all('minions'))
      if (spec.unschedulable)
        await this.#client.patch(
          coreV1.nodes,
          { name: metadata.name },
          { type: 'merge', body: { spec: { unschedulable: null } } },
        );
    return 'uncordon all';
  }

  async #switchNode(): Promise<string> {
    const [dark] = this.dark;
    if (dark) {
      this.dark.delete(dark);
      this.#cluster.faults.returnNode(dark);
      return `power back on ${dark}`;
    }
    const name = this.#dice.pick(this.#world.all('minions')).metadata.name;
    this.dark.add(name);
    this.#cluster.faults.loseNode(name);
    return `power off ${name}`;
  }

  /** Everything back as it should be, and nothing new: from here on all must settle. */
  async calm(): Promise<void> {
    for (const name of this.dark) this.#cluster.faults.returnNode(name);
    this.dark.clear();
    await this.#uncordon();
    for (const quota of this.#world.all('resourcequotas'))
      await this.#client.delete(coreV1.resourcequotas, { namespace, name: quota.metadata.name });
    // So few that there is room for all.
    for (const w of [...this.#world.all('deployments'), ...this.#world.all('statefulsets')])
      await this.#patch(w, {
        spec: { replicas: Math.min(2, w.spec.replicas), ...(w.spec.paused ? { paused: null } : {}) },
      });
    for (const c of this.#world.all('cronjobs'))
      await this.#client.patch(
        batchV1.cronjobs,
        { namespace, name: c.metadata.name },
        { type: 'merge', body: { spec: { suspend: true } } },
      );
  }
}
