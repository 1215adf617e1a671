// Asks the name servers of the node's resolv.conf what the cluster does not know.
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { decode, encode } from 'dns-packet';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Transport } from './kernel/message.ts';
import type { ResourceRecord } from './kernel/resolve.ts';

export interface ForwarderOptions {
  /** Called for each question: name servers may change. */
  readonly nameservers: () => readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  /** Default 53; for tests. */
  readonly port?: number;
}

const attemptMs = 2_000;
/** Resolvers wait no longer for an answer. */
const patienceMs = 5_000;
/** For how long a name server that did not answer is asked after all others. */
const shunnedMs = 10_000;
const forgottenMs = 60_000;
const maxConcurrent = 1_000;
const forwardedAliasTtlSeconds = 5;

export class Forwarder {
  readonly #o: ForwarderOptions;
  #concurrent = 0;
  /** When those that did not answer over a transport last failed. */
  readonly #failedAt = new Map<string, number>();

  constructor(options: ForwarderOptions) {
    this.#o = options;
  }

  get upstreams(): readonly string[] {
    return this.#o.nameservers();
  }

  /** The reply to a message, with the message's own id. Tries each name server once; rejects when none answers. */
  async exchange(message: Uint8Array, transport: Transport): Promise<Uint8Array> {
    if (this.#concurrent >= maxConcurrent) throw new Error('forwarding: too many questions at once');
    this.#concurrent++;
    try {
      // A random id and, each time, another port: what makes forged replies hard.
      const id = this.#o.random.bytes(2);
      const sent = Uint8Array.from(message);
      sent.set(id);
      const reply = Uint8Array.from(await this.#ask(sent, transport));
      reply.set(message.subarray(0, 2));
      return reply;
    } finally {
      this.#concurrent--;
    }
  }

  /** Aliases and addresses of a name, as the name servers give them. */
  async addresses(name: string, type: 'A' | 'AAAA'): Promise<ResourceRecord[]> {
    const message = encode({ type: 'query', id: 0, flags: 0x100, questions: [{ type, name }] });
    let reply = decode(Buffer.from(await this.exchange(message, 'udp')));
    if (reply.flag_tc) reply = decode(Buffer.from(await this.exchange(message, 'tcp')));
    return (reply.answers ?? []).flatMap(a => {
      if (a.type !== 'CNAME' && a.type !== 'A' && a.type !== 'AAAA') return [];
      return [{ name: a.name, type: a.type, ttl: Math.min(a.ttl ?? 0, forwardedAliasTtlSeconds), data: a.data }];
    });
  }

  async #ask(message: Uint8Array, transport: Transport): Promise<Uint8Array> {
    const { clock, port = 53 } = this.#o;
    const ask = transport === 'udp' ? askUdp : askTcp;
    const started = clock.monotonic();
    let failure: unknown = new Error('forwarding: no name servers');
    for (const server of this.#inTurn(transport)) {
      const leftMs = patienceMs - (clock.monotonic() - started);
      if (leftMs <= 0) break;
      const way = `${transport} ${server}`;
      // One question finds out whether it is back, the others go elsewhere meanwhile.
      if (this.#failedAt.has(way)) this.#failedAt.set(way, clock.monotonic());
      try {
        const reply = await ask({ server, port, message, clock, timeoutMs: Math.min(attemptMs, leftMs) });
        this.#failedAt.delete(way);
        return reply;
      } catch (error) {
        this.#failedAt.set(way, clock.monotonic());
        failure = error;
      }
    }
    throw failure;
  }

  /** By chance, those that failed lately last: a dead one holds up few questions, and when all are, each is still tried. */
  #inTurn(transport: Transport): string[] {
    const { clock, random } = this.#o;
    const known = this.upstreams;
    const nowMs = clock.monotonic();
    for (const [way, atMs] of this.#failedAt) if (nowMs - atMs >= forgottenMs) this.#failedAt.delete(way);
    const shunned = (server: string) =>
      nowMs - (this.#failedAt.get(`${transport} ${server}`) ?? -shunnedMs) < shunnedMs;
    const rest = [...known];
    const shuffled = known.map(() => rest.splice(Math.floor(random.next() * rest.length), 1)[0]!);
    return [...shuffled.filter(s => !shunned(s)), ...shuffled.filter(shunned)];
  }
}

interface Asking {
  readonly server: string;
  readonly port: number;
  readonly message: Uint8Array;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

/** A reply has our id and our question. */
function isReply(message: Uint8Array, reply: Uint8Array): boolean {
  if (reply.length < 12 || reply[0] !== message[0] || reply[1] !== message[1] || !(reply[2]! & 0x80)) return false;
  if (reply[5] === 0) return true;
  let end = 12;
  while (message[end]) end += message[end]! + 1;
  end += 5;
  const lower = (bytes: Uint8Array) => Buffer.from(bytes.subarray(12, end)).toString('latin1').toLowerCase();
  return lower(message) === lower(reply);
}

function askUdp({ server, port, message, clock, timeoutMs }: Asking): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(server.includes(':') ? 'udp6' : 'udp4');
    let ended = false;
    const end = (act: () => void) => {
      if (ended) return;
      ended = true;
      timer.cancel();
      socket.close();
      act();
    };
    const fail = (error: Error) => end(() => reject(error));
    const timer = clock.after(timeoutMs, () => fail(new Error(`asking ${server}: no answer in ${timeoutMs} ms`)));
    socket.on('error', fail);
    // Connected: the kernel drops what others send, and tells of refused ports.
    socket.connect(port, server, () => socket.send(message, error => error && fail(error)));
    socket.on('message', reply => {
      if (!isReply(message, reply)) return;
      end(() => resolve(reply));
    });
  });
}

function askTcp({ server, port, message, clock, timeoutMs }: Asking): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, server);
    const fail = (error: Error) => {
      timer.cancel();
      socket.destroy();
      reject(error);
    };
    const timer = clock.after(timeoutMs, () => fail(new Error(`asking ${server}: no answer in ${timeoutMs} ms`)));
    let received: Buffer = Buffer.alloc(0);
    socket.on('error', fail);
    socket.on('end', () => fail(new Error(`asking ${server}: it hung up`)));
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      const reply = received.subarray(2, 2 + received.readUInt16BE(0));
      if (!isReply(message, reply)) return fail(new Error(`asking ${server}: the answer is to something else`));
      timer.cancel();
      socket.destroy();
      resolve(reply);
    });
    const length = Buffer.alloc(2);
    length.writeUInt16BE(message.length);
    socket.write(Buffer.concat([length, message]));
  });
}
