import type { KubeObject, ObjectKey } from '../api/meta.ts';
import type { ResourceRef } from '../api/ref.ts';
import { isNotFound } from '../api/status.ts';
import { messageOf } from '../base/assert.ts';
import type { Controller, ControllerContext } from '../engine/controller.ts';

export interface CleanerOptions<T extends KubeObject> {
  readonly name: string;
  readonly serviceAccount: string;
  readonly resource: ResourceRef<T>;
  readonly everyMs: number;
  /** Nobody needs it any more. */
  isDone(object: T, nowMs: number): boolean;
}

/** A controller that looks at all objects of a kind now and then, and deletes those that have served their turn. */
export function cleanerController<T extends KubeObject>(options: CleanerOptions<T>): Controller {
  const { name, serviceAccount, resource, everyMs } = options;
  return {
    ...{ name, serviceAccount, workers: 0, watches: [], reads: [resource], writes: [resource.resource] },
    create: context => ({
      async reconcile() {},
      async run(signal) {
        while (!signal.aborted) {
          await clean(context, options);
          await context.clock.sleep(everyMs, signal).catch(() => {});
        }
      },
    }),
  };
}

async function clean<T extends KubeObject>(
  { client, clock, lister, log }: ControllerContext,
  { resource, isDone }: CleanerOptions<T>,
): Promise<void> {
  for (const object of lister(resource).list()) {
    const { namespace, name = '', uid = '' } = object.metadata;
    const key: ObjectKey = namespace ? { namespace, name } : { name };
    try {
      if (isDone(object, clock.now())) await client.delete(resource, key, { preconditions: { uid } });
    } catch (error) {
      if (isNotFound(error)) continue;
      log.error('cleaning up failed', { kind: resource.kind, ...key, error: messageOf(error) });
    }
  }
}
