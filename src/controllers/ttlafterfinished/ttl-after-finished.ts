// ttl-after-finished-controller: deletes finished Jobs when their ttlSecondsAfterFinished has passed.
import { keyOf, parseKey } from '../../api/meta.ts';
import { batchV1 } from '../../api/refs.ts';
import { isNotFound } from '../../api/status.ts';
import type { Job } from '../../api/type/batch-v1.ts';
import { exponentialBuckets } from '../../base/metrics.ts';
import type { Controller, ControllerContext, Result } from '../../engine/controller.ts';
import { timeLeftMs } from './kernel/time-left.ts';

export function ttlAfterFinishedController(): Controller {
  return {
    name: 'ttl-after-finished-controller',
    queue: 'ttl_jobs_to_delete',
    serviceAccount: 'ttl-after-finished-controller',
    watches: [
      {
        resource: batchV1.jobs,
        keys: (job: Job, _old, _context, deleted) =>
          !deleted && job.spec?.ttlSecondsAfterFinished !== undefined ? [keyOf(job)] : [],
      },
    ],
    writes: ['jobs'],
    create: context => ({ reconcile: key => reconcile(key, context) }),
  };
}

async function reconcile(key: string, context: ControllerContext): Promise<Result | undefined> {
  const { client, clock, lister, metrics } = context;
  const job = lister(batchV1.jobs).get(key);
  const left = job && timeLeftMs(job, clock.now());
  if (left === undefined) return undefined;
  if (left > 0) return { requeueAfterMs: left };
  try {
    // Somebody may have just given it more time.
    const fresh = await client.get(batchV1.jobs, parseKey(key));
    const now = timeLeftMs(fresh, clock.now());
    if (now === undefined) return undefined;
    if (now > 0) return { requeueAfterMs: now };
    const preconditions = { uid: fresh.metadata.uid! };
    await client.delete(batchV1.jobs, parseKey(key), { propagationPolicy: 'Foreground', preconditions });
    const late = metrics.histogram(
      'ttl_after_finished_controller_job_deletion_duration_seconds',
      'The time it took to delete the job since it became eligible for deletion',
      [],
      exponentialBuckets(0.1, 2, 14),
    );
    late.observe({}, -now / 1000);
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  return undefined;
}
