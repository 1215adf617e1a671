import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock, VirtualClock } from '../clock.ts';
import { type DebugAnswer, debugPaths } from './debug-paths.ts';

const options = {
  component: 'kube-apiserver',
  version: '1.36.2',
  flags: { profiling: 'true', 'authorization-mode': '[Node,RBAC]' },
  paths: ['/healthz', '/metrics'],
};
const ask = async (path: string, accept?: string, more: object = {}) => {
  const url = new URL(path, 'http://x');
  const paths = debugPaths({ ...options, clock: systemClock, ...more });
  return (await paths({ path: url.pathname, query: url.searchParams, accept })) as DebugAnswer;
};

test('/statusz and /flagz tell of the component as text and as objects', async () => {
  const clock = new VirtualClock(Date.UTC(2026, 0, 2, 3, 4, 5));
  const { body } = await ask('/statusz', undefined, { clock });
  assert.match(
    body,
    /^\nkube-apiserver statusz\nWarning: .*\n\nStarted: \w{3} Jan 2 0\d:\d\d:\d\d UTC 2026\nUp: 0 hr 0/,
  );
  assert.match(body, /\nBinary version: 1\.36\.2\nEmulation version: 1\.36\nPaths: \/healthz \/metrics\n$/);
  const flags = await ask('/flagz', '*/*');
  assert.match(
    flags.body,
    /^\nkube-apiserver flagz\nWarning: .*\nauthorization-mode: \[Node,RBAC\]\nprofiling: true\n$/,
  );
  const structured = await ask('/flagz', 'application/json;v=v1beta1;g=config.k8s.io;as=Flagz');
  assert.deepEqual(JSON.parse(structured.body), {
    kind: 'Flagz',
    apiVersion: 'config.k8s.io/v1beta1',
    metadata: { name: 'kube-apiserver' },
    flags: options.flags,
  });
  const status = await ask('/statusz', 'application/json;v=v1alpha1;g=config.k8s.io;as=Statusz');
  assert.equal(JSON.parse(status.body).binaryVersion, '1.36.2');
  const asked = (type: string, version: string) => `${type};v=${version};g=config.k8s.io;as=Flagz`;
  const yaml = await ask('/flagz', asked('application/yaml', 'v1beta1'));
  assert.equal(yaml.contentType, 'application/yaml;g=config.k8s.io;v=v1beta1;as=Flagz');
  assert.match(
    yaml.body,
    /^apiVersion: config.k8s.io\/v1beta1\nflags:\n {2}authorization-mode: .*\n {2}profiling: "true"\n/,
  );
  assert.equal(yaml.headers, undefined);
  assert.deepEqual((await ask('/flagz', asked('application/json', 'v1alpha1'))).headers, {
    warning: '299 - "This version of the flagz endpoint is deprecated. Please use a newer version."',
  });
  for (const accept of ['application/json', 'text/html', 'application/*', asked('application/json', 'v1')]) {
    const refused = await ask('/flagz', accept);
    assert.deepEqual([refused.code, refused.contentType], [406, 'application/json'], accept);
    assert.equal(
      refused.body,
      '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"only the following media types are accepted: application/json, application/yaml, text/plain","reason":"NotAcceptable","code":406}\n',
    );
  }
  assert.match((await ask('/statusz', 'application/yaml')).body, /^apiVersion: v1\ncode: 406\nkind: Status\n/);
  assert.equal((await ask('/statusz', 'text/html, text/plain;q=0.5')).code, 200);
});

test('profiles of processor and heap, one at a time, unless switched off', async () => {
  const taking = ask('/debug/pprof/profile?seconds=1');
  const refused = await ask('/debug/pprof/heap?seconds=1');
  assert.deepEqual([refused.code, /already in use/.test(refused.body)], [500, true]);
  assert.ok(JSON.parse((await taking).body).nodes.length > 0);
  assert.ok(JSON.parse((await ask('/debug/pprof/heap?seconds=1')).body).head);
  assert.equal((await ask('/debug/pprof/profile?seconds=x')).code, 400);
  assert.equal((await ask('/debug/pprof/goroutine')).code, 404);
  assert.deepEqual((await ask('/debug/pprof')).headers, { location: '/debug/pprof/' });
  assert.match((await ask('/debug/pprof/')).body, /profile\?seconds=30/);
  assert.equal(await ask('/debug/pprof/', undefined, { profiling: false }), undefined);
});
