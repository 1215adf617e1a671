// exec and attach over WebSocket: channels of messages on this side, SPDY streams towards the kubelet.
import type { WebSocket } from 'ws';
import { internalError } from '../../api/status.ts';
import { streamIdleMs, watchIdle } from '../../base/http/join.ts';
import { requestUpgrade } from '../../base/http/upgrade-request.ts';
import { SpdyConnection, type SpdyStream } from '../../base/spdy/connection.ts';
import { dialFailure, errorText } from './backend.ts';
import type { UpgradePass } from './pass-upgrade.ts';
import { acceptWebSocket, mustWait } from './websocket.ts';

export const terminalProtocols: readonly string[] = [
  'v5.channel.k8s.io',
  'v4.channel.k8s.io',
  'v4.base64.channel.k8s.io',
];

const channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const;
type ChannelName = keyof typeof channel;
/** Of v5: the channel named in the next byte gets no more. */
const closeChannel = 255;
const closeMs = 10_000;
const openMs = 30_000;
const maxErrorBytes = 64 << 10;

/** Resolves when the client is gone. Throws only before the handshake. */
export async function serveTerminal(pass: UpgradePass): Promise<void> {
  const { websocket, protocol } = acceptWebSocket(pass.exchange, terminalProtocols);
  const { clock } = pass.context;
  const closed = new Promise<void>(resolve => websocket.once('close', () => resolve()));
  const end = () => websocket.terminate();
  pass.life.signal.addEventListener('abort', end, { once: true });
  const channels = new Channels(websocket, protocol);
  // What the client sends meanwhile waits for the streams.
  websocket.pause();
  try {
    const connection = await connect(pass);
    void closed.then(() => connection.destroy());
    const idle = watchIdle(clock, streamIdleMs, () => connection.destroy());
    try {
      await relay(channels, connection, pass, idle.touch);
    } finally {
      idle.stop();
      connection.close();
    }
  } catch (error) {
    channels.send('error', Buffer.from(JSON.stringify(internalError(error).status)));
  }
  websocket.resume();
  websocket.close(1000);
  const timer = clock.after(closeMs, end);
  await closed;
  timer.cancel();
}

async function connect({ context, target, path, life, timeoutMs }: UpgradePass): Promise<SpdyConnection> {
  const answer = await requestUpgrade(target, {
    method: 'POST',
    path,
    headers: {
      connection: 'Upgrade',
      upgrade: 'SPDY/3.1',
      'content-length': '0',
      'x-stream-protocol-version': ['v5.channel.k8s.io', 'v4.channel.k8s.io'],
    },
    clock: context.clock,
    signal: life.signal,
    ...(timeoutMs ? { timeoutMs } : {}),
  }).catch(error => {
    throw dialFailure(target, error);
  });
  if (!answer.switched) throw new Error(`unable to upgrade connection: ${(await errorText(answer.response)).trim()}`);
  return new SpdyConnection(answer.socket, { side: 'client', head: answer.head });
}

/** Resolves when the command has ended and all it said is on its way. Rejects when that cannot be known. */
async function relay(
  channels: Channels,
  connection: SpdyConnection,
  { path, context }: UpgradePass,
  touch: () => void,
): Promise<void> {
  const asked = new URLSearchParams(path.slice(path.indexOf('?') + 1));
  const tty = asked.has('tty');
  const wanted: ChannelName[] = ['error'];
  if (asked.has('input')) wanted.push('stdin');
  if (asked.has('output')) wanted.push('stdout');
  if (asked.has('error') && !tty) wanted.push('stderr');
  if (tty) wanted.push('resize');
  const timer = context.clock.after(openMs, () => connection.destroy());
  const opened = await Promise.all(wanted.map(name => connection.open({ streamtype: name }))).finally(() =>
    timer.cancel(),
  );
  const streams = new Map(wanted.map((name, i) => [name, opened[i]!]));
  const error = collect(streams.get('error')!);
  const outputs = (['stdout', 'stderr'] as const).flatMap(name => {
    const stream = streams.get(name);
    return stream ? [channels.pump(name, stream, touch)] : [];
  });
  // Tells the client that it is connected, as it may have nothing else to hear for long.
  channels.send(streams.has('stdout') ? 'stdout' : streams.has('stderr') ? 'stderr' : 'error', Buffer.alloc(0));
  channels.receive(streams, touch);
  const verdict = await error;
  await Promise.all(outputs);
  if (verdict.length) channels.send('error', verdict);
}

/**
 * Everything until the end. Rejects when the connection ends before, except behind a whole verdict: runtimes break the
 * connection off where input that nobody read is left in it, and the end of this stream is lost then.
 */
function collect(stream: SpdyStream): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    stream.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= maxErrorBytes) chunks.push(chunk);
    });
    stream.once('end', () => resolve(Buffer.concat(chunks)));
    stream.once('close', () => {
      const said = Buffer.concat(chunks);
      if (isWhole(said)) resolve(said);
      else reject(new Error('error reading from error stream: the connection was lost'));
    });
  });
}

function isWhole(verdict: Buffer): boolean {
  try {
    JSON.parse(verdict.toString());
    return true;
  } catch {
    return false;
  }
}

class Channels {
  readonly #socket: WebSocket;
  readonly #base64: boolean;
  readonly #canClose: boolean;

  constructor(socket: WebSocket, protocol: string) {
    this.#socket = socket;
    this.#base64 = protocol.includes('base64');
    this.#canClose = protocol.startsWith('v5');
  }

  send(name: ChannelName, bytes: Buffer, done?: () => void): void {
    const id = channel[name];
    if (this.#base64) this.#socket.send(`${id}${bytes.toString('base64')}`, () => done?.());
    else this.#socket.send(Buffer.concat([Buffer.from([id]), bytes]), { binary: true }, () => done?.());
  }

  /** What a stream says goes to its channel, no faster than the client takes it. Resolves with its end. */
  pump(name: ChannelName, stream: SpdyStream, touch: () => void): Promise<void> {
    stream.on('data', (chunk: Buffer) => {
      touch();
      this.send(name, chunk, () => {
        if (stream.isPaused() && !mustWait(this.#socket)) stream.resume();
      });
      if (mustWait(this.#socket)) stream.pause();
    });
    return new Promise(resolve => {
      stream.once('end', resolve);
      stream.once('close', resolve);
    });
  }

  /** What the client says goes to the streams, no faster than they take it. */
  receive(streams: ReadonlyMap<ChannelName, SpdyStream>, touch: () => void): void {
    const inputs = new Map<number, SpdyStream>();
    for (const name of ['stdin', 'resize'] as const) {
      const stream = streams.get(name);
      if (stream) inputs.set(channel[name], stream);
    }
    this.#socket.on('message', (data: Buffer) => {
      touch();
      const message = this.#decode(data);
      if (message.length === 0) return;
      if (message[0] === closeChannel && this.#canClose) {
        inputs.get(message[1] ?? -1)?.end();
        return;
      }
      const stream = inputs.get(message[0]!);
      if (!stream || stream.writableEnded || stream.destroyed || message.length === 1) return;
      if (stream.write(message.subarray(1))) return;
      this.#socket.pause();
      const go = () => {
        stream.off('close', go);
        stream.off('drain', go);
        this.#socket.resume();
      };
      stream.once('drain', go);
      stream.once('close', go);
    });
    this.#socket.resume();
  }

  #decode(data: Buffer): Buffer {
    if (!this.#base64) return data;
    const text = data.toString('latin1');
    return Buffer.concat([Buffer.from([Number(text[0] ?? '0')]), Buffer.from(text.slice(1), 'base64')]);
  }
}
