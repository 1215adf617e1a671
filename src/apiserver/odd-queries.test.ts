// Query parameters nobody should send: recorded from k8s.io/apiextensions-apiserver 1.36.2.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { test } from 'node:test';
import { definition, establish, widget, widgets } from './custom/test-definition.ts';
import { applyPatch, type Json, jsonPatch, mergePatch } from './test-caller.ts';
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
    'continue=x&resourceVersion=bad': `${wrong} illegal base64 data at input byte 0`,
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
    [`${token({ v, rv: 5, start: 'a' })}&resourceVersion=bad`]:
      'specifying resource version is not allowed when using continue',
  });
  await refused(422, {
    'resourceVersion=bad&resourceVersionMatch=exact': `ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Unsupported value: "exact": supported values: "Exact", "NotOlderThan", ""`,
  });
  const { object } = await on.api.send('GET', `${path}?${token({ v, rv: 99_999_999, start: 'a' })}`);
  assert.equal(object.code, 504);
  assert.match(object.message, /^Timeout: Too large resource version: 99999999, current: \d+$/);
});

test('continue tokens are those of Kubernetes: behind a name in a namespace, behind a namespace and a name in all', async () => {
  await on.api.expect(201, 'POST', path, widget(group, 'two'));
  const all = path.replace('/namespaces/default', '');
  const decoded = (token: string) => JSON.parse(Buffer.from(token, 'base64url').toString());
  const first = await on.api.expect(200, 'GET', `${path}?limit=1`);
  const { v, rv, start } = decoded(first.metadata.continue);
  assert.deepEqual([v, String(rv), start], ['meta.k8s.io/v1', first.metadata.resourceVersion, 'one\0']);
  assert.equal(decoded((await on.api.expect(200, 'GET', `${all}?limit=1`)).metadata.continue).start, 'default/one\0');
  const here = `${all}?limit=1&fieldSelector=metadata.namespace%3Ddefault`;
  assert.equal(decoded((await on.api.expect(200, 'GET', here)).metadata.continue).start, 'one\0');
  // Kubernetes' cache begins the key with a slash.
  for (const key of ['one\0', '/one\0']) {
    const token = Buffer.from(JSON.stringify({ v, rv, start: key })).toString('base64url');
    const { items } = await on.api.expect(200, 'GET', `${path}?continue=${token}`);
    assert.deepEqual(
      items.map((i: Json) => i.metadata.name),
      ['two'],
    );
    const whole = await on.api.expect(200, 'GET', `${path}?resourceVersion=0&limit=1&continue=${token}`);
    assert.equal(whole.items.length, 1);
    assert.equal(whole.metadata.remainingItemCount, undefined);
  }
  await on.api.expect(200, 'DELETE', `${path}/two`);
});

test('versions that are nought in other digits, and the largest', async () => {
  const { metadata } = await on.api.expect(200, 'GET', path);
  for (const query of ['resourceVersion=00&limit=1', 'resourceVersion=00&resourceVersionMatch=Exact']) {
    const list = await on.api.expect(200, 'GET', `${path}?${query}`);
    assert.equal(list.items.length, 1, query);
    assert.ok(Number(list.metadata.resourceVersion) >= Number(metadata.resourceVersion), query);
  }
  const watching = await on.api.watch(`${path}?watch=1&resourceVersion=00&timeoutSeconds=1`);
  await watching.ended;
  assert.deepEqual(
    watching.events.map(e => [e.type, e.object.metadata.name]),
    [['ADDED', 'one']],
  );
  const { object } = await on.api.send('GET', `${path}?resourceVersion=18446744073709551615&limit=1`);
  assert.match(object.message, /^Timeout: Too large resource version: 18446744073709551615, current: \d+$/);
});

test('selectors', async () => {
  assert.deepEqual((await on.api.expect(200, 'GET', `${path}?labelSelector=a%20in%20()`)).items, []);
  assert.equal((await on.api.expect(200, 'GET', `${path}?labelSelector=%00`)).items.length, 1);
  const { object } = await on.api.send('GET', `${path}?labelSelector=a/b/c`);
  assert.match(object.message, /Invalid value: "a\/b\/c": a valid label key must consist of alphanumeric/);
  for (const field of ['=', '!=', '==', 'metadata.name%3Done,='])
    assert.equal((await on.api.expect(200, 'GET', `${path}?fieldSelector=${field}`)).items.length, 1, field);
  await refused(400, {
    'labelSelector=n>9223372036854775808': `unable to parse requirement: values[0]: Invalid value: "9223372036854775808": for 'Gt', 'Lt' operators, the value must be an integer`,
  });
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

test('who begins with what exists is told where that ends', async () => {
  for (const version of ['', '&resourceVersion=', '&resourceVersion=0']) {
    const watching = await on.api.watch(`${path}?watch=1&allowWatchBookmarks=true${version}`);
    const end = await watching.next(e => e.type === 'BOOKMARK');
    assert.deepEqual(Object.keys(end.object), ['apiVersion', 'kind', 'metadata']);
    assert.deepEqual(end.object.metadata.annotations, { 'k8s.io/initial-events-end': 'true' }, version);
    assert.equal(watching.events[0]!.object.metadata.name, 'one');
    watching.stop();
  }
});

test('the old paths of watches are of one object where they name it', async () => {
  const [base, name] = [path.replace('/v1/', '/v1/watch/'), 'metadata.name%3D'];
  await on.api.expect(201, 'POST', path, widget(group, 'three'));
  const { object } = await on.api.send('GET', `${base}/one?fieldSelector=${name}three`);
  assert.equal(object.message, "fieldSelector metadata.name doesn't match requested name");
  for (const query of ['', `?fieldSelector=${name}three`]) {
    const watching = await on.api.watch(`${base}/three${query}`);
    await watching.next(e => e.type === 'ADDED');
    assert.deepEqual(
      watching.events.map(e => e.object.metadata.name),
      ['three'],
    );
    watching.stop();
  }
  await on.api.expect(200, 'DELETE', `${path}/three`);
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
  const text = { 'content-type': 'text/plain' };
  assert.equal((await on.api.send('PATCH', `${path}/one?${all}`, '{}', text)).code, 415);
  const policy =
    'propagationPolicy: Unsupported value: "x": supported values: "Foreground", "Background", "Orphan", "nil"';
  const both = 'propagationPolicy: Invalid value: "x": orphanDependents and deletionPropagation cannot be both set';
  const { object } = await on.api.send('DELETE', `${path}/one?propagationPolicy=x&orphanDependents=true`);
  assert.equal(object.message, `DeleteOptions.meta.k8s.io "" is invalid: [${both}, ${policy}]`);
});

test('fields that an operation of a JSON patch has not, or has twice', async () => {
  const operations = `[{"op":"add","op":"add","path":"/note","value":2,"nope":1,"b":1},{"path":"/metadata/none","op":"add","value":{"x":1,"x":2},"a":{"z":1},"value":3}]`;
  const faults = [
    'json patch duplicate field "[0].op"',
    'json patch unknown field "[0].nope"',
    'json patch unknown field "[0].b"',
    'json patch duplicate field "[1].value.x"',
    'json patch unknown field "[1].a"',
    'json patch duplicate field "[1].value"',
    'unknown field "metadata.none"',
  ];
  const strict = await on.api.send('PATCH', `${path}/one?fieldValidation=Strict`, operations, jsonPatch);
  assert.equal(strict.code, 422);
  assert.ok(strict.object.message.endsWith(`: strict decoding error: ${faults.join(', ')}`), strict.object.message);
  const plain = '[{"op":"test","path":"/kind","value":"Widget","nope":1}]';
  for (const [body, told] of [
    [operations, faults],
    [plain, ['json patch unknown field "[0].nope"']],
  ] as const) {
    const { headers } = await on.api.send('PATCH', `${path}/one?dryRun=All`, body, jsonPatch);
    assert.equal(headers.warning, told.map(f => `299 - ${JSON.stringify(f)}`).join(', '));
    const ignored = await on.api.send('PATCH', `${path}/one?dryRun=All&fieldValidation=Ignore`, body, jsonPatch);
    assert.deepEqual([ignored.code, ignored.headers.warning], [200, undefined]);
  }
});

test('a collection that is deleted is told as it was', async () => {
  for (const [name, finalizers] of [
    ['a', ['x.example/y']],
    ['b', []],
    ['c', ['x.example/y']],
  ] as const)
    await on.api.expect(201, 'POST', path, {
      ...widget(group, name),
      metadata: { name, finalizers, labels: { of: 'c' } },
    });
  const listed = await on.api.expect(200, 'GET', `${path}?labelSelector=of%3Dc`);
  const { items } = await on.api.expect(200, 'DELETE', `${path}?labelSelector=of%3Dc&propagationPolicy=Foreground`);
  assert.deepEqual(items, listed.items);
  const left = await on.api.expect(200, 'GET', `${path}?labelSelector=of%3Dc`);
  for (const { metadata } of left.items) {
    assert.ok(metadata.deletionTimestamp);
    await on.api.expect(200, 'PATCH', `${path}/${metadata.name}`, { metadata: { finalizers: null } }, mergePatch);
  }
});

test('bytes that are no UTF-8', async () => {
  const version = `resourceVersion: Invalid value: "\\xff": strconv.ParseUint: parsing "\\xff": invalid syntax`;
  await refused(400, {
    'limit=%ff': parsing('\\xff'),
    'limit=%c3%a9%ff+1': parsing('é\\xff 1'),
    'resourceVersion=%ff': `invalid resource version: ${version}`,
    'timeout=%ff': 'invalid timeout specified in the request URL - time: invalid duration "\\xff"',
    'timeout=1%ff': 'invalid timeout specified in the request URL - time: unknown unit "\\xff" in duration "1\\xff"',
    'timeout=%c3%a9': 'invalid timeout specified in the request URL - time: invalid duration "\\xc3\\xa9"',
    'timeout=1.2.3s': 'invalid timeout specified in the request URL - time: missing unit in duration "1.2.3s"',
    'labelSelector=a%20%ff': "unable to parse requirement: found '\ufffd', expected: in, notin, =, ==, !=, gt, lt",
  });
  const { object } = await on.api.send('GET', `${path}?labelSelector=%e2%82`);
  assert.match(object.message, /^unable to parse requirement: <nil>: Invalid value: "\\xe2\\x82": name part must/);
  await on.api.expect(200, 'PATCH', `${path}/one?dryRun=All&fieldManager=%ff`, '{}', mergePatch);
  await on.api.expect(200, 'GET', `${path}?%ff=1&pretty=%ff`);
});
