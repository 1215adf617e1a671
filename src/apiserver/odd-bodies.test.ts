// Bodies as they come over HTTP/1.1: recorded from k8s.io/apiextensions-apiserver 1.36.2 and Go's server.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { definition, establish, widget, widgets } from './custom/test-definition.ts';
import { mergePatch } from './test-caller.ts';
import { fileServer } from './test-file-server.ts';
import { sendRaw } from './test-raw.ts';

const maps = '/api/v1/namespaces/default/configmaps';
const body = (name: string) => JSON.stringify({ metadata: { name } });
const group = 'bodies.example.com';
const on = fileServer(api => establish(api, definition(group)));

/** All that comes back for these bytes, until the server ends the connection. */
const exchange = (head: string, ...lines: string[]): Promise<string> =>
  sendRaw(on.server, [`${head} HTTP/1.1`, 'Host: localhost', ...lines].join('\r\n'));

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

test('what is wrong with a whole object is told before whether there is one; of a patch, afterwards', async () => {
  const refusal = async (method: string, body: unknown, headers = {}) => {
    const { object } = await on.api.send(method, `${widgets(group)}/none`, body, headers);
    return [object.code, object.message];
  };
  const gone = [404, `widgets.${group} "none" not found`];
  assert.deepEqual(await refusal('PUT', widget(group, 'none')), gone);
  assert.deepEqual(await refusal('PUT', '{'), [
    400,
    `the object provided is unrecognized (must be of type Widget): couldn't get version/kind; json parse error: unexpected end of JSON input ({)`,
  ]);
  assert.deepEqual(await refusal('PUT', widget(group, 'other')), [
    400,
    'the name of the object (other) does not match the name on the URL (none)',
  ]);
  for (const patch of ['{', '[]']) assert.deepEqual(await refusal('PATCH', patch, mergePatch), gone);
});

test('custom resources say what they are', async () => {
  const version = `${group}/v1`;
  const refusal = async (body: string, type = 'application/json') => {
    const { object } = await on.api.send('POST', widgets(group), body, { 'content-type': type });
    return [object.code, object.message];
  };
  const unrecognized = (why: string) => [400, `the object provided is unrecognized (must be of type Widget): ${why}`];
  const missing = (body: string, shown: string) => unrecognized(`Object 'Kind' is missing in '${body}' (${shown})`);
  for (const body of ['{}', '{"metadata":{"name":"x"}}', '{"kind":"","metadata":{}}'])
    assert.deepEqual(await refusal(body), missing(body, body));
  assert.deepEqual(await refusal('null'), missing('null', '6e756c6c'));
  assert.deepEqual(await refusal('a: 1\n', 'application/yaml'), missing('a: 1\n', '613a20310a'));
  const other = (given: string) => [
    400,
    `the API version in the data (${given}) does not match the expected API version (${version})`,
  ];
  assert.deepEqual(await refusal('{"kind":"Widget"}'), other(''));
  assert.deepEqual(await refusal('{"kind":"X","apiVersion":"v1"}'), other('v1'));
  assert.deepEqual(await refusal(`{"kind":"X","apiVersion":"${version}","metadata":{"name":"x"}}`), [
    422,
    `X.${group} "x" is invalid: kind: Invalid value: "X": must be Widget`,
  ]);
  const typed = (field: string, what: string, shown: string) =>
    unrecognized(
      `couldn't get version/kind; json parse error: json: cannot unmarshal ${what} into Go struct field .${field} of type string (${shown})`,
    );
  assert.deepEqual(await refusal('{"kind":[]}'), typed('kind', 'array', '{"kind":[]}'));
  assert.deepEqual(await refusal('{"apiVersion":true}'), typed('apiVersion', 'bool', '{"apiVersion":true}'));
  // Of built-in kinds the path says it.
  const made = await on.api.send('POST', `${maps}?dryRun=All`, {
    kind: null,
    apiVersion: null,
    metadata: { name: 'x' },
  });
  assert.equal(made.code, 201);
});

test('wrong values of a custom resource, told by all that look at them', async () => {
  const items = { type: 'object', properties: { k: { type: 'string' } }, required: ['k'] };
  const list = { type: 'array', items, 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['k'] };
  const some = { type: 'string', nullable: true, enum: ['a'] };
  const of = 'values.example.com';
  await establish(
    on.api,
    definition(of, [
      {
        schema: {
          type: 'object',
          properties: { whole: { type: 'integer' }, small: { type: 'integer', format: 'int32' }, list, some },
        },
      },
    ]),
  );
  const causes = async (more: object) =>
    (await on.api.expect(422, 'POST', widgets(of), widget(of, 'a', more))).details.causes.map(
      (c: { field: string; message: string }) => [c.field, c.message],
    );
  assert.deepEqual(await causes({ whole: 1.5 }), [
    ['whole', 'Invalid value: "number": whole in body must be of type integer: "number"'],
    ['<nil>', 'Invalid value: "": Checked value must be of type integer (default format) in whole'],
  ]);
  assert.deepEqual(await causes({ small: 2 ** 31 }), [
    ['<nil>', 'Invalid value: "": Checked value must be of type integer with format int32 in small'],
  ]);
  assert.deepEqual(await causes({ some: null }), [['some', 'Unsupported value: null: supported values: "a"']]);
  assert.deepEqual(await causes({ list: ['x'] }), [
    ['list[0]', 'Invalid value: "string": list[0] in body must be of type object: "string"'],
    ['list[0]', 'Invalid value: "x": must be an object for an array of list-type map'],
  ]);
});
