import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { coreV1 } from '../api/refs.ts';
import { builtinResources } from '../api/resource.ts';
import { isForbidden, notFound, StatusError, tooManyRequests, unavailable } from '../api/status.ts';
import { settle, systemClock, VirtualClock } from '../base/clock.ts';
import { createMetrics } from '../base/metrics.ts';
import type { Client, Patch } from './client.ts';
import { clientConformance } from './client-conformance.ts';
import { type FakeClient, fakeClient } from './fake-client.ts';
import { type HttpClientOptions, httpClient } from './http-client.ts';
import { patchTypes } from './request.ts';
import { type Handler, pem, serve } from './test-serve.ts';

/** The fake client behind HTTP: just enough of an API server. */
function serveFake(fake: FakeClient): Handler {
  return (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', c => chunks.push(c));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      answer(fake, request, text ? JSON.parse(text) : undefined, response).catch(error => {
        const status = error instanceof StatusError ? error.status : { code: 500, message: String(error) };
        response.writeHead(status.code, { 'content-type': 'application/json' });
        response.end(JSON.stringify(status));
      });
    });
  };
}

async function answer(fake: FakeClient, request: IncomingMessage, body: any, response: ServerResponse): Promise<void> {
  const url = new URL(request.url!, 'https://x');
  const match =
    /^\/(?:api|apis\/([^/]+))\/([^/]+)(?:\/namespaces\/([^/]+)(?=\/[^/]+))?\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(
      url.pathname,
    );
  if (!match) throw notFound({ group: '', resource: 'paths' }, url.pathname);
  const [, group = '', version, ns, plural, n, sub] = match;
  const resource = builtinResources().byId(`${group}/${version}/${plural}`) as any;
  if (!resource) throw notFound({ group, resource: plural! }, n ?? '');
  const q = Object.fromEntries(url.searchParams) as Record<string, any>;
  const options = { ...q, namespace: ns, limit: Number(q.limit ?? 0), dryRun: q.dryRun === 'All' };
  const client: Client = fake.as({ userAgent: String(request.headers['user-agent']) });
  const key = { namespace: ns, name: n } as { name: string };
  if (q.watch) return answerWatch(client, resource, options, response);
  const type = request.headers['content-type'];
  const call = (): Promise<unknown> => {
    switch (request.method) {
      case 'GET':
        return !n
          ? client.list(resource, options)
          : sub
            ? client.getSubresource(resource, key, sub)
            : client.get(resource, key);
      case 'POST':
        return sub ? client.createSubresource(resource, key, sub, body) : client.create(resource, body, options);
      case 'PUT':
        if (sub === 'status') return client.updateStatus(resource, body, options);
        return sub ? client.updateSubresource(resource, key, sub, body) : client.update(resource, body, options);
      case 'PATCH': {
        const kind = Object.entries(patchTypes).find(([, t]) => t === type)![0];
        return client.patch(resource, key, { type: kind, body } as Patch, { ...options, subresource: sub });
      }
      default:
        return n
          ? client.delete(resource, key, body)
          : client.deleteCollection(resource, options, body).then(() => ({}));
    }
  };
  const result = JSON.stringify(await call());
  response.writeHead(request.method === 'POST' ? 201 : 200, { 'content-type': 'application/json' });
  response.end(result);
}

function answerWatch(client: Client, resource: any, options: any, response: ServerResponse): Promise<void> {
  const head = () => response.headersSent || response.writeHead(200, { 'content-type': 'application/json' });
  return new Promise((resolve, reject) => {
    const handle = client.watch(
      resource,
      {
        ...options,
        timeoutSeconds: Number(options.timeoutSeconds ?? 0),
        sendInitialEvents: options.sendInitialEvents === 'true',
      },
      {
        onEvent(type, object) {
          head();
          response.write(`${JSON.stringify({ type, object })}\n`);
        },
        onClose(error) {
          if (error && !response.headersSent) return reject(error);
          head();
          if (error instanceof StatusError)
            response.write(`${JSON.stringify({ type: 'ERROR', object: error.status })}\n`);
          response.end();
          resolve();
        },
      },
    );
    response.on('close', () => handle.stop());
  });
}

for (const protocol of ['h2', 'http/1.1', 'plain'] as const) {
  clientConformance(`HTTP, ${protocol}`, async () => {
    const server = await serve(serveFake(fakeClient([], { clock: systemClock })), protocol);
    const client = httpClient({ server: server.url, ca: pem.cert });
    return {
      client,
      async cleanup() {
        client.close();
        await server.close();
      },
    };
  });
}

async function withServer(
  handler: Handler,
  test: (client: Client & { close(): void }, server: Awaited<ReturnType<typeof serve>>) => Promise<void>,
  options: Partial<HttpClientOptions> = {},
): Promise<void> {
  const server = await serve(handler);
  const client = httpClient({ server: server.url, ca: pem.cert, ...options });
  try {
    await test(client, server);
  } finally {
    client.close();
    await server.close();
  }
}

const configMap = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { namespace: 'a', name: 'c' } };
const json = (response: ServerResponse, code: number, body: unknown, headers = {}) => {
  response.writeHead(code, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
};
const key = { namespace: 'a', name: 'c' };

describe('http client', { timeout: 30_000 }, () => {
  it('sends its identity', async () => {
    const seen: Record<string, unknown>[] = [];
    await withServer(
      (request, response) => {
        seen.push(request.headers);
        json(response, 200, configMap);
      },
      async client => {
        await client.get(coreV1.configmaps, key);
        await client.as({ userAgent: 'other/1' }).get(coreV1.configmaps, key);
      },
      { token: async () => 'secret', userAgent: 'one', impersonate: { user: 'jane', groups: ['a', 'b'] } },
    );
    assert.equal(seen[0]!.authorization, 'Bearer secret');
    assert.equal(seen[0]!['user-agent'], 'one');
    assert.equal(seen[1]!['user-agent'], 'other/1');
    assert.equal(seen[0]!['impersonate-user'], 'jane');
    assert.equal(seen[0]!['impersonate-group'], 'a, b');
  });

  it('refuses a certificate it cannot verify, unless told not to', async () => {
    await withServer(
      (_, response) => json(response, 200, configMap),
      async (_, server) => {
        const strict = httpClient({ server: server.url });
        await assert.rejects(strict.get(coreV1.configmaps, key), /self-signed/);
        const lax = httpClient({ server: server.url, insecureSkipTlsVerify: true });
        await lax.get(coreV1.configmaps, key);
        const wrongName = httpClient({ server: server.url, ca: pem.cert, serverName: 'other' });
        await assert.rejects(wrongName.get(coreV1.configmaps, key), /altnames/);
        for (const c of [strict, lax, wrongName]) c.close();
      },
    );
  });

  it('makes StatusErrors of answers without a Status', async () => {
    await withServer(
      (request, response) => {
        const code = Number(new URL(request.url!, 'https://x').pathname.split('/').at(-1)!.slice(1));
        response.writeHead(code, { 'content-type': 'text/plain' });
        response.end('said by a proxy\n');
      },
      async client => {
        const messageFor = (code: number) =>
          client.get(coreV1.configmaps, { namespace: 'a', name: `c${code}` }).then(
            () => assert.fail(),
            (e: StatusError) => `${e.code} ${e.reason}: ${e.message}`,
          );
        assert.equal(
          await messageFor(404),
          '404 NotFound: the server could not find the requested resource (get configmaps c404)',
        );
        assert.equal(await messageFor(403), '403 Forbidden: said by a proxy (get configmaps c403)');
        assert.equal(
          await messageFor(502),
          '502 InternalError: an error on the server ("said by a proxy") has prevented the request from succeeding (get configmaps c502)',
        );
      },
    );
  });

  it('comes back when asked to, but not for a POST; counts what it did', async () => {
    const clock = new VirtualClock();
    const metrics = createMetrics();
    let calls = 0;
    await withServer(
      (_, response) => {
        calls++;
        const error = calls === 2 ? unavailable('not yet') : tooManyRequests('slow down', 7);
        if (calls === 3) json(response, 200, configMap);
        else json(response, error.code, error.status, { 'retry-after': '7' });
      },
      async (client, server) => {
        const got = client.get(coreV1.configmaps, key);
        for (let i = 1; i <= 2; i++) {
          while (calls < i || clock.untilNext()! > 7000) await settle();
          await clock.advance(7000);
        }
        assert.equal((await got).metadata.name, 'c');
        assert.equal(calls, 3);
        await assert.rejects(client.create(coreV1.configmaps, { metadata: key }), { code: 429 });
        const text = await metrics.text();
        const { host } = new URL(server.url);
        for (const line of [
          `requests_total{code="429",host="${host}",method="GET"} 1`,
          `requests_total{code="503",host="${host}",method="GET"} 1`,
          `requests_total{code="200",host="${host}",method="GET"} 1`,
          `requests_total{code="429",host="${host}",method="POST"} 1`,
          `request_retries_total{code="429",host="${host}",verb="GET"} 1`,
          `request_retries_total{code="503",host="${host}",verb="GET"} 1`,
          `request_duration_seconds_count{host="${host}",verb="GET"} 3`,
          `request_size_bytes_count{host="${host}",verb="POST"} 1`,
          `response_size_bytes_count{host="${host}",verb="GET"} 3`,
        ])
          assert.ok(text.includes(`\nrest_client_${line}\n`), line);
      },
      { clock, metrics },
    );
  });

  it('times out', async () => {
    const clock = new VirtualClock();
    let asked = false;
    await withServer(
      () => {
        asked = true;
      },
      async client => {
        const got = client.get(coreV1.configmaps, key);
        while (!asked) await settle();
        const failed = assert.rejects(got, /^Error: GET https:.*\/configmaps\/c timed out after 5000 ms$/);
        await clock.advance(5000);
        await failed;
      },
      { clock, requestTimeoutMs: 5000 },
    );
  });

  it('connects again after losing the connection; tells watches', async () => {
    const fake = fakeClient([], { clock: systemClock });
    const metrics = createMetrics();
    const test = async (client: Client, server: Awaited<ReturnType<typeof serve>>) => {
      await client.create(coreV1.configmaps, { metadata: key });
      const closed = Promise.withResolvers<Error | undefined>();
      const begun = Promise.withResolvers<void>();
      client.watch(coreV1.configmaps, {}, { onEvent: () => begun.resolve(), onClose: closed.resolve });
      await begun.promise;
      assert.equal(server.connections(), 1);
      server.drop();
      assert.ok((await closed.promise) instanceof Error);
      assert.equal((await client.get(coreV1.configmaps, key)).metadata.name, 'c');
      assert.equal(server.connections(), 1);
      const { host } = new URL(server.url);
      assert.ok(
        (await metrics.text()).includes(`\nrest_client_requests_total{code="200",host="${host}",method="GET"} 2\n`),
      );
    };
    await withServer(serveFake(fake), test, { metrics });
  });

  it('uses one connection for many requests at once', async () => {
    await withServer(
      (_, response) => json(response, 200, configMap),
      async (client, server) => {
        await Promise.all(Array.from({ length: 600 }, () => client.get(coreV1.configmaps, key)));
        assert.equal(server.connections(), 1);
      },
    );
  });

  it('leaves room for requests when there are many watches', async () => {
    const fake = fakeClient([], { clock: systemClock });
    await withServer(serveFake(fake), async (client, server) => {
      await client.create(coreV1.configmaps, { metadata: key });
      let begun = 0;
      const handler = { onEvent: () => begun++, onClose: () => {} };
      const watches = Array.from({ length: 320 }, () => client.watch(coreV1.configmaps, {}, handler));
      while (begun < 320) await settle();
      assert.equal(server.connections(), 4);
      assert.equal((await client.get(coreV1.configmaps, key)).metadata.name, 'c');
      for (const w of watches) w.stop();
      while (fake.watchCount > 0) await settle();
    });
  });

  it('asks again for what the connection lost before an answer', async () => {
    let asked = 0;
    await withServer(
      (request, response) => {
        if (++asked === 1) (request as any).stream.session.destroy();
        else json(response, 200, configMap);
      },
      async client => {
        assert.equal((await client.get(coreV1.configmaps, key)).metadata.name, 'c');
        assert.equal(asked, 2);
        asked = 0;
        await assert.rejects(client.create(coreV1.configmaps, { metadata: key }), /^Error: POST https:/);
        assert.equal(asked, 1);
      },
    );
  });

  it('reads watch frames however they are cut', async () => {
    const long = 'ä€😀'.repeat(100_000);
    const events = Array.from({ length: 5000 }, (_, i) => ({
      type: 'MODIFIED',
      object: { ...configMap, data: { i: String(i), ...(i === 2500 ? { long } : {}) } },
    }));
    const bytes = Buffer.from(events.map(e => `${JSON.stringify(e)}\n`).join(''));
    await withServer(
      (_, response) => {
        response.writeHead(200, { 'content-type': 'application/json' });
        for (let at = 0, size = 1; at < bytes.length; at += size, size = ((size * 7) % 9973) + 1)
          response.write(bytes.subarray(at, at + size));
        response.end();
      },
      async client => {
        const seen: any[] = [];
        const error = await new Promise(resolve =>
          client.watch(coreV1.configmaps, {}, { onEvent: (_, o) => seen.push(o), onClose: resolve }),
        );
        assert.equal(error, undefined);
        assert.equal(seen.length, 5000);
        assert.equal(seen[2500].data.long, long);
        assert.ok(seen.every((o, i) => o.data.i === String(i)));
      },
    );
  });

  it('gives the error of a watch that ends with one', async () => {
    const gone = { kind: 'Status', code: 403, reason: 'Forbidden', message: 'no' };
    await withServer(
      (_, response) => {
        response.writeHead(200);
        response.end(`${JSON.stringify({ type: 'ERROR', object: gone })}\n`);
      },
      async client => {
        const error = await new Promise(resolve =>
          client.watch(coreV1.configmaps, {}, { onEvent: () => {}, onClose: resolve }),
        );
        assert.ok(isForbidden(error));
      },
    );
  });

  it('rejects when nothing listens', async () => {
    const server = await serve(() => {});
    await server.close();
    const client = httpClient({ server: server.url, ca: pem.cert });
    await assert.rejects(client.get(coreV1.configmaps, key), /ECONNREFUSED/);
    client.close();
    await assert.rejects(client.get(coreV1.configmaps, key), /client is closed/);
  });
});
