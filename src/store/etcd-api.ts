// etcd's API, version 3, as far as the store uses it: fields by number, methods by path.
import { type Decoded, type Fields, type Input, Message } from './etcd-wire.ts';

const header = new Message({ revision: [3, 'int'] });

const keyValue = new Message({
  key: [1, 'bytes'],
  modRevision: [3, 'int'],
  version: [4, 'int'],
  value: [5, 'bytes'],
  lease: [6, 'id'],
});

const rangeRequest = new Message({
  key: [1, 'bytes'],
  rangeEnd: [2, 'bytes'],
  limit: [3, 'int'],
  revision: [4, 'int'],
  keysOnly: [8, 'bool'],
  countOnly: [9, 'bool'],
});
const rangeResponse = new Message({ header: [1, header], kvs: [2, [keyValue]], more: [3, 'bool'], count: [4, 'int'] });

const putRequest = new Message({ key: [1, 'bytes'], value: [2, 'bytes'], lease: [3, 'id'] });
const deleteRequest = new Message({ key: [1, 'bytes'] });
const requestOp = new Message({ range: [1, rangeRequest], put: [2, putRequest], delete: [3, deleteRequest] });
const responseOp = new Message({ range: [1, rangeResponse] });

/** Of the Compare message. */
export const compareTarget = { version: 0, modRevision: 2 } as const;

// The result compared with is always EQUAL, which is 0.
const compare = new Message({
  target: [2, 'int'],
  key: [3, 'bytes'],
  version: [4, 'int'],
  modRevision: [6, 'int'],
});
const txnRequest = new Message({ compare: [1, [compare]], success: [2, [requestOp]], failure: [3, [requestOp]] });
const txnResponse = new Message({ header: [1, header], succeeded: [2, 'bool'], responses: [3, [responseOp]] });

const compactionRequest = new Message({ revision: [1, 'int'], physical: [2, 'bool'] });
const compactionResponse = new Message({ header: [1, header] });

const watchCreate = new Message({
  key: [1, 'bytes'],
  rangeEnd: [2, 'bytes'],
  startRevision: [3, 'int'],
  progressNotify: [4, 'bool'],
  previousKv: [6, 'bool'],
  fragment: [8, 'bool'],
});
const nothing = new Message({});
const watchRequest = new Message({ create: [1, watchCreate], progress: [3, nothing] });
const event = new Message({ type: [1, 'int'], kv: [2, keyValue], previous: [3, keyValue] });
const watchResponse = new Message({
  header: [1, header],
  created: [3, 'bool'],
  canceled: [4, 'bool'],
  compactRevision: [5, 'int'],
  cancelReason: [6, 'string'],
  fragment: [7, 'bool'],
  events: [11, [event]],
});

const leaseGrantRequest = new Message({ ttl: [1, 'int'], id: [2, 'id'] });
const leaseGrantResponse = new Message({ header: [1, header], id: [2, 'id'], ttl: [3, 'int'] });
const leaseTimeToLiveRequest = new Message({ id: [1, 'id'] });
// -1 of a lease that has ended.
const leaseTimeToLiveResponse = new Message({ header: [1, header], id: [2, 'id'], ttl: [3, 'id'] });

const statusResponse = new Message({
  header: [1, header],
  version: [2, 'string'],
  dbBytes: [3, 'int'],
  usedBytes: [9, 'int'],
});
const snapshotResponse = new Message({ remainingBytes: [2, 'int'], blob: [3, 'bytes'] });

export type TxnRequest = MessageInput<typeof txnRequest>;
export type TxnResponse = MessageOutput<typeof txnResponse>;
export type KeyValue = MessageOutput<typeof keyValue>;
export type WatchRequest = MessageInput<typeof watchRequest>;
export type WatchResponse = MessageOutput<typeof watchResponse>;
export type WatchedEvent = MessageOutput<typeof event>;
type MessageInput<M> = M extends Message<infer F> ? Input<F> : never;
type MessageOutput<M> = M extends Message<infer F> ? Decoded<F> : never;

/** One method of a service. */
export interface EtcdMethod<Q extends Fields, S extends Fields> {
  readonly path: string;
  readonly request: Message<Q>;
  readonly response: Message<S>;
  /** To do it twice is to do it once: it may be tried again when the outcome is unknown. */
  readonly repeatable: boolean;
}

const method = <Q extends Fields, S extends Fields>(
  path: string,
  request: Message<Q>,
  response: Message<S>,
  repeatable: boolean,
): EtcdMethod<Q, S> => ({ path: `/etcdserverpb.${path}`, request, response, repeatable });

export const etcd = {
  range: method('KV/Range', rangeRequest, rangeResponse, true),
  txn: method('KV/Txn', txnRequest, txnResponse, false),
  compact: method('KV/Compact', compactionRequest, compactionResponse, true),
  watch: method('Watch/Watch', watchRequest, watchResponse, true),
  leaseTimeToLive: method('Lease/LeaseTimeToLive', leaseTimeToLiveRequest, leaseTimeToLiveResponse, true),
  leaseGrant: method('Lease/LeaseGrant', leaseGrantRequest, leaseGrantResponse, true),
  status: method('Maintenance/Status', nothing, statusResponse, true),
  snapshot: method('Maintenance/Snapshot', nothing, snapshotResponse, true),
} as const;
