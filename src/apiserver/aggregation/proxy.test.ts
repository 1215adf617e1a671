// Requests handed to a server behind, and its answers, as kube-aggregator hands them.
import assert from 'node:assert/strict';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { after, before, test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { startTestExtension, type TestExtension } from '../extension/test-extension.ts';
import { type Caller, caller, mergePatch } from '../test-caller.ts';
import { startTestServer, type TestServer } from '../test-server.ts';
import { apiServiceBehind, makeServiceBehind } from './test-behind.ts';

const services = '/apis/apiregistration.k8s.io/v1/apiservices';
const things = '/apis/x.example/v1/things';

let server: TestServer;
let extension: TestExtension;
let api: Caller;
let answer: (response: ServerResponse) => void;
let asked: { url: string; headers: IncomingHttpHeaders } | undefined;

before(async () => {
  extension = await startTestExtension(
    ({ url = '', headers }, response) => {
      if (!url.startsWith(things)) return void response.end('{}');
      asked = { url, headers };
      answer(response);
    },
    {
      dnsNames: ['behind.lab.svc'],
      onUpgrade: (_, socket) => void socket.end('HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n'),
    },
  );
  server = await startTestServer({ dialExtension: () => ({ host: '127.0.0.1', port: extension.port }) });
  api = caller({ url: server.url, ca: server.ca, cert: server.admin.certificatePem, key: server.admin.keyPem });
  await makeServiceBehind(api);
  await register('x.example');
});
after(async () => {
  api.close();
  await server.stop();
  await extension.stop();
});

async function register(group: string): Promise<string> {
  const path = `${services}/v1.${group}`;
  await api.expect(201, 'POST', services, apiServiceBehind(`v1.${group}`, extension.caBundle));
  for (;;) {
    const { status } = await api.expect(200, 'GET', path);
    if (status.conditions?.[0]?.status === 'True') return path;
    await systemClock.sleep(5);
  }
}

/** Code and text of what is answered to a request to go on with another protocol. */
function upgraded(): Promise<string> {
  const { certificatePem: cert, keyPem: key } = server.admin;
  const headers = { connection: 'Upgrade', upgrade: 'SPDY/3.1' };
  return new Promise((resolve, reject) => {
    const options = { ca: server.ca, cert, key, agent: false as const, headers };
    const request = httpsRequest(`${server.url}${things}`, options, async response => {
      let got = `${response.statusCode} `;
      for await (const chunk of response) got += chunk;
      resolve(got);
    });
    request.on('error', reject);
    request.end();
  });
}

const ok = (response: ServerResponse) => void response.end('{}');

test('a request says where it went, what it is called and who sent it', async () => {
  answer = ok;
  const { code, headers } = await api.send('GET', `${things}//a`, undefined, {
    'audit-id': 'mine',
    authorization: 'Bearer secret',
    'x-forwarded-for': '1.2.3.4',
    'x-forwarded-host': 'elsewhere',
    'x-remote-user': 'me',
  });
  assert.deepEqual([code, headers['cache-control']], [200, 'no-cache, private']);
  const there = asked!.headers;
  assert.equal(there['audit-id'], 'mine');
  assert.equal(there['x-forwarded-for'], '1.2.3.4, 127.0.0.1');
  assert.equal(there['x-forwarded-host'], '10.9.9.9:443');
  assert.equal(there['x-forwarded-proto'], 'https');
  assert.equal(there['x-forwarded-uri'], `${things}/a`);
  assert.equal(there['x-remote-user'], 'kubernetes-admin');
  assert.equal(there.authorization, undefined);
});

test('only parameters that can be read are passed on', async () => {
  answer = ok;
  for (const [query, there] of [
    ['?b=1&a=%20x+y&b=~*', '?a=+x+y&b=1&b=~%2A'],
    ['?a', '?a='],
    ['?x=%zz', ''],
    ['?x=1;y=2&z', '?z='],
  ] as const) {
    await api.send('GET', `${things}${query}`);
    assert.equal(asked!.url, `${things}${there}`);
  }
});

test('redirects of servers behind are refused', async () => {
  const refused = 'the backend attempted to redirect this request, which is not permitted';
  for (const code of [300, 301, 302, 307]) {
    answer = response => void response.writeHead(code, { location: '/elsewhere' }).end('go');
    const { code: here, object, headers } = await api.send('GET', things);
    assert.deepEqual([here, object, headers.location], [502, refused, undefined]);
  }
  answer = response => void response.writeHead(302).end('nowhere');
  assert.equal((await api.send('GET', things)).code, 302);
  assert.equal(await upgraded(), '503 invalid upgrade response: status code 302\n');
});

test('an answer keeps its head, however large, but what belongs to the connection', async () => {
  const large = 'a'.repeat(20_000);
  answer = response =>
    void response
      .setHeader('warning', ['299 - "x"', '299 - "y"'])
      .writeHead(200, {
        connection: 'x-hop',
        'x-hop': '1',
        'cache-control': 'public',
        'x-large': large,
      })
      .end('{}');
  const { certificatePem: cert, keyPem: key } = server.admin;
  const headers = await new Promise<NodeJS.Dict<string[]>>((resolve, reject) => {
    const options = { ca: server.ca, cert, key, agent: false as const, maxHeaderSize: 100_000 };
    const request = httpsRequest(`${server.url}${things}`, options, response => {
      response.resume();
      resolve(response.headersDistinct);
    });
    request.on('error', reject);
    request.end();
  });
  assert.deepEqual(headers.warning, ['299 - "x"', '299 - "y"']);
  assert.deepEqual(headers['cache-control'], ['no-cache, private', 'public']);
  assert.equal(headers['x-large']?.[0], large);
  assert.equal(headers['x-hop'], undefined);
});

test('a caBundle that has become none is told of as it is', async () => {
  const path = await register('y.example');
  await api.expect(200, 'PATCH', path, { spec: { caBundle: 'AAAA' } }, mergePatch);
  const { code, object } = await api.send('GET', '/apis/y.example/v1/things');
  const refused = 'unable to load root certificates: unable to parse bytes as PEM block\n';
  assert.deepEqual([code, object], [500, refused]);
});

test('so is a server that is gone since it was asked last', async () => {
  await extension.stop();
  const refused = 'dial tcp 10.9.9.9:443: connect: connection refused\n';
  assert.equal((await api.send('GET', things)).object, `error trying to reach service: ${refused}`);
  assert.equal(await upgraded(), `503 error dialing backend: ${refused}`);
});
