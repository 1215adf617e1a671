import { createServer, type Server } from 'node:net';

export interface ListenerSpec {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Take any free port when this one is in use. */
  readonly orAny?: boolean;
}

/** A port could not be opened; the message names it and what to do. */
export class ListenError extends Error {
  override name = 'ListenError';
}

/** Opens a TCP port that somebody else is to serve: who connects before the hand-over is turned away, not left hanging. */
export async function openListener(spec: ListenerSpec): Promise<Server> {
  try {
    return await listen(spec.host, spec.port);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE' && spec.orAny) return listen(spec.host, 0);
    throw new ListenError(`opening ${spec.host}:${spec.port} for ${spec.name}: ${reason(code, error as Error)}`, {
      cause: error,
    });
  }
}

function reason(code: string | undefined, error: Error): string {
  if (code === 'EADDRINUSE') return 'the port is in use by another program; end that program or choose another port';
  if (code === 'EACCES') return 'ports below 1024 need root; choose a higher one';
  if (code === 'EADDRNOTAVAIL') return 'this machine does not have that address';
  return error.message;
}

function listen(host: string, port: number): Promise<Server> {
  const server = createServer(socket => socket.resetAndDestroy());
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () => resolve(server));
  });
}

export function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}
