// The supervisor's control socket: one JSON line asks, one or more JSON lines answer.
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';

export type ChildState = 'starting' | 'ready' | 'waiting' | 'stopping' | 'stopped';

export interface ChildStatus {
  readonly name: string;
  readonly state: ChildState;
  readonly pid?: number;
  /** Milliseconds since the epoch of the last change of `state`. */
  readonly sinceMs: number;
  readonly restarts: number;
  /** What it is doing, in its own words. */
  readonly phase?: string;
  /** Why it ended last. */
  readonly lastExit?: string;
}

export interface SupervisorStatus {
  readonly pid: number;
  readonly stopping: boolean;
  readonly children: readonly ChildStatus[];
}

/** `status`: one answer. `watch`: an answer now and after every change. `stop`: an answer, then the end of the connection when all is stopped. `restart`: ends one child, which is started again. */
export type ControlRequest =
  | { readonly op: 'status' | 'watch' | 'stop' }
  | { readonly op: 'restart'; readonly child: string };

export interface Controlled {
  status(): SupervisorStatus;
  onChange(listener: () => void): () => void;
  stop(): void;
  /** False when there is no such child. */
  restart(child: string): boolean;
}

/** Listens on `path`, for this user only; a socket that a dead supervisor left is replaced. */
export function serveControl(path: string, controlled: Controlled): Promise<{ close(): void }> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  rmSync(path, { force: true });
  const open = new Set<Socket>();
  const server = createServer(socket => {
    open.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => open.delete(socket));
    const lines = createInterface({ input: socket });
    lines.on('error', () => {});
    lines.once('line', line => answer(line, socket, controlled));
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      chmodSync(path, 0o600);
      resolve({
        close: () => {
          server.close();
          for (const socket of open) socket.destroy();
        },
      });
    });
  });
}

function answer(line: string, socket: Socket, controlled: Controlled): void {
  const say = (value: unknown) => socket.write(`${JSON.stringify(value)}\n`);
  let request: ControlRequest;
  try {
    request = JSON.parse(line);
  } catch {
    return void socket.end('{"error":"not JSON"}\n');
  }
  if (request.op === 'watch') {
    say(controlled.status());
    const off = controlled.onChange(() => say(controlled.status()));
    socket.once('close', off);
  } else if (request.op === 'stop') {
    controlled.stop();
    say(controlled.status());
  } else if (request.op === 'restart' && !controlled.restart(request.child)) {
    socket.end(`${JSON.stringify({ error: `no such component: ${request.child}` })}\n`);
  } else {
    socket.end(`${JSON.stringify(controlled.status())}\n`);
  }
}

/** Sends one request; yields the answers until the supervisor closes or the signal aborts. Throws when nobody listens. */
export async function* askSupervisor(
  path: string,
  request: ControlRequest,
  signal?: AbortSignal,
): AsyncGenerator<SupervisorStatus> {
  if (signal?.aborted) return;
  const socket = createConnection(path);
  const stop = () => socket.destroy();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
      socket.once('close', () => resolve());
    });
    if (socket.destroyed) return;
    socket.on('error', () => {});
    socket.write(`${JSON.stringify(request)}\n`);
    const lines = createInterface({ input: socket });
    // A destroyed socket does not end readline by itself.
    socket.once('close', () => lines.close());
    for await (const line of lines) {
      const value = JSON.parse(line) as SupervisorStatus & { error?: string };
      if (value.error) throw new Error(value.error);
      yield value;
    }
  } finally {
    signal?.removeEventListener('abort', stop);
    socket.destroy();
  }
}

/** It answers at once, unless it is stopped or swapped out. */
const answerMs = 5000;

/** The first answer; undefined when no supervisor listens. Rejects when it says nothing. */
export async function askOnce(path: string, request: ControlRequest): Promise<SupervisorStatus | undefined> {
  const late = AbortSignal.timeout(answerMs);
  try {
    for await (const status of askSupervisor(path, request, late)) return status;
  } catch (error) {
    if (!nobodyListens(error)) throw error;
  }
  if (late.aborted) throw new Error(`asking the supervisor at ${path}: no answer within ${answerMs / 1000} s`);
  return undefined;
}

export const nobodyListens = (error: unknown): boolean =>
  ['ENOENT', 'ECONNREFUSED'].includes((error as NodeJS.ErrnoException).code ?? '');
