// What a supervised process and its supervisor say to each other over Node's IPC channel.
import { type Server, type Socket, Server as TcpServer } from 'node:net';

/** From the supervisor, with the listening socket as handle. */
export interface ListenerMessage {
  readonly type: 'listener';
  readonly name: string;
}

/** From the child. */
export type ChildMessage =
  /** What it is doing, for people. */
  | { readonly type: 'phase'; readonly phase: string }
  /** It does its work now. */
  | { readonly type: 'ready' }
  /** It cannot go on and says why, before it exits. */
  | { readonly type: 'failed'; readonly message: string };

export interface ChildLink {
  /** True when a supervisor started this process. */
  readonly supervised: boolean;
  /** The supervisor is gone: the process should stop. */
  readonly orphaned: AbortSignal;
  /** The socket that the supervisor opened under this name. */
  listener(name: string): Promise<Server>;
  phase(phase: string): void;
  ready(): void;
  failed(message: string): void;
}

/** The child's end. Call it early: messages that came before are lost. */
export function childLink(): ChildLink {
  const orphaned = new AbortController();
  const arrived = new Map<string, PromiseWithResolvers<Server>>();
  const slot = (name: string) => {
    const waiting = arrived.get(name) ?? Promise.withResolvers<Server>();
    arrived.set(name, waiting);
    return waiting;
  };
  const supervised = typeof process.send === 'function';
  if (supervised) {
    process.on('message', (message: Partial<ListenerMessage>, handle: unknown) => {
      if (message?.type !== 'listener' || !(handle instanceof TcpServer)) return;
      keepEarly(handle);
      slot(message.name!).resolve(handle);
    });
    process.once('disconnect', () => orphaned.abort(new Error('the supervisor is gone')));
  }
  const send = (message: ChildMessage) => {
    if (supervised && process.connected) process.send!(message, undefined, undefined, () => {});
  };
  return {
    supervised,
    orphaned: orphaned.signal,
    listener: name => slot(name).promise,
    phase: phase => send({ type: 'phase', phase }),
    ready: () => send({ type: 'ready' }),
    failed: message => send({ type: 'failed', message }),
  };
}

// The socket accepts from the moment it arrives, which may be long before its user is ready: whoever connects in between
// waits for the first 'connection' handler instead of being accepted and forgotten.
function keepEarly(server: Server): void {
  const early: Socket[] = [];
  const keep = (socket: Socket) => {
    socket.on('error', ignore);
    early.push(socket);
  };
  server.on('connection', keep);
  const handOn = (event: string) => {
    if (event !== 'connection') return;
    server.off('newListener', handOn);
    // The new handler is in place only after this event.
    queueMicrotask(() => {
      server.off('connection', keep);
      for (const socket of early) {
        socket.off('error', ignore);
        if (!socket.destroyed) server.emit('connection', socket);
      }
    });
  };
  server.on('newListener', handOn);
}

const ignore = () => {};
