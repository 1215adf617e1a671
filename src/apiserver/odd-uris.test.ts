// Paths as Go reads them, decoded first and split afterwards, and those it cannot read: recorded from
// k8s.io/apiextensions-apiserver and k8s.io/sample-apiserver 1.36.2 over HTTP/1.1 and HTTP/2.
import assert from 'node:assert/strict';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { after, test } from 'node:test';
import { definition, establish, widget, widgets } from './custom/test-definition.ts';
import { fileServer } from './test-file-server.ts';
import { sendRaw } from './test-raw.ts';

const group = 'uris.example.com';
const maps = '/api/v1/namespaces/default/configmaps';
const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const on = fileServer(async api => {
  await establish(api, definition(group, [{ more: { subresources: { status: {} } } }]));
  await api.expect(201, 'POST', widgets(group), widget(group, 'one'));
  await api.expect(201, 'POST', maps, { metadata: { name: 'one' } });
});
let opened: ClientHttp2Session | undefined;
after(() => opened?.close());

function session(): ClientHttp2Session {
  const { ca, admin, url } = on.server;
  opened ??= connectHttp2(url, { ca, cert: admin.certificatePem, key: admin.keyPem });
  return opened;
}

interface Told {
  /** 0: the stream was reset. */
  readonly code: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

/** Paths that a URL of Node's would make straight go out as they are. */
async function ask(path: string, method = 'GET', body?: string): Promise<Told> {
  const head = { ':method': method, ':path': path, 'content-type': 'application/json' };
  const stream = session().request(head, { endStream: body === undefined });
  let [code, text, headers] = [0, '', {}];
  stream.on('response', got => {
    code = got[':status'] ?? 0;
    headers = got;
  });
  stream.on('error', () => {});
  stream.setEncoding('utf8').on('data', chunk => {
    text += chunk;
  });
  if (body !== undefined) stream.end(body);
  // Not `once`, which rejects for a reset.
  await new Promise(resolve => stream.on('close', resolve));
  return { code, headers, text };
}

async function refuses(code: number, message: string, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const told = await ask(path);
    assert.deepEqual([told.code, told.text && JSON.parse(told.text).message], [code, message], path);
  }
}

/** All that comes back over HTTP/1.1 until the connection ends. */
const exchange = (head: string): Promise<string> =>
  sendRaw(on.server, `${head} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);

const page = '404 page not found\n';
const notThere = 'the server could not find the requested resource';

test('a slash that was escaped parts the path as any other', async () => {
  for (const path of [
    ...['/%68ealthz', '/livez%2Fping', '/version%2f', '/version//', '/index%2ehtml', '/apis/', '/apis%2fapps'],
    ...['/apis/apps%2Fv1', '/apis/apps//', '/apis/apps/v1//', '/api//', '/api%2fv1/', `/apis/${group}%2fv1`],
    ...[`/apis/${group}//`, `/apis/${group}/v1//`, `${maps}%2Fone`, `${maps}/one%2f`, `${maps}/one//`, `${maps}//`],
    ...['/api/v1/namespaces/default%2Fconfigmaps', '/api/v1/namespaces%2Fdefault/status', `${widgets(group)}%2Fone`],
    ...[`${widgets(group)}/one%2Fstatus`, `${widgets(group)}/one/status%2Fx`, '/api/v1/namespaces//configmaps'],
  ])
    assert.equal((await ask(path)).code, 200, path);
  const made = await ask(`${widgets(group)}%2Fx`, 'POST', JSON.stringify(widget(group, 'two')));
  assert.equal(made.code, 201);
  await refuses(404, notThere, [
    ...[`${maps}/one%2Fx`, `${maps}//one`, `${maps}/one//status`, '/api/v1/namespaces/a%2Fb', '/api/v1//configmaps'],
    ...[
      '/api/v1/namespaces/default//configmaps',
      '/api/v1/namespaces//nodes',
      '/apis/apps//v1',
      `${definitions}/x%2Fy`,
    ],
    ...[`${definitions}/x//status`, '/api/v1//namespaces/default/configmaps'],
  ]);
  for (const path of [
    ...[
      '//',
      '//healthz',
      '//apis',
      '//api/v1/pods',
      `/${maps}`,
      '/apis//',
      '/apis//apps/v1',
      `//apis/${group}/v1/widgets`,
    ],
    ...['/healthz/', '/healthz%2f', '/x/../healthz', `/apis/${group}/v1/watch//widgets/one`, '/apis/x%2fy'],
  ]) {
    const told = await ask(path);
    assert.deepEqual([told.code, told.text], [404, page], path);
  }
});

test('names that lead out of their place', async () => {
  const wrong = (name: string, why: string) => `Name parameter invalid: "${name}": ${why}`;
  for (const path of [maps, widgets(group), definitions]) {
    await refuses(400, wrong('..', "may not be '..'"), [`${path}/..`, `${path}/%2e%2e`]);
    await refuses(400, wrong('.', "may not be '.'"), [`${path}/.`]);
    await refuses(400, wrong('a%b', "may not contain '%'"), [`${path}/a%25b`]);
    for (const method of ['PUT', 'DELETE']) assert.equal((await ask(`${path}/..`, method, '{}')).code, 400, method);
  }
  for (const [places, key] of [
    ['/api/v1/namespaces/../configmaps', '/configmaps/..'],
    ['/apis/apps/v1/namespaces/../deployments', '/deployments/..'],
    [`/apis/${group}/v1/namespaces/../widgets`, `/${group}/widgets/..`],
  ] as const) {
    await refuses(500, `invalid key: "${key}"`, [places, `${places}?resourceVersion=0`, `${places}?watch=1`]);
    await refuses(500, `invalid key: "${key}/one"`, [`${places}/one`]);
    const made = JSON.parse((await ask(places, 'POST', JSON.stringify(widget(group, 'x')))).text);
    if (places.includes(group))
      assert.equal(made.message, 'Internal error occurred: invalid resource name "..": [may not be \'..\']');
  }
  await refuses(400, 'Namespace parameter required.', ['/api/v1/namespaces//configmaps/one']);
  const all = await ask('/api/v1/namespaces//configmaps', 'DELETE');
  assert.deepEqual([all.code, JSON.parse(all.text).message], [400, 'Namespace parameter required.']);
  await refuses(404, 'configmaps "a\\x00\\n" not found', [`${maps}/a%00%0a`]);
});

test('names that are no UTF-8', async () => {
  await refuses(404, 'configmaps "a\\xff\\xfeb" not found', [`${maps}/a%ff%feb`]);
  await refuses(404, `widgets.${group} "\\xed\\xa0\\x80é" not found`, [`${widgets(group)}/%ed%a0%80%c3%a9`]);
  const told = await ask(`${maps}/%ff`);
  assert.equal(JSON.parse(told.text).details.name, '\ufffd');
  // Not the name that such bytes are shown as.
  const config = JSON.stringify({ metadata: { name: '\ufffd' } });
  const { message } = JSON.parse((await ask(`${maps}/%ff`, 'PUT', config)).text);
  assert.equal(message, 'the name of the object (\ufffd) does not match the name on the URL (\ufffd)');
});

test('paths that cannot be read: a refusal without a handler, and a stream that is reset', async () => {
  for (const path of ['/zz%zz', '/%', `${maps}/%4`, '/healthz%zz?x']) {
    assert.equal((await ask(path)).code, 0, path);
    const told = await exchange(`GET ${path}`);
    assert.match(told, /^HTTP\/1\.1 400 Bad Request\r\nContent-Type: text\/plain.*\r\n\r\n400 Bad Request$/s, path);
  }
  // The connection goes on.
  assert.equal((await ask('/healthz?x=%zz')).code, 200);
  assert.equal((await ask('/zz%zz', 'POST', '{}')).code, 0);
});

test('targets with an origin, and of the server as a whole', async () => {
  for (const target of ['http://x/healthz', 'HTTP://u@x:1/healthz', 'https:///healthz', 'ftp://[::1]:1/healthz'])
    assert.match(await exchange(`GET ${target}`), /^HTTP\/1\.1 200 OK\r\n.*\r\n\r\nok$/s, target);
  for (const target of ['http://x/%zz', 'http://x:abc/healthz', 'http://[::1/healthz'])
    assert.match(await exchange(`GET ${target}`), /^HTTP\/1\.1 400 Bad Request\r\n/, target);
  assert.match(await exchange('OPTIONS *'), /^HTTP\/1\.1 200 OK\r\n.*\r\n\r\n$/s);
  assert.match(await exchange('GET *'), /^HTTP\/1\.1 404 Not Found\r\n/);
  const { code, headers } = await ask('*', 'OPTIONS');
  assert.deepEqual([code, headers['cache-control']], [200, undefined]);
});

test('bytes that were not escaped count as if they were', async () => {
  await refuses(404, 'configmaps "é" not found', [`${maps}/\xc3\xa9`]);
  await refuses(404, 'configmaps "\\xff" not found', [`${maps}/\xff`]);
  await refuses(400, 'strconv.ParseInt: parsing "é\\xff": invalid syntax', [`${maps}?limit=\xc3\xa9\xff`]);
});
