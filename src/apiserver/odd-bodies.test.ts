// Bodies as they come over HTTP/1.1: recorded from k8s.io/apiextensions-apiserver 1.36.2 and Go's server.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { fileServer } from './test-file-server.ts';

const maps = '/api/v1/namespaces/default/configmaps';
const body = (name: string) => JSON.stringify({ metadata: { name } });
const on = fileServer();

/** All that comes back for these bytes, until the server ends the connection. */
async function exchange(head: string, ...lines: string[]): Promise<string> {
  const { ca, admin, url } = on.server;
  const socket = connect({ port: Number(new URL(url).port), ca, cert: admin.certificatePem, key: admin.keyPem });
  let told = '';
  socket.setEncoding('utf8').on('data', text => {
    told += text;
  });
  socket.on('error', () => {});
  socket.write([`${head} HTTP/1.1`, 'Host: localhost', ...lines].join('\r\n'));
  await once(socket, 'close');
  return told;
}

const closing = 'Connection: close';
const json = 'Content-Type: application/json';
const post = `POST ${maps}`;

test('what is behind the body of the last request is nothing', async () => {
  const told = await exchange(post, json, closing, 'Content-Length: 3', '', '{"abcdef');
  assert.match(told, /^HTTP\/1\.1 400 .*unexpected end of JSON input \(\{\\"a\)/s);
  const sound = body('short');
  const made = await exchange(post, json, closing, `Content-Length: ${sound.length}`, '', `${sound}xyz`);
  assert.match(made, /^HTTP\/1\.1 201 /);
});

test('who sends rubbish behind a request gets the answer to it first', async () => {
  const sound = body('first');
  const told = await exchange(post, json, `Content-Length: ${sound.length}`, '', `${sound}\r\n!!\r\n\r\n`);
  assert.match(told, /^HTTP\/1\.1 201 .*HTTP\/1\.1 400 Bad Request.*\r\n\r\n400 Bad Request$/s);
});

test('encodings of transfer that nobody knows', async () => {
  for (const encoding of ['gzip', 'gzip, chunked', 'identity']) {
    const told = await exchange(post, json, `Transfer-Encoding: ${encoding}`, '', '0\r\n\r\n');
    assert.match(told, /^HTTP\/1\.1 501 Not Implemented\r\n.*\r\n\r\nUnsupported transfer encoding$/s, encoding);
  }
  const chunked = body('chunked');
  const made = `${chunked.length.toString(16)}\r\n${chunked}\r\n0\r\n\r\n`;
  assert.match(await exchange(post, json, closing, 'Transfer-Encoding: chunked', '', made), /^HTTP\/1\.1 201 /);
});

test('lengths that are none', async () => {
  for (const length of ['-1', 'x', '5\r\nContent-Length: 6']) {
    const told = await exchange(post, json, `Content-Length: ${length}`, '', '{}');
    assert.match(told, /^HTTP\/1\.1 400 Bad Request\r\nContent-Type: text\/plain.*\r\n\r\n400 Bad Request$/s, length);
  }
  const told = await exchange(post, json, closing, `Content-Length: ${(3 << 20) + 1}`, '', '{');
  assert.match(told, /^HTTP\/1\.1 413 .*Request entity too large: limit is 3145728/s);
});

test('who waits to be told to go on is told when the body is read', async () => {
  const waiting = ['Expect: 100-continue', closing];
  const sound = body('waits');
  const told = await exchange(post, json, ...waiting, `Content-Length: ${sound.length}`, '', sound);
  assert.match(told, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201 /);
  assert.match(await exchange(`GET ${maps}`, ...waiting, '', ''), /^HTTP\/1\.1 200 /);
  assert.match(await exchange('POST /foo', json, ...waiting, 'Content-Length: 2', '', '{}'), /^HTTP\/1\.1 404 /);
});

test('types of content', async () => {
  const send = async (type: string) =>
    (await on.api.send('POST', `${maps}?dryRun=All`, body('typed'), { 'content-type': type })).code;
  for (const type of ['Application/JSON', 'application/json;', 'application/json; charset="x;y"', 'application/yaml'])
    assert.equal(await send(type), 201, type);
  for (const type of ['application/json; x', ';', '*/*', 'application/*', 'text/yaml', 'application/x-yaml', 'json'])
    assert.equal(await send(type), 415, type);
  for (const type of ['a/b;x=1;x=2', 'a b/c', `application/json${';'.repeat(100_000)}`])
    assert.equal(await send(type), 415, type.slice(0, 50));
});

test('text that is no UTF-8', async () => {
  const send = (bytes: Buffer) =>
    on.api.send('POST', `${maps}?dryRun=All`, bytes.toString('latin1'), { 'content-type': 'application/json' });
  const { object } = await send(Buffer.from([0x1f, 0x8b, 0x08]));
  assert.match(object.message, /json parse error: invalid character '\\x1f' looking for beginning of value \(1f/);
});
