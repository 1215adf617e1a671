// The official suite's tests of probes and hooks, done as it does them, with shorter times.
import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { test } from 'node:test';
import type { Container, Pod, Probe } from '../../src/api/type/core-v1.ts';
import { type ClusterAccess, conditionOf, sh, waiting } from '../cluster-access.ts';
import { eventually } from '../lab.ts';

const first = (pod: Pod) => pod.status?.containerStatuses?.[0];
const restarts = (pod: Pod) => first(pod)?.restartCount ?? 0;

// Healthy for so many milliseconds over HTTP on 8080, always over gRPC on 5000; keeps a log of what it is asked.
const program = `
const healthyMs = Number(process.argv[1]), began = performance.now();
require('node:http').createServer((request, response) => {
  console.log(request.method, request.url, request.headers['x-test'] ?? '');
  if (request.url.startsWith('/redirect?')) return response.writeHead(302, { location: request.url.slice(10) }).end('elsewhere');
  response.writeHead(request.url !== '/healthz' || performance.now() - began < healthyMs ? 200 : 500).end('ok');
}).listen(8080);
require('node:http2').createServer().on('stream', stream => {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(Buffer.from([0, 0, 0, 0, 2, 8, 1]));
}).listen(5000);
process.on('SIGTERM', () => process.exit(0));`;
const nodeVolumes = [
  ...['/lib', '/lib64'].map(path => ({ name: path.slice(1), hostPath: { path } })),
  { name: 'node', hostPath: { path: dirname(process.execPath) } },
];
/** Run by the machine's own Node; other probes begin when it listens, which takes seconds on a machine with much to do. */
const server = (healthyMs: number): Partial<Container> => ({
  startupProbe: {
    httpGet: { path: '/started', port: 8080 },
    periodSeconds: 1,
    timeoutSeconds: 5,
    failureThreshold: 60,
  },
  command: ['/node/node', '-e', program, String(healthyMs)],
  volumeMounts: nodeVolumes.map(({ name }) => ({ name, mountPath: `/${name}`, readOnly: true })),
});
const forever = 3_600_000;
const http: Probe = { httpGet: { path: '/healthz', port: 8080 } };
const catHealth: Probe = { exec: { command: ['cat', '/tmp/health'] } };

export function conformanceProbes(c: () => ClusterAccess): void {
  const make = (name: string, container: Partial<Container>, spec: object = {}) =>
    c().pod(name, {
      restartPolicy: 'Always',
      volumes: nodeVolumes,
      ...spec,
      containers: [{ name: 'main', ...container }],
    });
  const live = (name: string, container: Partial<Container>, probe: Probe) =>
    make(name, {
      ...container,
      livenessProbe: { initialDelaySeconds: 1, periodSeconds: 1, failureThreshold: 1, timeoutSeconds: 5, ...probe },
    });

  for (const [title, name, container, probe] of [
    [
      '[sig-node] Probing container should be restarted with a exec "cat /tmp/health" liveness probe [NodeConformance]',
      'exec',
      { command: sh(`echo ok >/tmp/health; sleep 2; rm -f /tmp/health; ${waiting}`) },
      catHealth,
    ],
    [
      '[sig-node] Probing container should be restarted with a /healthz http liveness probe [NodeConformance]',
      'http',
      server(2000),
      http,
    ],
    [
      '[sig-node] Probing container should be restarted with a GRPC liveness probe [NodeConformance]',
      'grpc',
      server(forever),
      { grpc: { port: 2333 } },
    ],
  ] as [string, string, Partial<Container>, Probe][])
    test(title, async () => {
      const pod = `restarted-${name}`;
      await live(pod, container, probe);
      assert.equal(restarts(await c().when(pod, 'running', p => first(p)?.state?.running)), 0);
      await c().when(pod, 'restarted', p => restarts(p) > 0);
    });

  for (const [title, name, container, probe] of [
    [
      '[sig-node] Probing container should *not* be restarted with a exec "cat /tmp/health" liveness probe [NodeConformance]',
      'exec',
      { command: sh(`echo ok >/tmp/health; ${waiting}`) },
      catHealth,
    ],
    [
      '[sig-node] Probing container should *not* be restarted with a /healthz http liveness probe [NodeConformance]',
      'http',
      server(forever),
      http,
    ],
    [
      '[sig-node] Probing container should *not* be restarted with a tcp:8080 liveness probe [NodeConformance]',
      'tcp',
      server(forever),
      { tcpSocket: { port: 8080 } },
    ],
    [
      '[sig-node] Probing container should *not* be restarted with a GRPC liveness probe [NodeConformance]',
      'grpc',
      server(forever),
      { grpc: { port: 5000 } },
    ],
  ] as [string, string, Partial<Container>, Probe][])
    test(title, async () => {
      const pod = `steady-${name}`;
      // One answer may come too late there.
      await live(pod, container, { ...probe, failureThreshold: 2 });
      await c().when(pod, 'started', p => first(p)?.started);
      const since = Date.now();
      const still = await c().when(
        pod,
        'as it was for eight seconds',
        p => restarts(p) > 0 || Date.now() - since > 8000,
      );
      assert.equal(restarts(still), 0, JSON.stringify((await c().events(pod)).map(e => e.message)));
    });

  test('redirects: followed on the same host, no further than a warning to another', async () => {
    // One answer may come too late on a machine with much to do.
    const to = (location: string): Probe => ({
      httpGet: { path: `/redirect?${location}`, port: 8080 },
      failureThreshold: 3,
    });
    await Promise.all([
      live('redirect-away', server(forever), to('http://0.0.0.0/')),
      live('redirect-well', server(forever), to('/healthz')),
      live('redirect-ill', server(0), to('/healthz')),
    ]);
    await c().when('redirect-ill', 'restarted', p => restarts(p) > 0);
    await eventually('a warning', async () =>
      (await c().events('redirect-away')).some(
        e => e.reason === 'ProbeWarning' && e.message?.endsWith('Probe terminated redirects, Response body: elsewhere'),
      ),
    );
    for (const name of ['redirect-away', 'redirect-well']) assert.equal(restarts(await c().get(name)), 0, name);
  });

  test('[sig-node] Probing container should have monotonically increasing restart count [NodeConformance]', async () => {
    const watch = c().watch<Pod>(`${c().path('pods')}?watch=true&fieldSelector=metadata.name%3Dmonotonic`);
    try {
      await live('monotonic', server(500), http);
      // The official test waits for a fifth, which back-off makes minutes; the third is the first that has to wait.
      const third = await watch.next(e => restarts(e.object) >= 3 && !!first(e.object)?.state?.running);
      const counts = watch.seen.map(e => restarts(e.object));
      assert.deepEqual(counts, counts.toSorted());
      assert.deepEqual([...new Set(counts)], [0, 1, 2, 3]);
      const waited = watch.seen.find(e => first(e.object)?.state?.waiting?.reason === 'CrashLoopBackOff');
      assert.equal(restarts(waited!.object), 2);
      const began = first(third.object)?.state?.running?.startedAt;
      const ended = first(waited!.object)?.lastState?.terminated?.finishedAt;
      assert.ok(Date.parse(began ?? '') - Date.parse(ended ?? '') >= 9000, `${ended} ${began}`);
    } finally {
      watch.stop();
    }
  });

  test('[sig-node] Probing container with readiness probe should not be ready before initial delay and never restart [NodeConformance]', async () => {
    const readinessProbe = { exec: { command: ['true'] }, initialDelaySeconds: 4, periodSeconds: 1 };
    await make('ready-delayed', { command: sh(waiting), readinessProbe });
    const early = await c().when('ready-delayed', 'running', p => first(p)?.state?.running);
    assert.equal(first(early)?.ready, false);
    const pod = await c().ready('ready-delayed');
    const startedMs = Date.parse(first(pod)?.state?.running?.startedAt ?? '');
    // Times of the API are whole seconds.
    assert.ok(Date.parse(conditionOf(pod, 'Ready')?.lastTransitionTime ?? '') - startedMs >= 3000);
    assert.equal(restarts(pod), 0);
  });

  test('[sig-node] Probing container with readiness probe that fails should never be ready and never restart [NodeConformance]', async () => {
    const readinessProbe = { exec: { command: ['false'] }, initialDelaySeconds: 1, periodSeconds: 1 };
    const watch = c().watch<Pod>(`${c().path('pods')}?watch=true&fieldSelector=metadata.name%3Dready-never-ever`);
    try {
      await make('ready-never-ever', { command: sh(waiting), readinessProbe });
      const unhealthy = () =>
        c()
          .events('ready-never-ever')
          .then(all => all.find(e => e.reason === 'Unhealthy' && (e.count ?? 0) >= 4));
      await c().when('ready-never-ever', 'running', p => first(p)?.state?.running);
      await eventually('four failures', unhealthy);
      for (const { object } of watch.seen)
        assert.deepEqual([conditionOf(object, 'Ready')?.status === 'True', restarts(object)], [false, 0]);
    } finally {
      watch.stop();
    }
  });

  test('[sig-node] PreStop should call prestop when killing a pod', async () => {
    await make('hooked-server', { ...server(forever), readinessProbe: { ...http, periodSeconds: 1 } });
    const { podIP } = (await c().ready('hooked-server')).status!;
    const wget = (what: string) => ({ exec: { command: sh(`wget -qO- http://${podIP}:8080/echo?msg=${what}`) } });
    const get = (what: string) => ({
      httpGet: {
        host: podIP!,
        port: 8080,
        path: `/echo?msg=${what}`,
        httpHeaders: [{ name: 'X-Test', value: 'hook' }],
      },
    });
    const hooked = (name: string, lifecycle: object) =>
      make(name, { command: sh(waiting), lifecycle }, { terminationGracePeriodSeconds: 15 });
    // [sig-node] Container Lifecycle Hook when create a pod with lifecycle hook should execute poststart exec hook properly [NodeConformance]
    await hooked('hooked-exec', { postStart: wget('poststart-exec'), preStop: wget('prestop-exec') });
    // [sig-node] Container Lifecycle Hook when create a pod with lifecycle hook should execute poststart http hook properly [NodeConformance]
    await hooked('hooked-http', { postStart: get('poststart-http'), preStop: get('prestop-http') });
    const told = (what: string) =>
      eventually(what, async () =>
        (await c().log('hooked-server')).includes(`GET /echo?msg=${what} ${what.endsWith('http') ? 'hook' : ''}\n`),
      );
    await Promise.all(['hooked-exec', 'hooked-http'].map(n => c().ready(n)));
    await Promise.all([told('poststart-exec'), told('poststart-http')]);
    assert.doesNotMatch(await c().log('hooked-server'), /prestop/);
    await Promise.all(['hooked-exec', 'hooked-http'].map(n => c().delete('pods', n)));
    // [sig-node] Container Lifecycle Hook when create a pod with lifecycle hook should execute prestop exec hook properly [NodeConformance]
    await Promise.all([c().gone('hooked-exec'), told('prestop-exec')]);
    // [sig-node] Container Lifecycle Hook when create a pod with lifecycle hook should execute prestop http hook properly [NodeConformance]
    await Promise.all([c().gone('hooked-http'), told('prestop-http')]);
  });
}
