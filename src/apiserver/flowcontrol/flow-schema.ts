// A flow schema at work: its flows, and what is counted of its requests.
import type { FlowSchema } from '../../api/type/flowcontrol-v1.ts';
import { BucketCounts } from '../../base/bucket-counts.ts';
import type { UserInfo } from '../authn/user.ts';
import type { RequestInfo } from '../request-info.ts';
import { dealHand, flowHash } from './kernel/shuffle.ts';
import type { LevelState } from './level-state.ts';

const secondsBounds = [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30];

/** Of the requests that one schema sends to one level. */
export class FlowCounts {
  readonly labels: { readonly flow_schema: string; readonly priority_level: string };
  dispatched = 0;
  executing = 0;
  seats = 0;
  waiting = 0;
  waitingSeats = 0;
  noAccommodation = 0;
  readonly rejected: Record<'queue-full' | 'concurrency-limit' | 'time-out' | 'cancelled', number> = {
    'queue-full': 0,
    'concurrency-limit': 0,
    'time-out': 0,
    cancelled: 0,
  };
  /** By whether it began at last. */
  readonly waitSeconds = { true: new BucketCounts(secondsBounds), false: new BucketCounts(secondsBounds) };
  readonly executionSeconds = { regular: new BucketCounts(secondsBounds), watch: new BucketCounts(secondsBounds) };
  readonly queueLength = new BucketCounts([0, 10, 25, 50, 100, 250, 500, 1000]);
  readonly watchers = new BucketCounts([0, 1, 10, 100, 1000, 10_000]);
  readonly width = new BucketCounts([1, 2, 4, 8, 16, 32, 64, 100]);

  constructor(schema: string, level: string) {
    this.labels = { flow_schema: schema, priority_level: level };
  }
}

export interface Flow {
  readonly schema: SchemaState;
  readonly distinguisher: string;
  /** The queues of its level it may wait in. */
  readonly hand: readonly number[];
}

const mostFlows = 10_000;

export class SchemaState {
  readonly object: FlowSchema;
  readonly level: LevelState;
  readonly counts: FlowCounts;
  /** Of every answer. */
  readonly headers: Readonly<Record<string, string>>;
  readonly #flows = new Map<string, Flow>();

  constructor(object: FlowSchema, level: LevelState, counts: FlowCounts) {
    this.object = object;
    this.level = level;
    this.counts = counts;
    this.headers = {
      'x-kubernetes-pf-flowschema-uid': object.metadata.uid ?? '',
      'x-kubernetes-pf-prioritylevel-uid': level.uid,
    };
  }

  flowOf(info: RequestInfo, user: UserInfo): Flow {
    const method = this.object.spec.distinguisherMethod?.type;
    const distinguisher = method === 'ByUser' ? user.name : method === 'ByNamespace' ? info.namespace : '';
    return this.#flows.get(distinguisher) ?? this.#make(distinguisher);
  }

  #make(distinguisher: string): Flow {
    const { queues, handSize } = this.level.level.shape;
    const hand = queues > 0 ? dealHand(flowHash(this.object.metadata.name, distinguisher), queues, handSize) : [];
    const flow = { schema: this, distinguisher, hand };
    if (this.#flows.size >= mostFlows) this.#flows.clear();
    this.#flows.set(distinguisher, flow);
    return flow;
  }
}
