// JSON requests of any user against a test server over one kept connection, and watches that wait for what they expect.
import assert from 'node:assert/strict';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { parseExactJson } from '../base/whole-number.ts';

/** Objects of answers, read without ceremony. */
export type Json = any;

export interface Reply {
  readonly code: number;
  readonly headers: IncomingHttpHeaders;
  readonly object: Json;
}

export interface CallerOptions {
  readonly url: string;
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
}

export interface SeenEvent {
  readonly type: string;
  readonly object: Json;
}

export interface Watching {
  readonly events: SeenEvent[];
  /** The first event, seen or still to come, that `matches`. */
  next(matches: (event: SeenEvent) => boolean): Promise<SeenEvent>;
  readonly ended: Promise<void>;
  stop(): void;
}

export interface Caller {
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>;
  /** As `send`; fails unless the answer has this code. */
  expect(code: number, method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Json>;
  watch(path: string): Promise<Watching>;
  close(): void;
}

export const mergePatch = { 'content-type': 'application/merge-patch+json' };
export const strategicPatch = { 'content-type': 'application/strategic-merge-patch+json' };
export const jsonPatch = { 'content-type': 'application/json-patch+json' };
export const applyPatch = { 'content-type': 'application/apply-patch+yaml' };

export function caller(options: CallerOptions): Caller {
  const agent = new Agent({ keepAlive: true, ca: options.ca, cert: options.cert, key: options.key });
  const watches = new Set<Watching>();

  function open(method: string, path: string, body: unknown, headers: Record<string, string>) {
    const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
    return new Promise<IncomingMessage>((resolve, reject) => {
      const sent = request(
        `${options.url}${path}`,
        {
          method,
          agent,
          headers: {
            ...(text === undefined
              ? {}
              : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) }),
            ...(options.token ? { authorization: `Bearer ${options.token}` } : {}),
            ...headers,
          },
        },
        resolve,
      );
      sent.on('error', reject);
      sent.end(text);
    });
  }

  async function send(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    const message = await open(method, path, body, headers);
    const chunks: Buffer[] = [];
    for await (const chunk of message) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const isJson = message.headers['content-type']?.includes('json');
    return {
      code: message.statusCode ?? 0,
      headers: message.headers,
      object: isJson && text ? parseExactJson(text) : text,
    };
  }

  return {
    send,
    async expect(code, method, path, body, headers) {
      const reply = await send(method, path, body, headers);
      assert.equal(reply.code, code, `${method} ${path}: ${reply.code} ${JSON.stringify(reply.object)}`);
      return reply.object;
    },
    async watch(path) {
      const message = await open('GET', path, undefined, {});
      assert.equal(message.statusCode, 200, path);
      const watching = follow(message);
      watches.add(watching);
      return watching;
    },
    close() {
      for (const w of watches) w.stop();
      agent.destroy();
    },
  };
}

function follow(message: IncomingMessage): Watching {
  const events: SeenEvent[] = [];
  const waiting = new Set<{ matches(event: SeenEvent): boolean; resolve(event: SeenEvent): void }>();
  let rest = '';
  message.setEncoding('utf8');
  message.on('error', () => {});
  message.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      const event = parseExactJson(line) as SeenEvent;
      events.push(event);
      for (const w of waiting) {
        if (!w.matches(event)) continue;
        waiting.delete(w);
        w.resolve(event);
      }
    }
  });
  return {
    events,
    ended: new Promise(resolve => message.on('close', () => resolve())),
    next(matches) {
      const seen = events.find(matches);
      if (seen) return Promise.resolve(seen);
      return new Promise(resolve => waiting.add({ matches, resolve }));
    },
    stop: () => message.destroy(),
  };
}
