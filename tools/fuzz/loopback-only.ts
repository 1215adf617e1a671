// Nothing that fuzzed objects name (webhooks, nodes, aggregated servers) may be reached, nor looked up.
import { Socket } from 'node:net';

const isLoopback = (host: string): boolean => /^(127(\.\d{1,3}){3}|::1|localhost)$/.test(host);

/** From now on this process's sockets reach loopback and sockets of files alone; others fail. Returns how to undo it. */
export function loopbackOnly(): () => void {
  const { connect } = Socket.prototype;
  const guarded = function (this: Socket, ...args: unknown[]): Socket {
    const host = hostOf(args);
    if (host === undefined || isLoopback(host)) return connect.apply(this, args as never);
    this.destroy(new Error(`connect ECONNREFUSED ${host}: only loopback is reached here`));
    return this;
  };
  Socket.prototype.connect = guarded as typeof connect;
  return () => {
    Socket.prototype.connect = connect;
  };
}

/** Of `connect(options)`, `connect(port, host)`, `connect(path)` and what Node makes of them; undefined: no host is asked for. */
function hostOf([first, second]: readonly unknown[]): string | undefined {
  if (Array.isArray(first)) return hostOf(first);
  if (typeof first === 'object' && first !== null) {
    const { path, host } = first as { path?: string; host?: string };
    return path ? undefined : (host ?? undefined);
  }
  return typeof second === 'string' ? second : undefined;
}
