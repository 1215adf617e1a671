// Servers and proxies that do what they should not.
import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import { describe, it } from 'node:test';
import { coreV1 } from '../api/refs.ts';
import type { StatusError } from '../api/status.ts';
import { settle, VirtualClock } from '../base/clock.ts';
import { type HttpClientOptions, httpClient } from './http-client.ts';
import { type Handler, pem, serve } from './test-serve.ts';

async function withClient(
  handler: Handler,
  protocol: 'h2' | 'http/1.1' | 'plain',
  run: (client: ReturnType<typeof httpClient>) => Promise<void>,
  options: Partial<HttpClientOptions> = {},
): Promise<void> {
  const server = await serve(handler, protocol);
  const client = httpClient({ server: server.url, ca: pem.cert, ...options });
  try {
    await run(client);
  } finally {
    client.close();
    await server.close();
  }
}

const key = { namespace: 'a', name: 'c' };

describe('a client', () => {
  for (const protocol of ['h2', 'http/1.1'] as const)
    it(`asks again over another connection when it is told that one is dead, ${protocol}`, async () => {
      const sockets = new Set<unknown>();
      const asked = Promise.withResolvers<void>();
      await withClient(
        ({ socket }, response) => {
          sockets.add(socket.remotePort);
          asked.resolve();
          if (sockets.size === 1) return;
          response.writeHead(200, { 'content-type': 'application/json' });
          response.end(JSON.stringify({ kind: 'ConfigMap', apiVersion: 'v1', metadata: key }));
        },
        protocol,
        async client => {
          const waiting = client.get(coreV1.configmaps, key);
          await asked.promise;
          client.reconnect();
          assert.equal((await waiting).metadata.name, 'c');
          assert.equal(sockets.size, 2);
        },
      );
    });

  it('takes no page of a proxy for an object', () =>
    withClient(
      (request, response) => {
        response.writeHead(200, { 'content-type': request.url!.endsWith('/log') ? 'text/plain' : 'text/html' });
        response.end('<p>Sign in');
      },
      'plain',
      async client => {
        const wrong = /an answer of type "text\/html", not JSON$/;
        await assert.rejects(client.get(coreV1.configmaps, key), wrong);
        await assert.rejects(client.list(coreV1.configmaps), wrong);
        await assert.rejects(client.create(coreV1.configmaps, { metadata: key }), wrong);
        assert.equal(await client.getSubresource(coreV1.pods, key, 'log'), '<p>Sign in');
        assert.equal(await client.raw('/healthz'), '<p>Sign in');
      },
    ));

  for (const [method, times] of Object.entries({ POST: 1, PUT: 2, GET: 2 }))
    it(`sends a ${method} ${times === 1 ? 'once' : 'again'} when its connection breaks, which served before`, () => {
      let seen = 0;
      const handler: Handler = (request, response) => {
        if (request.url !== '/warm' && ++seen === 1) return void request.socket.destroy();
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end('{"metadata":{"name":"c"}}');
      };
      return withClient(handler, 'http/1.1', async client => {
        await client.raw('/warm');
        await new Promise(setImmediate);
        const object = { metadata: key };
        const calls: Record<string, () => Promise<unknown>> = {
          POST: () => client.create(coreV1.configmaps, object),
          PUT: () => client.update(coreV1.configmaps, object),
          GET: () => client.get(coreV1.configmaps, key),
        };
        if (times === 1) await assert.rejects(calls[method]!());
        else await calls[method]!();
        assert.equal(seen, times);
      });
    });

  for (const [what, answer, afterMs] of [
    ['answer', () => {}, 60_000],
    ['end', response => response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders(), 360_000],
  ] as const satisfies readonly [string, (response: ServerResponse) => void, number][])
    it(`gives up a watch that the server does not ${what}`, async () => {
      const clock = new VirtualClock();
      let asked = 0;
      await withClient(
        (_, response) => {
          asked++;
          answer(response);
        },
        'plain',
        async client => {
          let ended: Error | undefined;
          const options = { timeoutSeconds: 300 };
          client.watch(coreV1.configmaps, options, {
            onEvent() {},
            onClose(error) {
              ended = error;
            },
          });
          while (!asked || clock.untilNext() !== afterMs) await settle();
          await clock.advance(afterMs - 1000);
          assert.equal(ended, undefined);
          await clock.advance(2_000);
          assert.match(String(ended), new RegExp(`not ${what}ed by the server`));
          assert.equal(clock.untilNext(), undefined);
        },
        { clock },
      );
    });

  for (const [what, line] of Object.entries({
    'of a type that nobody knows': '{"type":"REPLACED","object":{"metadata":{"name":"c"}}}',
    'without an object': '{"type":"ADDED"}',
    'that are none': '<html>Bad gateway</html>',
  }))
    it(`takes no events ${what}`, () =>
      withClient(
        (_, response) => {
          response.writeHead(200, { 'content-type': 'application/json' });
          response.end(`{"type":"ADDED","object":{"metadata":{"name":"b"}}}\n${line}\n`);
        },
        'plain',
        async client => {
          const seen: string[] = [];
          const ended = await new Promise<Error | undefined>(resolve =>
            client.watch(
              coreV1.configmaps,
              {},
              { onEvent: (_, object) => void seen.push(object.metadata.name), onClose: resolve },
            ),
          );
          assert.deepEqual(seen, ['b']);
          assert.match(String(ended), /watch ended: not an event: [<{]/);
        },
      ));

  it('keeps what a header tells of when to come back beside a Status', () =>
    withClient(
      (_, response) => {
        response.writeHead(429, { 'content-type': 'application/json', 'retry-after': '3' });
        response.end('{"kind":"Status","code":429,"reason":"TooManyRequests","details":{"kind":"pods"}}');
      },
      'plain',
      async client => {
        const refused = client.create(coreV1.configmaps, { metadata: key });
        await assert.rejects(refused, (error: StatusError) => error.status.details?.retryAfterSeconds === 3);
      },
    ));

  it('tells where its token is from that it was not accepted, once, for requests and watches', async () => {
    const given: (string | undefined)[] = [];
    const token = (refused?: string) => {
      given.push(refused);
      return `t${given.length}`;
    };
    await withClient(
      (request, response) => {
        const refused = ['Bearer t1', 'Bearer t3'].includes(request.headers.authorization!);
        response.writeHead(refused ? 401 : 200, { 'content-type': 'application/json' });
        response.end(refused ? '' : '{"metadata":{"name":"c"}}');
      },
      'plain',
      async client => {
        await assert.rejects(client.get(coreV1.configmaps, key), { code: 401 });
        await client.get(coreV1.configmaps, key);
        await new Promise<void>(resolve =>
          client.watch(coreV1.configmaps, {}, { onEvent() {}, onClose: () => resolve() }),
        );
        await client.get(coreV1.configmaps, key);
        await client.get(coreV1.configmaps, key);
        assert.deepEqual(given, [undefined, 't1', undefined, 't3', undefined]);
      },
      { token },
    );
  });

  for (const code of [500, 502, 504])
    it(`comes back after ${code} when it is told when`, async () => {
      const clock = new VirtualClock();
      let asked = 0;
      await withClient(
        (_, response) => {
          const refused = ++asked === 1;
          const headers = { 'content-type': 'application/json', ...(refused ? { 'retry-after': '2' } : {}) };
          response.writeHead(refused ? code : 200, headers);
          response.end('{"metadata":{"name":"c"}}');
        },
        'plain',
        async client => {
          const got = client.get(coreV1.configmaps, key);
          while (asked < 1 || clock.untilNext()! > 2000) await settle();
          await clock.advance(2000);
          assert.equal((await got).metadata.name, 'c');
        },
        { clock },
      );
    });

  it('loses nothing when every connection is sent away after a few requests', async () => {
    let asked = 0;
    const sessions = new Set<object>();
    const watched: string[] = [];
    let write: ((name: string) => void) | undefined;
    await withClient(
      (request, response) => {
        const { session } = (request as unknown as Http2ServerRequest).stream;
        sessions.add(session!);
        response.writeHead(200, { 'content-type': 'application/json' });
        if (request.url!.includes('watch=true')) {
          write = name => void response.write(`{"type":"ADDED","object":{"metadata":{"name":"${name}"}}}\n`);
          write('first');
          return;
        }
        // As Go begins: whatever comes is still answered.
        if (++asked % 4 === 0) session!.goaway(0, 2 ** 31 - 1);
        response.end('{"metadata":{"name":"c"}}');
      },
      'h2',
      async client => {
        const watch = client.watch(
          coreV1.configmaps,
          {},
          {
            onEvent: (_, object) => void watched.push(object.metadata.name),
            onClose() {},
          },
        );
        while (!watched.length) await settle();
        for (let i = 0; i < 10; i++)
          await Promise.all([0, 1, 2].map(() => client.create(coreV1.configmaps, { metadata: key })));
        assert.equal(asked, 30);
        assert.ok(sessions.size > 3, String(sessions.size));
        write!('last');
        while (watched.length < 2) await settle();
        assert.deepEqual(watched, ['first', 'last']);
        watch.stop();
      },
    );
  });
});
