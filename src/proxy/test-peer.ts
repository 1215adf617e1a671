// A process in a network namespace of a test: serves, and asks, as told over its IPC channel. Answers of servers are
// `NAME SOURCE-ADDRESS`.
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';

export interface PeerRequest {
  readonly id: number;
  readonly do: 'listen' | 'tcp' | 'udp';
  readonly host: string;
  readonly port: number;
  /** Of a server. */
  readonly name?: string;
  /** Own port of a client. */
  readonly from?: number;
  readonly timeoutMs?: number;
}

export type PeerAnswer = { readonly id: number } & ({ readonly result: string } | { readonly error: string });

process.on('message', (request: PeerRequest) => {
  const act = { listen, tcp: askTcp, udp: askUdp }[request.do];
  act(request).then(
    result => process.send?.({ id: request.id, result } satisfies PeerAnswer),
    (error: NodeJS.ErrnoException) =>
      process.send?.({ id: request.id, error: error.code ?? error.message } satisfies PeerAnswer),
  );
});
process.on('disconnect', () => process.exit());

function listen({ host, port, name = '' }: PeerRequest): Promise<string> {
  return new Promise((resolve, reject) => {
    const udp = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    udp.on('message', (_bytes, peer) => udp.send(`${name} ${peer.address}`, peer.port, peer.address));
    udp.on('error', reject);
    const tcp = createServer(socket => socket.end(`${name} ${socket.remoteAddress}`));
    tcp.on('error', reject);
    udp.bind(port, host, () => tcp.listen(port, host, () => resolve('')));
  });
}

function askTcp({ host, port, timeoutMs = 2_000 }: PeerRequest): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, host);
    let text = '';
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error('timeout')));
    socket.on('data', chunk => {
      text += chunk;
    });
    socket.on('end', () => resolve(text));
    socket.on('error', reject);
  });
}

function askUdp({ host, port, from = 0, timeoutMs = 2_000 }: PeerRequest): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    const end = (act: () => void) => {
      clearTimeout(timer);
      socket.close();
      act();
    };
    const timer = globalThis.setTimeout(() => end(() => reject(new Error('timeout'))), timeoutMs);
    socket.on('error', error => end(() => reject(error)));
    socket.on('message', bytes => end(() => resolve(bytes.toString())));
    socket.bind(from, () => socket.connect(port, host, () => socket.send('?')));
  });
}
