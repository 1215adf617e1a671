import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Pod } from '../../../api/type/core-v1.ts';
import { chooseContainer } from './container-choice.ts';
import { readPodLogOptions } from './log-options.ts';
import { distinctHeaders, forwardedHeaders, returnedHeaders } from './proxy-header.ts';
import { isProxyable, parseProxyName, proxiedPath } from './proxy-name.ts';
import { HtmlRewriter, rewriteHtml, rewriteLink } from './rewrite.ts';

const pod = (containers: string[], init: string[] = [], annotation?: string): Pod =>
  ({
    metadata: {
      name: 'p',
      ...(annotation ? { annotations: { 'kubectl.kubernetes.io/default-container': annotation } } : {}),
    },
    spec: { containers: containers.map(name => ({ name })), initContainers: init.map(name => ({ name })) },
  }) as unknown as Pod;

test('chooses a container, in words of Kubernetes where it cannot', () => {
  assert.equal(chooseContainer(pod(['a']), ''), 'a');
  assert.equal(chooseContainer(pod(['a', 'b'], ['i']), 'i'), 'i');
  assert.equal(chooseContainer(pod(['a', 'b'], [], 'b'), ''), 'b');
  const refuses = (of: Pod, asked: string, message: string) =>
    assert.throws(() => chooseContainer(of, asked), { message, code: 400 });
  refuses(pod(['a', 'b']), '', 'a container name must be specified for pod p, choose one of: [a b]');
  refuses(pod(['a', 'b'], ['i', 'j']), '', 'a container name must be specified for pod p, choose one of: [i j a b]');
  refuses(pod(['a']), 'x', 'container x is not valid for pod p');
  refuses(pod(['a', 'b'], [], 'gone'), '', 'container gone is not valid for pod p');
});

test('reads log options and refuses what Kubernetes refuses', () => {
  const read = (query: string) => readPodLogOptions(new URLSearchParams(query), 'p');
  assert.equal(
    read(
      'follow=true&previous=false&tailLines=5&limitBytes=9&container=c&sinceTime=2026-01-01T00:00:00Z',
    ).query.toString(),
    'follow=true&sinceTime=2026-01-01T00%3A00%3A00Z&tailLines=5&limitBytes=9',
  );
  assert.equal(read('container=c').container, 'c');
  assert.equal(read('insecureSkipTLSVerifyBackend=true').insecureSkipTLSVerifyBackend, true);
  const wrong: [string, number, string][] = [
    ['tailLines=x', 400, 'strconv.ParseInt: parsing "x": invalid syntax'],
    [
      'tailLines=-1',
      422,
      'PodLogOptions "p" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0',
    ],
    ['limitBytes=0', 422, 'PodLogOptions "p" is invalid: limitBytes: Invalid value: 0: must be greater than 0'],
    ['sinceSeconds=0', 422, 'PodLogOptions "p" is invalid: sinceSeconds: Invalid value: 0: must be greater than 0'],
    [
      'sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z',
      422,
      'PodLogOptions "p" is invalid: Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified',
    ],
  ];
  for (const [query, code, message] of wrong) assert.throws(() => read(query), { code, message });
});

test('splits names of proxied things', () => {
  assert.deepEqual(parseProxyName('n'), { scheme: '', name: 'n', port: '' });
  assert.deepEqual(parseProxyName('n:80'), { scheme: '', name: 'n', port: '80' });
  assert.deepEqual(parseProxyName('https:n:web'), { scheme: 'https', name: 'n', port: 'web' });
  assert.deepEqual(parseProxyName('https:n:'), { scheme: 'https', name: 'n', port: '' });
  for (const bad of ['', ':n', 'ftp:n:80', 'n:0', 'n:70000', 'n:a_b', 'a:b:c:d', 'https::80'])
    assert.equal(parseProxyName(bad), undefined, bad);
  assert.equal(proxiedPath('/api/v1/namespaces/x/pods/p:80/proxy'), '');
  assert.equal(proxiedPath('/api/v1/namespaces/x/pods/p:80/proxy/a%2Fb//c/'), '/a%2Fb/c/');
  assert.equal(proxiedPath('/api/v1/nodes/n/proxy//'), '/');
  assert.equal(proxiedPath('/api/v1/nodes/n/proxy/../a/./b/../..c/'), '/a/..c/');
  assert.equal(proxiedPath('/api/v1/nodes/n/proxy/proxy/x'), '/proxy/x');
  for (const good of ['10.0.0.1', '192.168.1.1', 'fd00::1']) assert.equal(isProxyable(good), true, good);
  for (const bad of ['127.0.0.1', '169.254.169.254', '0.0.0.0', '224.0.0.1', '::1', 'fe80::1', 'host', ''])
    assert.equal(isProxyable(bad), false, bad);
});

test('passes no credential on and no permission back', () => {
  const sent = forwardedHeaders({
    authorization: 'Bearer secret',
    'impersonate-user': 'root',
    'x-remote-user': 'root',
    ':authority': 'api',
    host: 'api',
    connection: 'keep-alive, x-secret-hop',
    'x-secret-hop': '1',
    te: 'trailers',
    accept: '*/*',
    cookie: 'a=b',
  });
  assert.deepEqual(sent, { accept: '*/*', cookie: 'a=b' });
  const back = returnedHeaders({
    'access-control-allow-origin': '*',
    'transfer-encoding': 'chunked',
    'content-type': 'text/plain',
    'set-cookie': ['a=b'],
  });
  assert.deepEqual(back, { 'content-type': 'text/plain', 'set-cookie': ['a=b'] });
});

test('takes off what belongs to one connection, both ways, and keeps what is said twice', () => {
  const headers = distinctHeaders([
    'Connection',
    'x-hop',
    'X-Hop',
    '1',
    'X-A',
    '1',
    'x-a',
    '2',
    'Cookie',
    'a',
    'cookie',
    'b',
  ]);
  assert.deepEqual(headers, { connection: 'x-hop', 'x-hop': '1', 'x-a': ['1', '2'], cookie: 'a; b' });
  for (const pass of [forwardedHeaders, returnedHeaders])
    assert.deepEqual(pass(headers), { 'x-a': ['1', '2'], cookie: 'a; b' });
  const kept = { 'access-control-expose-headers': 'c', 'access-control-max-age': '1' };
  const taken = ['origin', 'credentials', 'headers', 'methods'].map(n => [`access-control-allow-${n}`, '*']);
  assert.deepEqual(returnedHeaders({ ...kept, ...Object.fromEntries(taken) }), kept);
});

const rule = { prefix: '/api/v1/namespaces/x/pods/p/proxy', hosts: ['10.0.0.1:80', 'api:6443'] };

test('bends links to the server itself, and those only', () => {
  const cases: [string, string][] = [
    ['/a?b=c', `${rule.prefix}/a?b=c`],
    ['/', `${rule.prefix}/`],
    ['a', 'a'],
    ['../a', '../a'],
    ['#top', '#top'],
    ['http://10.0.0.1:80/a', `${rule.prefix}/a`],
    ['//10.0.0.1:80', `${rule.prefix}/`],
    ['http://elsewhere/a', 'http://elsewhere/a'],
    [`${rule.prefix}/a`, `${rule.prefix}/a`],
    [`https://api:6443${rule.prefix}/a`, `${rule.prefix}/a`],
    ['mailto:a@b', 'mailto:a@b'],
  ];
  for (const [link, wanted] of cases) assert.equal(rewriteLink(link, rule), wanted, link);
});

test('bends links in pages, wherever the pieces are cut', () => {
  const html =
    `<a class="/c" href="/x">/y</a><A HREF='/u'><img src=/i alt="a>b"><p href="/no"> 1 < 2 <form action="/f"><script src="/s">` +
    `</script><a href="http://elsewhere/">z</a>`;
  const wanted = html
    .replace('"/x"', `"${rule.prefix}/x"`)
    .replace("'/u'", `'${rule.prefix}/u'`)
    .replace('=/i', `=${rule.prefix}/i`)
    .replace('"/f"', `"${rule.prefix}/f"`)
    .replace('"/s"', `"${rule.prefix}/s"`);
  assert.equal(rewriteHtml(html, rule), wanted);
  const simple = html.replace('a>b', 'ab').replace(' 1 < 2 ', '');
  fc.assert(
    fc.property(fc.array(fc.nat(simple.length)), cuts => {
      const rewriter = new HtmlRewriter(rule);
      const at = [0, ...cuts.sort((a, b) => a - b), simple.length];
      const out = at.slice(1).map((end, i) => rewriter.push(simple.slice(at[i], end)));
      assert.equal(out.join('') + rewriter.end(), rewriteHtml(simple, rule));
    }),
  );
});

test('pages of nothing but beginnings of tags are passed on as fast as others', () => {
  const began = performance.now();
  for (const start of ['<a', '<a ', '<a "', '<a "\'', '<a href=']) {
    const page = start.repeat(30_000);
    assert.equal(rewriteHtml(page, rule), page);
  }
  assert.ok(performance.now() - began < 1000);
});
