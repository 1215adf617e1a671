// Query parameters nobody should send: recorded from k8s.io/apiextensions-apiserver 1.36.2.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { test } from 'node:test';
import { definition, establish, widget, widgets } from './custom/test-definition.ts';
import { applyPatch, mergePatch } from './test-caller.ts';
import { fileServer } from './test-file-server.ts';

const group = 'queries.example.com';
const path = widgets(group);
const on = fileServer(async api => {
  await establish(api, definition(group));
  await api.expect(201, 'POST', path, widget(group, 'one'));
});

async function refused(code: number, cases: Readonly<Record<string, string>>): Promise<void> {
  for (const [query, message] of Object.entries(cases)) {
    const { object } = await on.api.send('GET', `${path}?${query}`);
    assert.deepEqual([object.code, object.message], [code, message], query);
  }
}

const parsing = (text: string, why = 'invalid syntax') => `strconv.ParseInt: parsing "${text}": ${why}`;

test('numbers', async () => {
  await refused(400, {
    'limit=': parsing(''),
    limit: parsing(''),
    'limit=1_0': parsing('1_0'),
    'limit=9223372036854775808': parsing('9223372036854775808', 'value out of range'),
    'timeoutSeconds=': parsing(''),
    'timeoutSeconds=-9223372036854775809': parsing('-9223372036854775809', 'value out of range'),
  });
  await on.api.expect(200, 'GET', `${path}?limit=%2B1&timeoutSeconds=9223372036854775807`);
});

test('what is written wrongly is not there', async () => {
  for (const query of ['limit=%zz', 'limit=x;continue=y', '%zz=1&limit=5', ';', '=&&'])
    await on.api.expect(200, 'GET', `${path}?${query}`);
});

test('timeouts', async () => {
  const wrong = 'invalid timeout specified in the request URL - time:';
  await refused(400, {
    'timeout=x': `${wrong} invalid duration "x"`,
    'timeout=1': `${wrong} missing unit in duration "1"`,
  });
  for (const text of ['1m', '0', '', '-1s', '999999h']) await on.api.expect(200, 'GET', `${path}?timeout=${text}`);
});

const late = {
  metadata: {},
  status: 'Failure',
  message: 'Timeout: request did not complete within the allotted timeout',
  reason: 'Timeout',
  details: {},
  code: 504,
};

test('a request whose time is over is answered without its handler', async () => {
  const waits = `${path}?resourceVersion=99999999&timeout=100ms`;
  for (const url of [waits, `${path}?timeout=1ns&limit=x`, '/healthz?timeout=1ns', '/nowhere?timeout=1ns']) {
    const { code, headers, object } = await on.api.send('GET', url);
    assert.deepEqual([code, typeof object === 'string' ? JSON.parse(object) : object], [504, late], url);
    assert.equal(headers['content-type'], 'text/plain; charset=utf-8', url);
    assert.equal(headers['x-content-type-options'], undefined, url);
  }
  assert.equal((await on.api.send('HEAD', waits.replace('100ms', '1ns'))).code, 504);
});

test('what comes after its time is not written', async () => {
  const { ca, admin, url } = on.server;
  const session = connect(url, { ca, cert: admin.certificatePem, key: admin.keyPem });
  const post = (query: string) =>
    session.request({ ':method': 'POST', ':path': `${path}${query}`, 'content-type': 'application/json' });
  const body = JSON.stringify(widget(group, 'late'));
  const slow = post('?timeout=100ms');
  slow.write(body.slice(0, 5));
  const [head] = await once(slow, 'response');
  assert.equal(head[':status'], 504);
  assert.deepEqual(JSON.parse((await slow.setEncoding('utf8').toArray()).join('')), late);
  slow.end(body.slice(5));
  // Streams of one connection are served in turn.
  for (const name of ['next', 'last']) {
    const made = post('?dryRun=All');
    made.end(JSON.stringify(widget(group, name)));
    assert.equal((await once(made, 'response'))[0][':status'], 201);
    made.resume();
  }
  await on.api.expect(404, 'GET', `${path}/late`);
  session.close();
});

test('continue tokens of nobody', async () => {
  const wrong = 'invalid continue token: continue key is not valid:';
  const token = (value: unknown) => `continue=${Buffer.from(JSON.stringify(value)).toString('base64url')}`;
  const v = 'meta.k8s.io/v1';
  await refused(400, {
    'continue=garbage': `${wrong} invalid character '\\u0081' looking for beginning of value`,
    'continue=***': `${wrong} illegal base64 data at input byte 0`,
    'continue=e30%3D': `${wrong} illegal base64 data at input byte 3`,
    'continue=x&resourceVersion=5': `${wrong} illegal base64 data at input byte 0`,
    [token({})]: `${wrong} server does not recognize this encoded version `,
    [token([])]: `${wrong} json: cannot unmarshal array into Go value of type storage.continueToken`,
    [token({
      v,
      rv: 'x',
    })]: `${wrong} json: cannot unmarshal string into Go struct field continueToken.rv of type int64`,
    [token({ v, rv: 0, start: 'a' })]: `${wrong} incorrect encoded start resourceVersion (version ${v})`,
    [token({ v, rv: 5, start: '' })]: `${wrong} encoded start key empty (version ${v})`,
    [token({ v, rv: 5, start: '../x' })]: `${wrong} ../x`,
    [`${token({ v, rv: 5, start: 'a' })}&resourceVersion=5`]:
      'specifying resource version is not allowed when using continue',
  });
  const { object } = await on.api.send('GET', `${path}?${token({ v, rv: 99_999_999, start: 'a' })}`);
  assert.equal(object.code, 504);
  assert.match(object.message, /^Timeout: Too large resource version: 99999999, current: \d+$/);
});

test('selectors', async () => {
  assert.deepEqual((await on.api.expect(200, 'GET', `${path}?labelSelector=a%20in%20()`)).items, []);
  assert.equal((await on.api.expect(200, 'GET', `${path}?labelSelector=%00`)).items.length, 1);
  const { object } = await on.api.send('GET', `${path}?labelSelector=a/b/c`);
  assert.match(object.message, /Invalid value: "a\/b\/c": a valid label key must consist of alphanumeric/);
});

test('names of fields have no escapes', async () => {
  await refused(400, { 'fieldSelector=a%5C%3Db%3Dc': 'invalid field selector: unescaped character in value: 61' });
});

test('watches that go on where a list ended', async () => {
  const match = 'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch:';
  const forbidden = 'Forbidden: resourceVersionMatch is forbidden when continue is provided';
  await refused(422, {
    'watch=1&continue=x': `${match} ${forbidden}`,
    'watch=1&continue=x&sendInitialEvents=true&resourceVersionMatch=NotOlderThan': `${match} ${forbidden}`,
    'watch=1&continue=x&resourceVersion=1&resourceVersionMatch=Exact': `ListOptions.meta.k8s.io "" is invalid: [${[
      'resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
      'resourceVersionMatch: Unsupported value: "Exact": supported values: "NotOlderThan"',
      `resourceVersionMatch: ${forbidden}`,
    ].join(', ')}]`,
  });
});

test('who takes no bookmarks is told none, not even that of the end of what there was', async () => {
  const begin = `${path}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=1`;
  const watching = await on.api.watch(begin);
  await watching.ended;
  assert.deepEqual(
    watching.events.map(e => e.type),
    ['ADDED'],
  );
});

test('options of writes, in the order Kubernetes looks at them', async () => {
  const manager = 'fieldManager: Invalid value: "\\x01": invalid character U+0001 (at position 0)';
  const dryRun = 'dryRun: Unsupported value: ["All","x"]: supported values: "All"';
  const validation = 'fieldValidation: Unsupported value: "y": supported values: "", "Ignore", "Strict", "Warn"';
  const required = 'fieldManager: Required value: is required for apply patch';
  const all = 'dryRun=All&dryRun=x&fieldManager=%01&fieldValidation=y';
  const sent: [method: string, query: string, headers: Record<string, string>, faults: string[]][] = [
    ['POST', all, {}, [manager, dryRun, validation]],
    ['PATCH', all, mergePatch, [manager, dryRun, validation]],
    ['PATCH', 'dryRun=All&dryRun=x', applyPatch, [required, dryRun]],
    ['PATCH', 'fieldManager=%E2%80%8B', mergePatch, [manager.replace('\\x01', '\\u200b').replace('U+0001', 'U+200B')]],
    [
      'PATCH',
      `fieldManager=${'%C3%A9'.repeat(65)}`,
      mergePatch,
      ['fieldManager: Too long: may not be more than 128 bytes'],
    ],
  ];
  for (const [method, query, headers, faults] of sent) {
    const url = method === 'POST' ? path : `${path}/one`;
    const { object } = await on.api.send(method, `${url}?${query}`, widget(group, 'two'), headers);
    const kind = method === 'POST' ? 'CreateOptions' : 'PatchOptions';
    const told = faults.length === 1 ? faults[0] : `[${faults.join(', ')}]`;
    assert.equal(object.message, `${kind}.meta.k8s.io "" is invalid: ${told}`, query);
  }
});
