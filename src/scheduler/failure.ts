// What becomes of a pod that could not be placed: back into the queue, an event, the condition.
import type { Pod } from '../api/type/core-v1.ts';
import type { SeriesRecorder } from '../client/series-recorder.ts';
import type { Cache } from './cache/cache.ts';
import { podInfoOf } from './pod-info.ts';
import type { PodStatusWriter } from './pod-status.ts';
import type { Entry } from './queue/entry.ts';
import type { SchedulingQueue } from './queue/scheduling-queue.ts';
import type { Status } from './status.ts';

export interface FailureOptions {
  readonly cache: Cache;
  readonly queue: SchedulingQueue;
  readonly statuses: PodStatusWriter;
  /** The pod as it is now, by key. */
  readonly current: (key: string) => Pod | undefined;
  readonly events: (schedulerName: string) => SeriesRecorder;
}

export interface FailureDetails {
  readonly unschedulablePlugins?: ReadonlySet<string>;
  readonly pendingPlugins?: ReadonlySet<string>;
  /** As PostFilterOutcome. */
  readonly nominatedNode?: string;
  readonly clearNomination?: boolean;
}

/** What fits into an event. */
const longestMessage = 1024;

const cut = (message: string) =>
  message.length <= longestMessage ? message : `${message.slice(0, longestMessage - 4)} ...`;

export class FailureHandler {
  readonly #o: FailureOptions;

  constructor(options: FailureOptions) {
    this.#o = options;
  }

  failed(schedulerName: string, entry: Entry, status: Status, details: FailureDetails): void {
    const { queue } = this.#o;
    const { info } = entry;
    const now = this.#o.current(info.key);
    // Gone, replaced by another of its name, or placed by somebody else.
    if (!now || now.metadata.uid !== info.pod.metadata.uid || now.spec.nodeName) {
      queue.done(entry.uid);
      queue.nominator.forget(entry.uid);
      return;
    }
    if (now !== info.pod) entry.info = podInfoOf(now);
    const own = status.plugin && status.isRejected ? [status.plugin] : [];
    const pending = status.code === 'Pending';
    queue.failed(entry.uid, {
      unschedulablePlugins: details.unschedulablePlugins ?? (pending ? [] : own),
      pendingPlugins: details.pendingPlugins ?? (pending ? own : []),
    });
    const nominatedNode = details.clearNomination ? '' : details.nominatedNode;
    if (nominatedNode !== undefined) queue.nominator.nominate(entry.info, nominatedNode);
    const message = status.message;
    this.#o
      .events(schedulerName)
      .event(info.reference, 'Warning', 'FailedScheduling', cut(message), { action: 'Scheduling' });
    this.#o.statuses.write(now, {
      condition: {
        type: 'PodScheduled',
        status: 'False',
        reason: status.isRejected ? 'Unschedulable' : 'SchedulerError',
        message,
      },
      ...(nominatedNode === undefined ? {} : { nominatedNode }),
    });
  }
}
