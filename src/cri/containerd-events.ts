import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { GrpcChannel, Method } from './grpc.ts';
import { compileMessages } from './protobuf.ts';
import type { RuntimeEvent } from './runtime.ts';

// containerd's own events API (containerd/services/events/v1 and containerd/events): only what we read.
const codec = compileMessages({
  SubscribeRequest: { fields: { filters: { rule: 'repeated', type: 'string', id: 1 } } },
  Any: { fields: { type_url: { type: 'string', id: 1 }, value: { type: 'bytes', id: 2 } } },
  Timestamp: { fields: { seconds: { type: 'int64', id: 1 }, nanos: { type: 'int32', id: 2 } } },
  Envelope: {
    fields: {
      timestamp: { type: 'Timestamp', id: 1 },
      namespace: { type: 'string', id: 2 },
      topic: { type: 'string', id: 3 },
      event: { type: 'Any', id: 4 },
    },
  },
  TaskStart: { fields: { container_id: { type: 'string', id: 1 }, pid: { type: 'uint32', id: 2 } } },
  TaskExit: {
    fields: {
      container_id: { type: 'string', id: 1 },
      id: { type: 'string', id: 2 },
      pid: { type: 'uint32', id: 3 },
      exit_status: { type: 'uint32', id: 4 },
      exited_at: { type: 'Timestamp', id: 5 },
    },
  },
  TaskDelete: {
    fields: {
      container_id: { type: 'string', id: 1 },
      pid: { type: 'uint32', id: 2 },
      exit_status: { type: 'uint32', id: 3 },
      exited_at: { type: 'Timestamp', id: 4 },
      id: { type: 'string', id: 5 },
    },
  },
  TaskOOM: { fields: { container_id: { type: 'string', id: 1 } } },
});

interface Envelope {
  readonly namespace: string;
  readonly topic: string;
  readonly event?: { readonly type_url: string; readonly value: Uint8Array };
}
interface TaskEvent {
  readonly container_id: string;
  /** Of an exec process; empty or the container's own id for the container itself. */
  readonly id?: string;
}

const subscribe: Method<{ filters: string[] }, Envelope> = {
  name: 'Subscribe',
  path: '/containerd.services.events.v1.Events/Subscribe',
  request: codec('SubscribeRequest'),
  response: codec('Envelope'),
};

const byTopic = {
  '/tasks/start': { type: 'started', codec: codec<TaskEvent>('TaskStart') },
  '/tasks/exit': { type: 'exited', codec: codec<TaskEvent>('TaskExit') },
  '/tasks/oom': { type: 'oom', codec: codec<TaskEvent>('TaskOOM') },
  '/tasks/delete': { type: 'deleted', codec: codec<TaskEvent>('TaskDelete') },
} as const;

/** The event an envelope tells of; undefined for other topics and for processes started by exec. */
export function readEnvelope(envelope: Envelope): RuntimeEvent | undefined {
  const known = byTopic[envelope.topic as keyof typeof byTopic];
  if (!known || !envelope.event) return undefined;
  const event = known.codec.decode(envelope.event.value);
  if (event.id && event.id !== event.container_id) return undefined;
  return { type: known.type, id: event.container_id };
}

export interface EventSource {
  readonly channel: GrpcChannel;
  readonly clock: Clock;
  readonly log: Log;
  /** Rejects while the runtime does not answer. */
  ping(signal: AbortSignal): Promise<unknown>;
  /** Whether the CRI plugin already reports the container or sandbox as ended. */
  hasEnded(id: string): Promise<boolean>;
}

/** Subscribes to namespace k8s.io until the signal aborts; see ContainerRuntime.watchEvents. */
export async function watchContainerdEvents(
  source: EventSource,
  handler: { onEvent(event: RuntimeEvent): void; onGap(): void },
  signal: AbortSignal,
): Promise<void> {
  const metadata = { 'containerd-namespace': 'k8s.io' };
  const filters = ['namespace==k8s.io,topic~="^/tasks/(start|exit|oom|delete)$"'];
  // Exits held back; what follows on the same id waits for them.
  const exits = new Map<string, Promise<void>>();
  const onEnvelope = (envelope: Envelope) => {
    const event = readEnvelope(envelope);
    if (!event || signal.aborted) return;
    const before = exits.get(event.id);
    if (event.type === 'exited') {
      const settled = settleExit(source, event, handler, signal).finally(() => exits.delete(event.id));
      exits.set(event.id, settled);
    } else if (before) void before.then(() => handler.onEvent(event));
    else handler.onEvent(event);
  };
  let delayMs = 50;
  while (!signal.aborted) {
    const attempt = new AbortController();
    const both = AbortSignal.any([signal, attempt.signal]);
    try {
      // The server sends no header before the first event, so a call after it on the same connection tells that it is
      // up. Whatever happened before that may have been missed: a gap, at the first subscription too.
      const stream = source.channel.serverStream(subscribe, { filters }, { signal: both }, onEnvelope, metadata);
      await Promise.race([stream, source.ping(both)]);
      if (!signal.aborted) handler.onGap();
      delayMs = 50;
      await stream;
    } catch (error) {
      if (!signal.aborted) source.log.debug('event stream ended', { error: messageOf(error) });
    } finally {
      attempt.abort();
    }
    await source.clock.sleep(delayMs, signal).catch(() => {});
    delayMs = Math.min(delayMs * 2, 1000);
  }
}

// The CRI plugin hears of an exit by the same event stream and updates its status some milliseconds after us (it
// deletes the task and syncs a file first). Holding the event back until then lets whoever gets it look only once.
async function settleExit(
  source: EventSource,
  event: RuntimeEvent,
  handler: { onEvent(event: RuntimeEvent): void },
  signal: AbortSignal,
): Promise<void> {
  for (let waitMs = 4; waitMs <= 256; waitMs *= 2) {
    const ended = await source.hasEnded(event.id).catch(() => true);
    if (signal.aborted) return;
    if (ended) break;
    await source.clock.sleep(waitMs, signal).catch(() => {});
  }
  if (!signal.aborted) handler.onEvent(event);
}
