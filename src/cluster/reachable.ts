import { connect } from 'node:net';
import type { Clock } from '../base/clock.ts';
import type { Client } from '../client/client.ts';

/**
 * Resolves when the API server is ready, or after `atMostMs`. For processes that start side by side: a first request that
 * fails waits out a back-off that is longer than the other one's start.
 */
export async function untilReachable(
  url: string,
  client: Client,
  clock: Clock,
  signal: AbortSignal,
  atMostMs = 3000,
): Promise<void> {
  const { hostname, port } = new URL(url);
  const deadline = clock.monotonic() + atMostMs;
  while (!signal.aborted && clock.monotonic() < deadline) {
    // The cheap question first: the client waits by itself when nobody listens.
    if ((await accepts(hostname, Number(port) || 443)) && (await isReady(client))) return;
    await clock.sleep(10);
  }
}

const isReady = (client: Client): Promise<boolean> =>
  client.raw('/readyz').then(
    () => true,
    () => false,
  );

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host, port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
