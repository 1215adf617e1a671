// One run from one seed: a small cluster, random deeds, random faults, and what must hold throughout and at the end.
import { createHash } from 'node:crypto';
import { seededRandom, systemRandom } from '../../src/base/random.ts';
import {
  type Cluster,
  type ClusterIdentity,
  coreV1,
  createCluster,
  createClusterIdentity,
  type FaultRule,
  type StoreEvent,
  virtualClock,
} from '../../src/cluster/index.ts';
import { Invariants } from './invariants.ts';
import { unsettled } from './settled-state.ts';
import { type Dice, dice, namespace, Workload } from './workload.ts';
import { World } from './world.ts';

export interface Outcome {
  readonly seed: number;
  /** What went wrong; empty when nothing did. */
  readonly violations: readonly string[];
  /** Of everything ever written, in its order. */
  readonly hash: string;
  readonly writes: number;
  /** Deeds and faults, for people. */
  readonly story: readonly string[];
}

export interface SimulateOptions {
  /** Deeds of each run; default 10. */
  readonly steps?: number;
  /** How long nothing may be written at the end; default 5 minutes. */
  readonly quiet?: string;
  /** Prints the story as it goes. */
  readonly talk?: (line: string) => void;
  /** Given every write in its order, as it is stored. */
  readonly record?: (write: StoreEvent) => void;
}

// Making keys takes longer than a run.
let identity: Promise<ClusterIdentity> | undefined;
const startMs = Date.UTC(2026, 0, 1);

/** Code that is loaded on first use takes time that no clock counts: a first run would have a history of its own. */
async function warmUp(): Promise<ClusterIdentity> {
  const made = await createClusterIdentity(virtualClock(startMs), systemRandom);
  const cluster = await createCluster({ nodes: 1, clock: virtualClock(startMs), seed: 0, identity: made });
  await cluster.advance('1m');
  await cluster.stop();
  return made;
}

export async function simulate(seed: number, options: SimulateOptions = {}): Promise<Outcome> {
  identity ??= warmUp();
  const roll = dice(seededRandom(seed ^ 0x5eed).next);
  const clock = virtualClock(startMs);
  const world = new World(clock);
  const mood = moodOf(roll);
  const invariants = new Invariants(world, mood);
  const hash = createHash('sha256');
  let writes = 0;
  const cluster = await createCluster({
    nodes: 2 + roll.below(2),
    clock,
    seed,
    identity: await identity,
    onWrite: event => {
      writes++;
      options.record?.(event);
      hash.update(event.key);
      // Of the one thing that no seed makes, the certificate, only the place counts.
      if (!event.key.includes('/configmaps/')) hash.update(event.value);
      const change = world.apply(event);
      if (change) invariants.check(change);
    },
  });
  const run = new Run(cluster, world, invariants, roll, mood, options);
  try {
    await run.all();
  } catch (error) {
    run.violations.push(`the run broke: ${error instanceof Error ? error.stack : error}`);
  } finally {
    await cluster.stop();
  }
  return { seed, violations: run.violations, hash: hash.digest('hex').slice(0, 16), writes, story: run.story };
}

/** What kinds of trouble a run has. */
interface Mood {
  readonly staleMs: number;
  readonly uncertain: boolean;
  readonly calls: boolean;
  readonly slow: boolean;
  readonly watches: boolean;
  readonly crashes: boolean;
  readonly nodes: boolean;
}

function moodOf({ chance }: Dice): Mood {
  const mood = {
    calls: chance(0.5),
    uncertain: chance(0.25),
    slow: chance(0.5),
    watches: chance(0.4),
    crashes: chance(0.4),
    nodes: chance(0.25),
  };
  // A broken watch is opened again after at most half a minute, a dead component within seconds.
  const staleMs = mood.watches || mood.calls || mood.crashes || mood.uncertain ? 60_000 : mood.slow ? 15_000 : 1000;
  return { ...mood, staleMs };
}

const crashing = [
  'replicaset-controller',
  'deployment-controller',
  'statefulset-controller',
  'daemonset-controller',
  'job-controller',
  'cronjob-controller',
  'disruption-controller',
  'garbage-collector-controller',
  'resourcequota-controller',
  'kube-scheduler',
];

class Run {
  readonly story: string[] = [];
  readonly #problems: string[] = [];
  readonly #cluster: Cluster;
  readonly #world: World;
  readonly #invariants: Invariants;
  readonly #dice: Dice;
  readonly #mood: Mood;
  readonly #o: SimulateOptions;
  readonly #workload: Workload;

  constructor(
    cluster: Cluster,
    world: World,
    invariants: Invariants,
    roll: Dice,
    mood: Mood,
    options: SimulateOptions,
  ) {
    this.#cluster = cluster;
    this.#world = world;
    this.#invariants = invariants;
    this.#dice = roll;
    this.#mood = mood;
    this.#o = options;
    this.#workload = new Workload(cluster, world, roll, call => invariants.called(call));
  }

  get violations(): string[] {
    return this.#problems;
  }

  async all(): Promise<void> {
    const cluster = this.#cluster;
    cluster.faults.observe(call => this.#invariants.called(call));
    await cluster.until(() => this.#world.all('minions').some(n => n.status?.conditions?.length));
    await cluster.client.create(coreV1.namespaces, { metadata: { name: namespace } });
    await cluster.advance('20s');
    const { steps = 10 } = this.#o;
    for (let i = 0; i < steps; i++) {
      if (this.#dice.chance(0.4)) this.#trouble();
      this.#tell(await this.#workload.step(this.#mood.nodes));
      await cluster.advance(this.#dice.pick([0, 100, 1000, 5000, 20_000, 40_000]));
      if (this.#invariants.violations.length) break;
    }
    if (this.#invariants.violations.length === 0) await this.#end();
    this.#problems.push(...this.#invariants.violations);
  }

  #tell(line: string): void {
    const at = new Date(this.#cluster.clock.now()).toISOString().slice(11, 23);
    this.story.push(`${at} ${line}`);
    this.#o.talk?.(`${at} ${line}`);
  }

  #trouble(): void {
    const { calls, uncertain, slow, watches, crashes } = this.#mood;
    const { faults } = this.#cluster;
    const { pick, chance, below } = this.#dice;
    const kinds = [
      ...(calls ? (['conflict', 'internal', 'throttled', 'unavailable'] as const) : []),
      ...(uncertain ? (['lost answer', 'timeout'] as const) : []),
      ...(slow ? (['slow'] as const) : []),
    ];
    if (kinds.length && chance(0.6)) {
      const rule: FaultRule = {
        fault: pick(kinds),
        probability: pick([0.05, 0.3]),
        times: 1 + below(20),
        delayMs: [0, pick([100, 2000])],
        ...(chance(0.5) ? { component: pick(crashing) } : {}),
      };
      faults.add(rule);
      this.#tell(`fault ${JSON.stringify(rule)}`);
    }
    if (watches && chance(0.5)) {
      const filter = chance(0.5) ? { component: pick(['kube-controller-manager', 'kube-scheduler', 'kubelet']) } : {};
      const count = chance(0.5) ? faults.dropWatches(filter) : faults.expireWatches(filter);
      this.#tell(`${count} watches broken`);
    }
    if (crashes && chance(0.4)) {
      const plan = { component: pick(crashing), write: 1 + below(5), happens: chance(0.5) };
      faults.crashAtWrite(plan);
      this.#tell(`crash ${JSON.stringify(plan)}`);
    }
  }

  /** Faults over: everything must come to what is declared, and then nothing must happen any more. */
  async #end(): Promise<void> {
    const cluster = this.#cluster;
    cluster.faults.clear();
    this.#tell('calm');
    await this.#workload.calm();
    let left: string[] = [];
    for (let minute = 0; minute < 40; minute++) {
      await cluster.advance('1m');
      left = unsettled(this.#world);
      if (left.length === 0) break;
    }
    if (left.length) return void this.#problems.push(...left.map(l => `not settled: ${l}`));
    // Conditions with a period (progress deadlines, histories) come to their end.
    await cluster.advance('11m');
    const noise = new Map<string, number>();
    const stop = cluster.faults.observe(({ component, verb, resource, name }) => {
      // Heartbeats, and tokens that near their end.
      if (resource === 'leases' || resource === 'serviceaccounts/token') return;
      if (resource === 'nodes/status' && component.startsWith('kubelet')) return;
      const what = `${component} ${verb} ${resource} ${name}`;
      noise.set(what, (noise.get(what) ?? 0) + 1);
    });
    await cluster.advance(this.#o.quiet ?? '5m');
    stop();
    for (const [what, times] of noise) this.#problems.push(`written while nothing changes: ${what} (${times} ×)`);
  }
}
