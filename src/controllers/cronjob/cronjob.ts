// Starts the Jobs of CronJobs on time, and clears away the old ones.
import { CronError, type CronSchedule, isTimeZone, parseCron } from '../../api/cron-schedule.ts';
import { formatTime, keyOf, parseTime } from '../../api/meta.ts';
import { batchV1 } from '../../api/refs.ts';
import { isAlreadyExists, isNotFound } from '../../api/status.ts';
import type { CronJob, CronJobStatus, Job } from '../../api/type/batch-v1.ts';
import type { ObjectReference } from '../../api/type/core-v1.ts';
import { messageOf } from '../../base/assert.ts';
import { exponentialBuckets, type HistogramMetric } from '../../base/metrics.ts';
import { referenceTo } from '../../client/event-recorder.ts';
import type { Controller, ControllerContext, Reconciler, Result } from '../../engine/controller.ts';
import { controllerRef, isControlledBy } from '../../engine/controller-ref.ts';
import { isNamespaceTerminating } from '../pod-control.ts';
import { controlledBy, indexByController, ownerKeys } from '../pod-owner.ts';
import { writeStatus } from '../write-status.ts';
import { childJob, endOfJob, jobNameOf, surplusJobs } from './kernel/child-job.ts';
import { dueStart, ScheduleError, untilNextMs } from './kernel/due.ts';

const docs = 'https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/';

const rescheduled = (now: CronJob, old: CronJob): boolean =>
  now.spec.schedule !== old.spec.schedule || now.spec.timeZone !== old.spec.timeZone;

export function cronJobController(): Controller {
  return {
    name: 'cronjob-controller',
    queue: 'cronjob',
    serviceAccount: 'cronjob-controller',
    component: 'cronjob-controller',
    watches: [
      // A new schedule is no reason to make up for starts it would have had: see observe.
      { resource: batchV1.cronjobs, keys: (o: CronJob, old) => (old && rescheduled(o, old) ? [] : [keyOf(o)]) },
      { resource: batchV1.jobs, keys: ownerKeys<CronJob>(batchV1.cronjobs, () => false) },
    ],
    indexes: [indexByController(batchV1.jobs)],
    writes: ['cronjobs/status', 'jobs', 'events'],
    create: context => new CronJobReconciler(context),
  };
}

interface Timetable {
  readonly schedule: CronSchedule;
  readonly zone: string;
}

/** The status under construction. */
interface Round {
  readonly job: CronJob;
  active: readonly ObjectReference[];
  lastScheduleTime: string | undefined;
  lastSuccessfulTime: string | undefined;
}

class CronJobReconciler implements Reconciler {
  readonly #context: ControllerContext;
  readonly #skew: HistogramMetric;

  constructor(context: ControllerContext) {
    this.#context = context;
    this.#skew = context.metrics.histogram(
      'cronjob_controller_job_creation_skew_duration_seconds',
      'Time between when a cronjob is scheduled to be run, and when the corresponding job is created',
      [],
      exponentialBuckets(1, 2, 10),
    );
    context.observe(batchV1.cronjobs, {
      onUpdate: (now, old) => {
        if (!rescheduled(now, old)) return;
        const table = this.#timetable(now);
        if (!table) {
          const message = `unparseable schedule for cronjob: ${now.spec.schedule}`;
          context.events.event(referenceTo(now, batchV1.cronjobs), 'Warning', 'UnParseableCronJobSchedule', message);
          return;
        }
        const nowMs = context.clock.now();
        const wait = attempt(() => untilNextMs(now, table.schedule, table.zone, nowMs));
        context.enqueue(keyOf(now), wait ?? 0);
      },
    });
  }

  async reconcile(key: string): Promise<Result | undefined> {
    const job = this.#context.lister(batchV1.cronjobs).get(key);
    if (!job) return undefined;
    const jobs = controlledBy(this.#context.lister(batchV1.jobs), job);
    const { active = [], lastScheduleTime, lastSuccessfulTime } = job.status ?? {};
    const round: Round = { job, active, lastScheduleTime, lastSuccessfulTime };
    let waitMs: number | undefined;
    try {
      await this.#lookAtJobs(round, jobs);
      waitMs = await this.#start(round);
      for (const old of surplusJobs(job, jobs)) await this.#delete(round, old);
    } finally {
      // What has been done is written down whatever failed after it.
      await this.#writeStatus(round);
    }
    return waitMs === undefined ? undefined : { requeueAfterMs: waitMs };
  }

  /** Brings the list of active jobs up to date. */
  async #lookAtJobs(round: Round, jobs: readonly Job[]): Promise<void> {
    const uids = new Set<string | undefined>();
    for (const job of jobs) {
      const { uid, name } = job.metadata;
      uids.add(uid);
      const listed = round.active.some(a => a.uid === uid);
      const end = endOfJob(job);
      if (!listed && !end) await this.#unexpected(round, job);
      if (!end) continue;
      if (listed) {
        this.#drop(round, uid);
        this.#event(round, 'Normal', 'SawCompletedJob', `Saw completed job: ${name}, condition: ${end}`);
      }
      if (end === 'Complete') this.#succeeded(round, job);
    }
    for (const { uid, name, namespace } of round.active) {
      if (uids.has(uid) || (await this.#exists(namespace!, name!))) continue;
      this.#event(round, 'Normal', 'MissingJob', `Active job went missing: ${name}`);
      this.#drop(round, uid);
    }
  }

  /** Unless only the local copy of the CronJob does not know of it yet. */
  async #unexpected(round: Round, { metadata: { name, uid } }: Job): Promise<void> {
    const { namespace, name: own } = round.job.metadata;
    const fresh = await this.#context.client.get(batchV1.cronjobs, { namespace: namespace!, name: own });
    if (fresh.status?.active?.some(a => a.uid === uid)) return;
    this.#event(round, 'Warning', 'UnexpectedJob', `Saw a job that the controller did not create or forgot: ${name}`);
  }

  #succeeded(round: Round, job: Job): void {
    const { completionTime } = job.status;
    const last = parseTime(round.lastSuccessfulTime);
    const ended = parseTime(completionTime);
    if (ended !== undefined && (last === undefined || ended > last)) round.lastSuccessfulTime = completionTime;
  }

  /** Starts what is due; milliseconds until the next start. */
  async #start(round: Round): Promise<number | undefined> {
    const { job } = round;
    if (job.metadata.deletionTimestamp) return undefined;
    const table = job.spec.suspend ? undefined : this.#timetable(job, round);
    if (!table) return undefined;
    const { schedule, zone } = table;
    const nowMs = this.#context.clock.now();
    try {
      const due = dueStart(job, schedule, zone, nowMs);
      if (due.tooMany)
        this.#event(
          round,
          'Warning',
          'TooManyMissedTimes',
          'too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew',
        );
      if (due.atMs !== undefined) await this.#startAt(round, due.atMs, nowMs);
      return untilNextMs(job, schedule, zone, nowMs);
    } catch (error) {
      if (!(error instanceof ScheduleError)) throw error;
      this.#event(
        round,
        'Warning',
        'InvalidSchedule',
        `invalid schedule schedule: ${JSON.stringify(job.spec.schedule)} : ${error.message}`,
      );
      return undefined;
    }
  }

  #timetable(job: CronJob, round?: Round): Timetable | undefined {
    const { schedule, timeZone } = job.spec;
    const tell = (reason: string, message: string) => round && this.#event(round, 'Warning', reason, message);
    if (timeZone !== undefined && !isTimeZone(timeZone)) {
      tell('UnknownTimeZone', `invalid timeZone: ${JSON.stringify(timeZone)}: unknown time zone ${timeZone}`);
      return undefined;
    }
    if (schedule.includes('TZ'))
      tell(
        'UnsupportedSchedule',
        `CRON_TZ or TZ used in schedule ${JSON.stringify(schedule)} is not officially supported, see ${docs} for more details`,
      );
    try {
      const parsed = parseCron(schedule);
      return { schedule: parsed, zone: parsed.timeZone ?? timeZone ?? 'UTC' };
    } catch (error) {
      if (!(error instanceof CronError)) throw error;
      tell('UnparseableSchedule', `unparseable schedule: ${JSON.stringify(schedule)} : ${error.message}`);
      return undefined;
    }
  }

  async #startAt(round: Round, atMs: number, nowMs: number): Promise<void> {
    const { job } = round;
    const { startingDeadlineSeconds: deadline, concurrencyPolicy } = job.spec;
    if (deadline !== undefined && atMs + Number(deadline) * 1000 < nowMs) {
      const when = new Date(atMs).toUTCString().replace('GMT', '+0000');
      this.#event(round, 'Warning', 'MissSchedule', `Missed scheduled time to start a job: ${when}`);
      return;
    }
    const name = jobNameOf(job, atMs);
    if (round.active.some(a => a.name === name) || parseTime(round.lastScheduleTime) === atMs) return;
    if (concurrencyPolicy === 'Forbid' && round.active.length > 0) {
      this.#event(
        round,
        'Normal',
        'JobAlreadyActive',
        'Not starting job because prior execution is running and concurrency policy is Forbid',
      );
      return;
    }
    if (concurrencyPolicy === 'Replace') await this.#deleteActive(round);
    const created = await this.#create(round, atMs);
    if (!created) return;
    round.active = [...round.active, referenceTo(created, batchV1.jobs)];
    round.lastScheduleTime = formatTime(atMs);
  }

  async #deleteActive(round: Round): Promise<void> {
    for (const { namespace, name } of round.active) {
      let job: Job;
      try {
        job = await this.#context.client.get(batchV1.jobs, { namespace: namespace!, name: name! });
      } catch (error) {
        this.#event(round, 'Warning', 'FailedGet', `Get job: ${messageOf(error)}`);
        throw error;
      }
      if (!(await this.#delete(round, job))) throw new Error(`could not replace job ${namespace}/${name}`);
    }
  }

  /** Undefined when it is not ours to note. */
  async #create(round: Round, atMs: number): Promise<Job | undefined> {
    const { job } = round;
    const { client } = this.#context;
    const draft = childJob(job, controllerRef(job, batchV1.cronjobs), atMs);
    try {
      const created = await client.create(batchV1.jobs, draft);
      this.#event(round, 'Normal', 'SuccessfulCreate', `Created job ${created.metadata.name}`);
      this.#skew.observe({}, (this.#context.clock.now() - atMs) / 1000);
      return created;
    } catch (error) {
      if (isNamespaceTerminating(error)) return undefined;
      if (!isAlreadyExists(error)) {
        this.#event(round, 'Warning', 'FailedCreate', `Error creating job: ${messageOf(error)}`);
        throw error;
      }
    }
    // Made before, and then the status was not written.
    const namespace = job.metadata.namespace!;
    const existing = await client.get(batchV1.jobs, { namespace, name: draft.metadata!.name! });
    const known = round.active.some(a => a.uid === existing.metadata.uid);
    return known || !isControlledBy(existing, job) ? undefined : existing;
  }

  async #delete(round: Round, job: Job): Promise<boolean> {
    const { name, namespace, uid } = job.metadata;
    try {
      await this.#context.client.delete(
        batchV1.jobs,
        { namespace: namespace!, name },
        { propagationPolicy: 'Background' },
      );
    } catch (error) {
      if (!isNotFound(error)) {
        this.#event(round, 'Warning', 'FailedDelete', `Deleted job: ${messageOf(error)}`);
        return false;
      }
      this.#drop(round, uid);
      return true;
    }
    this.#drop(round, uid);
    this.#event(round, 'Normal', 'SuccessfulDelete', `Deleted job ${name}`);
    return true;
  }

  /** Asks the API server: the local copy may not show yet what has just been made. */
  async #exists(namespace: string, name: string): Promise<boolean> {
    try {
      await this.#context.client.get(batchV1.jobs, { namespace, name });
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  #drop(round: Round, uid: string | undefined): void {
    if (round.active.some(a => a.uid === uid)) round.active = round.active.filter(a => a.uid !== uid);
  }

  async #writeStatus(round: Round): Promise<void> {
    const { job, active, lastScheduleTime, lastSuccessfulTime } = round;
    const old = job.status ?? {};
    const same =
      (active === old.active || (active.length === 0 && !old.active?.length)) &&
      lastScheduleTime === old.lastScheduleTime &&
      lastSuccessfulTime === old.lastSuccessfulTime;
    if (same) return;
    const status: CronJobStatus = {
      ...(active.length > 0 ? { active } : {}),
      ...(lastScheduleTime ? { lastScheduleTime } : {}),
      ...(lastSuccessfulTime ? { lastSuccessfulTime } : {}),
    };
    await writeStatus(this.#context.client, batchV1.cronjobs, job, status);
  }

  #event({ job }: Round, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#context.events.event(referenceTo(job, batchV1.cronjobs), type, reason, message);
  }
}

function attempt<T>(fn: () => T): T | undefined {
  try {
    return fn();
  } catch (error) {
    if (error instanceof ScheduleError) return undefined;
    throw error;
  }
}
