import { once } from 'node:events';
import { createServer } from 'node:net';

/** TCP ports of 127.0.0.1 that nobody listens on, for servers that cannot be asked which one they took. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  for (const server of servers) await once(server.listen(0, '127.0.0.1'), 'listening');
  const ports = servers.map(server => (server.address() as { port: number }).port);
  for (const server of servers) await once(server.close(), 'close');
  return ports;
}

export const freePort = async (): Promise<number> => (await freePorts(1))[0]!;
