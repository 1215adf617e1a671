// Ports of the kubelet without TLS, where they are asked for: its health, and what anybody may read.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { messageOf } from '../../base/assert.ts';
import { aborted } from '../../base/lifecycle.ts';

export interface PlainPort {
  readonly host?: string;
  readonly port: number;
}

/** Until the signal aborts. Rejects when the port cannot be opened. */
export async function servePlain(
  { host, port }: PlainPort,
  handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
  signal: AbortSignal,
  onListening: (port: number) => void = () => {},
): Promise<void> {
  const server = createServer((request, response) => void handle(request, response));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, ...(host ? { host } : {}) }, resolve);
  }).catch(error => {
    throw new Error(`opening port ${port} of the kubelet: ${messageOf(error)}`, { cause: error });
  });
  onListening((server.address() as { port: number }).port);
  await aborted(signal);
  server.close();
  server.closeAllConnections();
}
