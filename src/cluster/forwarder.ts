// Published ports: connections to a port of the machine go on to a port of a node, from inside the node's namespace.
import { connect, type Server, type Socket } from 'node:net';
import { aborted } from '../base/lifecycle.ts';
import type { Log } from '../base/log.ts';
import type { ForwardConfig } from './role.ts';
import type { ChildLink } from './supervisor/child-link.ts';

/** Takes over a listening socket; returns what closes it and its connections. */
export function forward(server: Server, target: { host: string; port: number }, log: Log): () => void {
  const open = new Set<Socket>();
  const onConnection = (from: Socket) => {
    const to = connect({ ...target, allowHalfOpen: true });
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      open.add(one);
      one.setNoDelay(true);
      one.on('error', error => {
        if (one === to) log.debug('forwarding failed', { to: `${target.host}:${target.port}`, error });
        other.destroy();
      });
      one.on('close', () => {
        open.delete(one);
        // A reset goes on as one; an orderly end was piped.
        if (one.readableAborted || one.errored) other.destroy();
      });
      one.pipe(other);
    }
  };
  // Made without knowing of half-open connections; every accepted socket inherits this.
  (server as Server & { allowHalfOpen: boolean }).allowHalfOpen = true;
  server.removeAllListeners('connection');
  server.on('connection', onConnection);
  return () => {
    server.close();
    for (const socket of open) socket.destroy();
  };
}

/** The process behind published ports. */
export async function runForwards(
  config: ForwardConfig,
  signal: AbortSignal,
  options: { log: Log; link: ChildLink },
): Promise<void> {
  const { log, link } = options;
  const closers = await Promise.all(
    config.forwards.map(async f => forward(await link.listener(f.listener), { host: f.host, port: f.port }, log)),
  );
  link.ready();
  await aborted(signal);
  for (const close of closers) close();
}
