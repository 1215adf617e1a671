// resource-pool-status-request-controller: answers, once, how much of a driver's pools is taken, and sweeps up answers.
import { parseTime } from '../../api/meta.ts';
import { resourceV1, resourceV1alpha3 } from '../../api/refs.ts';
import { isNotFound } from '../../api/status.ts';
import type { ResourcePoolStatusRequest } from '../../api/type/resource-v1alpha3.ts';
import { messageOf } from '../../base/assert.ts';
import type { Controller, ControllerContext, Result } from '../../engine/controller.ts';
import { writeStatus } from '../write-status.ts';
import { poolStatus } from './kernel/pool-status.ts';

const requests = resourceV1alpha3.resourcepoolstatusrequests;
const answeredMs = 3_600_000;
const pendingMs = 24 * 3_600_000;
const sweepMs = 600_000;
/** So often, and after so long, it is looked again whether all slices have come. */
const attempts = 5;
const firstWaitMs = 1000;

export function resourcePoolStatusRequestController(): Controller {
  return {
    name: 'resource-pool-status-request-controller',
    serviceAccount: 'resource-pool-status-request-controller',
    watches: [
      {
        resource: requests,
        keys: (r: ResourcePoolStatusRequest, _old, _context, deleted) =>
          deleted || r.status ? [] : [r.metadata.name!],
      },
    ],
    reads: [resourceV1.resourceslices, resourceV1.resourceclaims],
    writes: ['resourcepoolstatusrequests/status', 'resourcepoolstatusrequests'],
    create: context => new PoolStatusRequests(context),
  };
}

class PoolStatusRequests {
  readonly #context: ControllerContext;
  /** Times that pools were found incomplete, by uid of the request. */
  readonly #waits = new Map<string, number>();

  constructor(context: ControllerContext) {
    this.#context = context;
    context.observe(requests, { onDelete: r => this.#waits.delete(r.metadata.uid ?? '') });
  }

  async reconcile(name: string): Promise<Result | undefined> {
    const { client, clock, lister } = this.#context;
    const request = lister(requests).get(name);
    if (!request || request.status) return undefined;
    const slices = lister(resourceV1.resourceslices).list();
    const status = poolStatus(request.spec, slices, lister(resourceV1.resourceclaims).list(), clock.now());
    if (status) {
      await writeStatus(client, requests, request, status);
      return undefined;
    }
    const uid = request.metadata.uid ?? '';
    const waits = this.#waits.get(uid) ?? 0;
    this.#waits.set(uid, waits + 1);
    return waits < attempts ? { requeueAfterMs: firstWaitMs * 2 ** waits } : undefined;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#sweep();
      await this.#context.clock.sleep(sweepMs, signal).catch(() => {});
    }
  }

  async #sweep(): Promise<void> {
    const { client, clock, lister, log } = this.#context;
    for (const request of lister(requests).list()) {
      if (clock.now() < endMs(request)) continue;
      const { name, uid } = request.metadata;
      try {
        await client.delete(requests, { name: name! }, { preconditions: { uid: uid! } });
      } catch (error) {
        if (!isNotFound(error)) log.error('deleting a pool status request failed', { name, error: messageOf(error) });
      }
    }
  }
}

function endMs({ metadata, status }: ResourcePoolStatusRequest): number {
  if (!status) return (parseTime(metadata.creationTimestamp) ?? 0) + pendingMs;
  const answer = status.conditions?.find(c => (c.type === 'Complete' || c.type === 'Failed') && c.status === 'True');
  return (parseTime(answer?.lastTransitionTime ?? metadata.creationTimestamp) ?? 0) + answeredMs;
}
