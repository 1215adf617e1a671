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
const maxConcurrent = 1_000;
const forwardedAliasTtlSeconds = 5;

export class Forwarder {
  readonly #o: ForwarderOptions;
  #concurrent = 0;

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
    const { clock, random, port = 53 } = this.#o;
    const servers = [...this.upstreams];
    let failure: unknown = new Error('forwarding: no name servers');
    while (servers.length > 0) {
      const [server] = servers.splice(Math.floor(random.next() * servers.length), 1);
      try {
        const ask = transport === 'udp' ? askUdp : askTcp;
        return await ask(server!, port, message, clock);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }
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

function askUdp(server: string, port: number, message: Uint8Array, clock: Clock): Promise<Uint8Array> {
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
    const timer = clock.after(attemptMs, () => fail(new Error(`asking ${server}: no answer in ${attemptMs} ms`)));
    socket.on('error', fail);
    // Connected: the kernel drops what others send, and tells of refused ports.
    socket.connect(port, server, () => socket.send(message, error => error && fail(error)));
    socket.on('message', reply => {
      if (!isReply(message, reply)) return;
      end(() => resolve(reply));
    });
  });
}

function askTcp(server: string, port: number, message: Uint8Array, clock: Clock): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, server);
    const fail = (error: Error) => {
      timer.cancel();
      socket.destroy();
      reject(error);
    };
    const timer = clock.after(attemptMs, () => fail(new Error(`asking ${server}: no answer in ${attemptMs} ms`)));
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
