// Through the API server to pods and services: every method, scheme and way to name a port.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { systemRandom } from '../../src/base/random.ts';
import { createCa } from '../../src/base/x509.ts';
import type { ClusterAccess } from '../cluster-access.ts';
import { eventually } from '../lab.ts';
import { installPeer, peer, peersOf } from './peers.ts';

export function apiProxyTests(c: () => ClusterAccess): void {
  const { speak, service, ready } = peersOf(c);
  before(() => installPeer(c()));
  const at = (resource: string, name: string, rest: string) => `${c().path(resource, name)}/proxy${rest}`;
  const ask = async (path: string, method = 'GET') => {
    const { code, text } = await c().request(method, path);
    return `${code} ${text}`.trim();
  };

  // [sig-network] Proxy version v1 A set of valid responses are returned for both pod and service Proxy
  // [sig-network] Proxy version v1 A set of valid responses are returned for both pod and service ProxyWithPath
  test('every method, with a path and without', async () => {
    await service('methods', { selector: { app: 'methods' }, ports: [{ port: 80, targetPort: 8080 }] });
    await speak('methods', 'node-2', 'methods');
    await ready('methods');
    for (const resource of ['pods', 'services']) {
      await eventually(
        `${resource} methods`,
        async () => (await ask(at(resource, 'methods', '/name'))) === '200 methods',
      );
      for (const method of ['DELETE', 'OPTIONS', 'PATCH', 'POST', 'PUT'])
        for (const rest of [`?method=${method}`, `/some/path/with/${method}`]) {
          const { code, body } = await c().request(method, at(resource, 'methods', rest));
          assert.deepEqual([code, body], [200, { Method: method, Body: 'foo' }], `${method} ${resource} ${rest}`);
        }
      const withPath = at(resource, 'methods', '/some/path/with/GET');
      assert.equal(await ask(withPath), '200 {"Method":"GET","Body":"foo"}');
      assert.equal(await ask(withPath, 'HEAD'), '200');
      for (const method of ['GET', 'HEAD'])
        assert.match(await ask(at(resource, 'methods', `?method=${method}`), method), /^301/);
    }
  });

  // [sig-network] Proxy version v1 should proxy through a service and a pod
  test('every way to name scheme and port', async () => {
    const { certificatePem, keyPem } = await createCa({
      commonName: 'porter',
      nowMs: systemClock.now(),
      days: 1,
      random: systemRandom,
    });
    await c().create('secrets', { metadata: { name: 'porter' }, stringData: { 'tls.pem': keyPem + certificatePem } });
    const said = ['160=foo', '162=bar', 'tls:460=tls baz', 'tls:462=tls qux', '1080=<a href="/rewriteme">test</a>'];
    const container = peer(8080);
    const ports = [
      { name: 'main', containerPort: 1080 },
      { name: 'dest1', containerPort: 160 },
      { name: 'dest2', containerPort: 162 },
      { name: 'tlsdest1', containerPort: 460 },
      { name: 'tlsdest2', containerPort: 462 },
    ];
    await speak('porter', 'node-1', 'porter', {
      containers: [{ ...container, command: [...container.command!, ...said], ports }],
    });
    await service('porter', {
      selector: { app: 'porter' },
      ports: [
        { name: 'portname1', port: 80, targetPort: 'dest1' },
        { name: 'portname2', port: 81, targetPort: 162 },
        { name: 'tlsportname1', port: 443, targetPort: 'tlsdest1' },
        { name: 'tlsportname2', port: 444, targetPort: 462 },
      ],
    });
    await ready('porter');
    const said443 = ['tls baz', 'tls qux'];
    const named = (resource: string, scheme: string, port: string | number) =>
      at(resource, [scheme, 'porter', port].filter((part, i) => part !== '' || (i === 2 && scheme)).join(':'), '');
    const wanted: [path: string, text: string][] = [];
    for (const scheme of ['', 'http']) {
      for (const port of ['portname1', 80]) wanted.push([named('services', scheme, port), 'foo']);
      for (const port of ['portname2', 81]) wanted.push([named('services', scheme, port), 'bar']);
      for (const [port, text] of [
        [160, 'foo'],
        [162, 'bar'],
        ['dest1', 'foo'],
      ] as const)
        wanted.push([named('pods', scheme, port), text]);
      const page = named('pods', scheme, 1080);
      wanted.push([page, `<a href="${page}/rewriteme">test</a>`]);
    }
    for (const port of ['tlsportname1', 443]) wanted.push([named('services', 'https', port), said443[0]!]);
    for (const port of ['tlsportname2', 444]) wanted.push([named('services', 'https', port), said443[1]!]);
    wanted.push([named('pods', 'https', 460), said443[0]!], [named('pods', 'https', 'tlsdest2'), said443[1]!]);
    // Without a port: the first one of the pod.
    const page = at('pods', 'porter', '');
    wanted.push([page, `<a href="${page}/rewriteme">test</a>`]);
    await eventually('the service', async () => (await ask(`${wanted[0]![0]}/`)) === '200 foo');
    for (const [path, text] of wanted) assert.equal(await ask(`${path}/`), `200 ${text}`, path);
  });

  test('through the API server to pods and services', async () => {
    await speak('proxied', 'node-2', 'proxied', {}, [8080, 8090]);
    await service('proxied', {
      selector: { app: 'proxied' },
      ports: [
        { name: 'http', port: 80, targetPort: 8080 },
        { name: 'other', port: 81, targetPort: 8090 },
      ],
    });
    await c().ready('proxied');
    const at = (resource: string, name: string, rest: string) => `${c().path(resource, name)}/proxy${rest}`;
    const ask = async (path: string, method = 'GET') => {
      const { code, text } = await c().request(method, path);
      return `${code} ${text}`.trim();
    };
    await eventually('the service', async () => (await ask(at('services', 'proxied:http', '/name'))).startsWith('200'));
    for (const [path, wanted] of [
      [at('pods', 'proxied', ':8080').replace(/\/proxy:8080$/, ':8080/proxy/name'), '200 proxied'],
      [at('pods', 'http:proxied:8090', '/sub/page'), '200 page'],
      [at('services', 'proxied:81', '/name'), '200 proxied'],
      [at('services', 'http:proxied:other', '/sub/page'), '200 page'],
      [at('pods', 'proxied:8080', '/absent'), '404'],
    ] as const)
      assert.ok((await ask(path)).startsWith(wanted), `${path}: ${await ask(path)}`);
    const redirected = await c().request('GET', at('services', 'proxied:http', ''));
    assert.ok([200, 301].includes(redirected.code), String(redirected.code));
  });
}
