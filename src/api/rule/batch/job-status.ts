// What a status update of a Job may say: whoever manages the job, it starts, counts up and ends once.
import { type FieldErrors, path } from '../../field-error.ts';
import { parseTime } from '../../meta.ts';
import type { Job, JobStatus } from '../../type/batch-v1.ts';
import { deepEqual } from '../record.ts';
import { countIndexes, expandIndexes } from './job-policy.ts';

const STATUS = path('status');
const CONDITIONS = STATUS.child('conditions');

const holds = ({ conditions }: JobStatus, type: string): boolean =>
  conditions?.some(c => c.type === type && c.status === 'True') ?? false;

const isFinished = (status: JobStatus): boolean => holds(status, 'Complete') || holds(status, 'Failed');

const waiting = ({ uncountedTerminatedPods: pods }: JobStatus): number =>
  (pods?.succeeded?.length ?? 0) + (pods?.failed?.length ?? 0);

/** What was wrong before may stay: a rule holds when something that it is about has changed. */
export function validateJobStatusUpdate(now: Job, old: Job, errors: FieldErrors): void {
  const { status } = now;
  const before = old.status;
  const changed = (...fields: (keyof JobStatus)[]) => fields.some(f => !deepEqual(status[f], before[f]));
  validateUncounted(status, errors);
  validateEnds(status, before, errors);
  validateTimes(status, changed('completionTime', 'startTime', 'conditions'), errors);
  const ended = isFinished(status) && !isFinished(before);
  if (isFinished(status)) validateFinished(status, field => ended || changed(field), errors);
  validateIndexes(now, changed, errors);
  if (changed('ready') && (status.ready ?? 0) > (status.active ?? 0))
    errors.invalid(STATUS.child('ready'), status.ready, 'cannot set more ready pods than active');
  validateProgress(now, old, errors);
}

function validateUncounted({ uncountedTerminatedPods: pods }: JobStatus, errors: FieldErrors): void {
  const seen = new Set<string>();
  for (const field of ['succeeded', 'failed'] as const) {
    for (const [i, uid] of (pods?.[field] ?? []).entries()) {
      const at = STATUS.child('uncountedTerminatedPods', field).index(i);
      if (uid === '') errors.invalid(at, uid, 'must not be empty');
      else if (seen.has(uid)) errors.duplicate(at, uid);
      seen.add(uid);
    }
  }
}

/** Ways to end that exclude each other, and what each is announced by. */
const EXCLUSIVE = [
  ['Complete', 'Failed'],
  ['Complete', 'FailureTarget'],
  ['Failed', 'SuccessCriteriaMet'],
] as const;
const ANNOUNCED = [
  ['Failed', 'FailureTarget'],
  ['Complete', 'SuccessCriteriaMet'],
] as const;

function validateEnds(status: JobStatus, before: JobStatus, errors: FieldErrors): void {
  const differs = (...types: string[]) => types.some(t => holds(status, t) !== holds(before, t));
  for (const [a, b] of EXCLUSIVE)
    if (holds(status, a) && holds(status, b) && differs(a, b))
      errors.invalidUnshown(CONDITIONS, `cannot set ${a}=True and ${b}=true conditions`);
  if (
    holds(status, 'SuccessCriteriaMet') &&
    holds(status, 'FailureTarget') &&
    differs('SuccessCriteriaMet', 'FailureTarget')
  )
    errors.invalidUnshown(CONDITIONS, 'cannot set SuccessCriteriaMet=true and FailureTarget=true conditions');
  for (const [end, sign] of ANNOUNCED)
    if (holds(status, end) && !holds(status, sign) && differs(end))
      errors.invalidUnshown(CONDITIONS, `cannot set ${end}=True condition without the ${sign}=true condition`);
  for (const type of ['Failed', 'Complete', 'FailureTarget'])
    if (holds(before, type) && !holds(status, type))
      errors.invalidUnshown(CONDITIONS, `cannot disable the terminal ${type}=True condition`);
  if (holds(before, 'SuccessCriteriaMet') && !holds(status, 'SuccessCriteriaMet'))
    errors.invalidUnshown(CONDITIONS, 'cannot disable the SuccessCriteriaMet=True condition');
}

function validateTimes(status: JobStatus, changed: boolean, errors: FieldErrors): void {
  if (!changed) return;
  const { startTime, completionTime } = status;
  const at = STATUS.child('completionTime');
  const complete = holds(status, 'Complete');
  if (completionTime !== undefined && !complete)
    errors.invalid(at, completionTime, 'cannot set completionTime when there is no Complete=True condition');
  if (completionTime === undefined && complete) errors.required(at, 'completionTime is required for Complete jobs');
  if (startTime !== undefined && completionTime !== undefined && parseTime(completionTime)! < parseTime(startTime)!)
    errors.invalid(at, completionTime, 'completionTime cannot be set before startTime');
}

function validateFinished(status: JobStatus, about: (field: keyof JobStatus) => boolean, errors: FieldErrors): void {
  const { active = 0, terminating = 0, startTime } = status;
  if (about('active') && active > 0)
    errors.invalid(STATUS.child('active'), active, 'active>0 is invalid for finished job');
  if (about('startTime') && startTime === undefined)
    errors.required(STATUS.child('startTime'), 'startTime is required for finished job');
  if (about('uncountedTerminatedPods') && waiting(status) > 0)
    errors.invalid(
      STATUS.child('uncountedTerminatedPods'),
      status.uncountedTerminatedPods,
      'uncountedTerminatedPods needs to be empty for finished job',
    );
  if (about('terminating') && terminating > 0)
    errors.invalid(STATUS.child('terminating'), terminating, 'terminating>0 is invalid for finished job');
}

function validateIndexes(
  { spec, status }: Job,
  changed: (...fields: (keyof JobStatus)[]) => boolean,
  errors: FieldErrors,
): void {
  const { completedIndexes = '', failedIndexes } = status;
  const [completedAt, failedAt] = [STATUS.child('completedIndexes'), STATUS.child('failedIndexes')];
  for (const field of ['completedIndexes', 'failedIndexes'] as const) {
    if (spec.completions === undefined || !changed(field)) continue;
    const fault = countIndexes(status[field] ?? '', spec.completions);
    if (typeof fault === 'string')
      errors.invalid(STATUS.child(field), status[field], `error parsing ${field}: ${fault}`);
  }
  if (changed('completedIndexes') && completedIndexes && spec.completionMode !== 'Indexed')
    errors.invalid(
      completedAt,
      completedIndexes,
      'cannot set non-empty completedIndexes when non-indexed completion mode',
    );
  if (!changed('failedIndexes', 'completedIndexes') || failedIndexes === undefined) return;
  if (spec.backoffLimitPerIndex === undefined && changed('failedIndexes'))
    errors.invalid(failedAt, failedIndexes, 'cannot set non-null failedIndexes when backoffLimitPerIndex is null');
  if (overlap(expandIndexes(completedIndexes), expandIndexes(failedIndexes)))
    errors.invalid(failedAt, failedIndexes, 'failedIndexes and completedIndexes overlap');
}

type Intervals = ReturnType<typeof expandIndexes>;

/** Both in order, as they are where they are not malformed. */
function overlap(completed: Intervals, failed: Intervals): boolean {
  let at = 0;
  return failed.some(([first, last]) => {
    while (at < completed.length && completed[at]![1] < first) at++;
    return at < completed.length && completed[at]![0] <= last;
  });
}

function validateProgress(now: Job, old: Job, errors: FieldErrors): void {
  const { status } = now;
  const before = old.status;
  // What is indexed may be scaled down, and counts less then.
  const counted = now.spec.completionMode === 'Indexed' ? (['failed'] as const) : (['failed', 'succeeded'] as const);
  for (const field of counted)
    if ((status[field] ?? 0) < (before[field] ?? 0))
      errors.invalid(STATUS.child(field), status[field] ?? 0, `cannot decrease the ${field} counter`);
  if (status.completionTime && before.completionTime && status.completionTime !== before.completionTime)
    errors.invalid(STATUS.child('completionTime'), status.completionTime, 'completionTime cannot be mutated');
  const wasSuspended = holds(before, 'Suspended');
  if (before.startTime && status.startTime !== before.startTime && !now.spec.suspend && !wasSuspended)
    errors.required(STATUS.child('startTime'), 'startTime cannot be removed for unsuspended job');
}
