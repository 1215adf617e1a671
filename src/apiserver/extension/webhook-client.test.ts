import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { systemClock, VirtualClock } from '../../base/clock.ts';
import { createMetrics } from '../../base/metrics.ts';
import { seededRandom } from '../../base/random.ts';
import type { ApiContext } from '../context.ts';
import { ServerCounts } from '../observe/server-counts.ts';
import { startTestExtension } from './test-extension.ts';
import { WebhookClient } from './webhook-client.ts';

const contextWith = (clock: VirtualClock, metrics = createMetrics()) =>
  ({
    ...{ clock, random: seededRandom(1), onShutdown: new Set(), egress: {} },
    counts: new ServerCounts(metrics),
  }) as unknown as ApiContext & {
    onShutdown: Set<() => void>;
  };

// Admission webhook, honor timeout.
test('a webhook that takes too long is given up', async () => {
  const clock = new VirtualClock();
  const context = contextWith(clock);
  const extension = await startTestExtension(() => void clock.advance(1000));
  const client = new WebhookClient({ context, userAgent: 'test' });
  try {
    await assert.rejects(client.post({ url: `${extension.url}/slow`, caBundle: extension.caBundle }, {}, 1000), {
      message: `Post "${extension.url}/slow?timeout=1s": context deadline exceeded`,
    });
  } finally {
    for (const end of context.onShutdown) end();
    await extension.stop();
  }
});

test('an authority that did not sign the certificate is not believed', async () => {
  const metrics = createMetrics();
  const context = contextWith(new VirtualClock(), metrics);
  const extension = await startTestExtension((_request, response) => void response.end('{}'));
  const other = await startTestExtension(() => {});
  const client = new WebhookClient({ context, userAgent: 'test' });
  try {
    assert.deepEqual(await client.post({ url: extension.url, caBundle: extension.caBundle }, {}, 1000), {});
    await assert.rejects(
      client.post({ url: extension.url, caBundle: other.caBundle }, {}, 1000),
      /tls: failed to verify certificate: x509: certificate signed by unknown authority$/,
    );
    const text = await metrics.text();
    const { host } = new URL(extension.url);
    for (const line of [
      `rest_client_requests_total{code="200",host="${host}",method="POST"} 1`,
      `rest_client_requests_total{code="<error>",host="${host}",method="POST"} 1`,
      `rest_client_request_duration_seconds_count{host="${host}",verb="POST"} 2`,
      `rest_client_request_size_bytes_sum{host="${host}",verb="POST"} 4`,
      `rest_client_response_size_bytes_sum{host="${host}",verb="POST"} 2`,
    ])
      assert.ok(text.includes(`\n${line}\n`), line);
  } finally {
    for (const end of context.onShutdown) end();
    await extension.stop();
    await other.stop();
  }
});

// What envtest hands out as authority.
test('a certificate that is its own authority is believed; the path is tidied', async () => {
  const context = contextWith(new VirtualClock());
  const paths: string[] = [];
  const extension = await startTestExtension((request, response) => {
    paths.push(request.url ?? '');
    response.end('{}');
  });
  const client = new WebhookClient({ context, userAgent: 'test' });
  try {
    const caBundle = Buffer.from(extension.certificatePem).toString('base64');
    for (const path of ['//a//b/', '', '/c?d=e']) await client.post({ url: extension.url + path, caBundle }, {}, 1000);
    assert.deepEqual(paths, ['/a/b?timeout=1s', '/?timeout=1s', '/c?timeout=1s']);
  } finally {
    for (const end of context.onShutdown) end();
    await extension.stop();
  }
});

// What Pepr makes for its modules: neither the authority nor what it signed has a name.
test('a certificate named like the authority that signed it is believed, one that only has its name is not', async () => {
  const context = contextWith(new VirtualClock(systemClock.now()));
  const serve = (_: unknown, response: ServerResponse) => void response.end('{}');
  const [extension, other] = await Promise.all([1, 2].map(() => startTestExtension(serve, { namesake: true })));
  const client = new WebhookClient({ context, userAgent: 'test' });
  try {
    for (const { url, caBundle } of [extension!, other!, extension!])
      assert.deepEqual(await client.post({ url, caBundle }, {}, 5000), {});
    await assert.rejects(
      client.post({ url: extension!.url, caBundle: other!.caBundle }, {}, 5000),
      /tls: failed to verify certificate: x509: certificate signed by unknown authority$/,
    );
  } finally {
    for (const end of context.onShutdown) end();
    await Promise.all([extension!.stop(), other!.stop()]);
  }
});

test('what a webhook answers besides JSON, in the words of a Go client', async () => {
  const context = contextWith(new VirtualClock());
  const html = 'text/html; charset=utf-8';
  const text = 'text/plain';
  const answers: readonly [code: number, type: string, body: string, message: string][] = [
    [200, '', '', '0-length response with status code: 200 and content type: application/json'],
    [204, text, '', '0-length response with status code: 204 and content type: text/plain'],
    [299, '', '{}', 'the server responded with the status code 299 but did not return more information'],
    [200, '', '{} x', "couldn't get version/kind; json parse error: invalid character 'x' after top-level value"],
    [200, '', '{"a":', "couldn't get version/kind; json parse error: unexpected end of JSON input"],
    [200, 'application/json; x', '{}', 'Internal error occurred: mime: invalid media parameter'],
    [200, 'application/json, a/b', '{}', 'Internal error occurred: mime: unexpected content after media subtype'],
    [404, 'application/json; a=b; a=c', '{}', 'Internal error occurred: mime: duplicate parameter name'],
    [500, 'application json', '{}', 'Internal error occurred: mime: expected slash after first token'],
    [400, text, 'bad', 'the server rejected our request for an unknown reason'],
    [403, text, ' no \n', 'no'],
    [403, 'application/json', 'no', 'unknown'],
    [415, html, 'not that', 'not that'],
    [500, '', '', 'an error on the server ("") has prevented the request from succeeding'],
    [500, 'application/json', 'x', 'an error on the server ("unknown") has prevented the request from succeeding'],
    [502, html, 'gone', 'an error on the server ("gone") has prevented the request from succeeding'],
  ];
  const extension = await startTestExtension(({ url }, response) => {
    const [code, type, body] = answers[Number(url!.slice(1).split('?')[0])]!;
    response.writeHead(code, type ? { 'content-type': type } : {}).end(body);
  });
  const client = new WebhookClient({ context, userAgent: 'test' });
  const { caBundle, url } = extension;
  try {
    for (const [i, [, , , message]] of answers.entries())
      await assert.rejects(client.post({ url: `${url}/${i}`, caBundle }, {}, 1000), { message });
  } finally {
    for (const end of context.onShutdown) end();
    await extension.stop();
  }
});

test('packed answers are read, cut ones are not, and a server that is busy is asked again when it says', async () => {
  const clock = new VirtualClock();
  const context = contextWith(clock);
  let asked = 0;
  const waits: number[] = [];
  const extension = await startTestExtension((request, response) => {
    if (request.url!.startsWith('/packed')) {
      assert.deepEqual([request.headers.accept, request.headers['accept-encoding']], ['application/json, */*', 'gzip']);
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('{"a":1}'));
    } else if (request.url!.startsWith('/large')) {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc((64 << 20) + 1, ' ')));
    } else if (request.url!.startsWith('/cut')) {
      response.writeHead(200, { 'content-length': '9' });
      response.write('{', () => response.socket!.destroy());
    } else if (++asked < 3) response.writeHead(asked === 1 ? 429 : 503, { 'retry-after': '2' }).end();
    else response.end('{"b":2}');
  });
  const client = new WebhookClient({
    context: Object.assign(context, {
      clock: Object.assign(clock, {
        sleep: async (ms: number) => void waits.push(ms),
      }),
    }),
    userAgent: 'test',
  });
  const { caBundle, url } = extension;
  try {
    assert.deepEqual(await client.post({ url: `${url}/packed`, caBundle }, {}, 9000), { a: 1 });
    await assert.rejects(client.post({ url: `${url}/large`, caBundle }, {}, 9000), /http: response body too large$/);
    await assert.rejects(client.post({ url: `${url}/cut`, caBundle }, {}, 9000), {
      message: 'unexpected error when reading response body. Please retry. Original error: unexpected EOF',
    });
    assert.deepEqual(await client.post({ url: `${url}/busy`, caBundle }, {}, 9000), { b: 2 });
    assert.deepEqual([asked, waits], [3, [2000, 2000]]);
  } finally {
    for (const end of context.onShutdown) end();
    await extension.stop();
  }
});

test('a certificate whose only name is the common one is refused, and counted', async () => {
  const metrics = createMetrics();
  const context = contextWith(new VirtualClock(), metrics);
  const extension = await startTestExtension((_, response) => void response.end('{}'), { commonName: 'hook.test' });
  const client = new WebhookClient({ context, userAgent: 'test', dial: ({ port }) => ({ host: '127.0.0.1', port }) });
  try {
    await assert.rejects(
      client.post({ url: `https://hook.test:${extension.port}`, caBundle: extension.caBundle }, {}, 1000),
      /x509: certificate relies on legacy Common Name field, use SANs instead$/,
    );
    const text = await metrics.text();
    for (const line of [
      'apiserver_webhooks_x509_missing_san_total 1',
      'apiserver_webhooks_x509_insecure_sha1_total 0',
      'apiserver_kube_aggregator_x509_missing_san_total 0',
    ])
      assert.ok(text.includes(`\n${line}\n`), line);
  } finally {
    for (const end of context.onShutdown) end();
    await extension.stop();
  }
});

test('answers are read, and redirects followed, as by the client of apiextensions-apiserver', async () => {
  const context = contextWith(new VirtualClock());
  const answers: Readonly<Record<string, (response: ServerResponse) => void>> = {
    '/yaml': response => response.end('# read\n---\nkind: Review\nlist: [1]\n'),
    '/marked': response => response.end('\ufeff{"kind":"Review"}'),
    '/large': response => response.end(`{"pad":"${'x'.repeat(17 << 20)}"}`),
    '/html': response => response.end('<html>no</html>'),
    '/bytes': response => response.end(Buffer.from([0x22, 0xff, 0x22])),
    '/again': response => response.writeHead(307, { location: '/seen?a=b' }).end(),
    '/other': response => response.writeHead(302, { location: '/seen' }).end('text'),
    '/nowhere': response => response.writeHead(307).end(),
    '/bad': response => response.writeHead(308, { location: '::bad' }).end(),
    '/foreign': response => response.writeHead(308, { location: 'ftp://x/y' }).end(),
    '/closed': response => response.writeHead(307, { location: 'https://127.0.0.1:1/x' }).end(),
    '/loop': response => response.writeHead(303, { location: '/loop' }).end(),
  };
  let loops = 0;
  const extension = await startTestExtension(({ method, url = '', headers }, response, body) => {
    const path = url.split('?')[0]!;
    if (path === '/loop') loops++;
    if (path === '/seen') response.end(JSON.stringify({ method, url, body, type: headers['content-type'] }));
    else answers[path]!(response);
  });
  const client = new WebhookClient({ context, userAgent: 'test' });
  const { url, caBundle } = extension;
  const post = (path: string) => client.post({ url: url + path, caBundle }, { a: 1 }, 1000);
  const refused = (path: string, message: string) => assert.rejects(post(path), { message });
  try {
    assert.deepEqual(await post('/yaml'), { kind: 'Review', list: [1] });
    assert.deepEqual(await post('/marked'), { kind: 'Review' });
    assert.equal(((await post('/large')) as { pad: string }).pad.length, 17 << 20);
    await assert.rejects(post('/html'), /^StatusError: couldn't get version\/kind; .* cannot unmarshal string into/);
    await refused('/bytes', 'yaml: invalid leading UTF-8 octet');
    const seen = { method: 'POST', url: '/seen?a=b', body: '{"a":1}', type: 'application/json' };
    assert.deepEqual(await post('/again'), seen);
    assert.deepEqual(await post('/other'), { method: 'GET', url: '/seen', body: '' });
    await refused('/nowhere', 'the server responded with the status code 307 but did not return more information');
    const asked = `Post "${url}/bad?timeout=1s"`;
    await refused('/bad', `${asked}: failed to parse Location header "::bad": parse "::bad": missing protocol scheme`);
    await refused('/foreign', 'Post "ftp://x/y": unsupported protocol scheme "ftp"');
    await refused('/closed', 'Post "https://127.0.0.1:1/x": dial tcp 127.0.0.1:1: connect: connection refused');
    await refused('/loop', 'Get "/loop": stopped after 10 redirects');
    assert.equal(loops, 10);
  } finally {
    for (const end of context.onShutdown) end();
    await extension.stop();
  }
});
