// ttl-after-finished-controller: deletes finished Jobs when their ttlSecondsAfterFinished has passed.
import { keyOf, parseKey } from '../../api/meta.ts';
import { batchV1 } from '../../api/refs.ts';
import { isNotFound } from '../../api/status.ts';
import type { Job } from '../../api/type/batch-v1.ts';
import type { Controller, ControllerContext, Result } from '../../engine/controller.ts';
import { timeLeftMs } from './kernel/time-left.ts';

export function ttlAfterFinishedController(): Controller {
  return {
    name: 'ttl-after-finished-controller',
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

async function reconcile(key: string, { client, clock, lister }: ControllerContext): Promise<Result | undefined> {
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
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  return undefined;
}
