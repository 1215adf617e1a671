// What must hold of Jobs and CronJobs after every write.
import type { Circumstances } from './invariants.ts';
import { RecentValues } from './recent-values.ts';
import { type Any, type Change, controllerOf, isEnding, isLive, type World } from './world.ts';

type Fail = (what: string) => void;

const trackingFinalizer = 'batch.kubernetes.io/job-tracking';
const indexOf = (pod: Any): string | undefined =>
  pod.metadata.annotations?.['batch.kubernetes.io/job-completion-index'];
const hasCondition = (job: Any, type: string): boolean =>
  job.status?.conditions?.some((c: Any) => c.type === type && c.status === 'True') === true;
const isFinished = (job: Any): boolean => hasCondition(job, 'Complete') || hasCondition(job, 'Failed');

/** What the pods of one job have come to, by uid: more than this no job may count. */
interface Ends {
  readonly succeeded: Set<string>;
  readonly succeededIndexes: Set<string>;
  /** Failed, or being deleted, which counts as failed. */
  readonly lost: Set<string>;
  /** All: of a job that fails what still runs, for all it knows, counts as failed. */
  readonly made: Set<string>;
}

export class JobRules {
  readonly #world: World;
  readonly #how: Circumstances;
  readonly #fail: Fail;
  readonly #parallelism: RecentValues;
  readonly #ends = new Map<string, Ends>();

  constructor(world: World, how: Circumstances, fail: Fail) {
    this.#world = world;
    this.#how = how;
    this.#fail = fail;
    this.#parallelism = new RecentValues(world, how.staleMs);
  }

  pod({ type, object: pod, old }: Change): void {
    const owner = controllerOf(pod);
    if (owner?.kind !== 'Job') return;
    const ends = this.#endsOf(owner.uid);
    const { uid } = pod.metadata;
    const { phase } = pod.status;
    ends.made.add(uid);
    if (phase === 'Succeeded') {
      ends.succeeded.add(uid);
      ends.succeededIndexes.add(indexOf(pod) ?? '');
    } else if (phase === 'Failed' || type === 'delete' || isEnding(pod)) ends.lost.add(uid);
    if (type === 'put' && !old) this.#created(this.#world.get('jobs', pod.metadata.namespace, owner.name), pod);
  }

  job({ object: job, old }: Change): void {
    const { name, uid } = job.metadata;
    this.#parallelism.note(uid, job.spec.parallelism ?? 1);
    if (!old || old.metadata.uid !== uid) {
      this.#started(job);
      return;
    }
    this.#counts(job);
    for (const field of ['succeeded', 'failed'] as const)
      if ((job.status?.[field] ?? 0) < (old.status?.[field] ?? 0) && job.spec.completionMode !== 'Indexed')
        this.#fail(`job ${name}: ${field} went from ${old.status[field]} to ${job.status?.[field] ?? 0}`);
    const isComplete = hasCondition(job, 'Complete');
    const wasComplete = hasCondition(old, 'Complete');
    if (wasComplete && !isComplete) this.#fail(`job ${name} is no longer complete`);
    if (isComplete && hasCondition(job, 'Failed')) this.#fail(`job ${name} is complete and failed`);
    if (isComplete && !wasComplete && job.spec.completions && !job.spec.successPolicy)
      if (job.status.succeeded !== job.spec.completions)
        this.#fail(`job ${name} is complete with ${job.status.succeeded} of ${job.spec.completions}`);
    if (isFinished(job) && !isFinished(old)) this.#allCounted(job);
  }

  /** Each pod once at most, and none that has not ended. */
  #counts(job: Any): void {
    const { name, uid } = job.metadata;
    const { succeeded = 0, failed = 0, uncountedTerminatedPods: uncounted = {} } = job.status ?? {};
    const ends = this.#endsOf(uid);
    const indexed = job.spec.completionMode === 'Indexed';
    const most = indexed ? ends.succeededIndexes.size : ends.succeeded.size;
    const claimed = succeeded + (uncounted.succeeded?.length ?? 0);
    if (claimed > most) this.#fail(`job ${name} counts ${claimed} successes where ${most} were seen`);
    const given = failed + (uncounted.failed?.length ?? 0);
    const isFailing = hasCondition(job, 'FailureTarget') || hasCondition(job, 'Failed');
    const lost = isFailing ? ends.made.size - claimed : ends.lost.size;
    if (given > lost) this.#fail(`job ${name} counts ${given} failures where ${lost} were seen`);
  }

  /** A finished job has nothing left to count: every pod has lost its finalizer. */
  #allCounted(job: Any): void {
    const held = this.#world.podsOf(job).filter(p => p.metadata.finalizers?.includes(trackingFinalizer) && !isLive(p));
    const left = held.filter(p => p.status.phase === 'Succeeded');
    if (left.length) this.#fail(`job ${job.metadata.name} is finished, and ${left[0].metadata.name} is not counted`);
  }

  #created(job: Any, pod: Any): void {
    if (!job || this.#how.uncertain) return;
    const live = this.#world.podsOf(job).filter(isLive);
    const most = Math.max(...this.#parallelism.of(job.metadata.uid, job.spec.parallelism ?? 1));
    if (live.length > most) this.#fail(`${live.length} pods of job ${job.metadata.name}, parallelism ${most}`);
    const index = indexOf(pod);
    if (index !== undefined && live.some(p => p !== pod && indexOf(p) === index))
      this.#fail(`two pods of job ${job.metadata.name} with index ${index}`);
  }

  /** One run at a time with Forbid and Replace, as far as the CronJob has written down what runs. */
  #started(job: Any): void {
    const owner = controllerOf(job);
    if (owner?.kind !== 'CronJob') return;
    const cron = this.#world.get('cronjobs', job.metadata.namespace, owner.name);
    if (cron?.metadata.uid !== owner.uid || cron.spec.concurrencyPolicy === 'Allow') return;
    const listed = new Set(cron.status?.active?.map((a: Any) => a.uid));
    const running = this.#world
      .all('jobs')
      .filter(j => j !== job && listed.has(j.metadata.uid) && !isFinished(j) && !isEnding(j))
      .filter(j => this.#world.now - Date.parse(j.metadata.creationTimestamp) >= Math.min(this.#how.staleMs, 55_000));
    for (const other of running)
      this.#fail(`${job.metadata.name} runs beside ${other.metadata.name} (${cron.spec.concurrencyPolicy})`);
  }

  #endsOf(uid: string): Ends {
    return this.#ends.getOrInsertComputed(uid, () => ({
      succeeded: new Set(),
      succeededIndexes: new Set(),
      lost: new Set(),
      made: new Set(),
    }));
  }
}
