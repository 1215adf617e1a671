// What a supervised process and its supervisor say to each other over Node's IPC channel.
import { type Server, Server as TcpServer } from 'node:net';

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
      if (message?.type === 'listener' && handle instanceof TcpServer) slot(message.name!).resolve(handle);
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
