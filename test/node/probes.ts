// Probes of running containers: liveness, readiness, startup, and what restarts or waits for them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../src/api/type/core-v1.ts';
import { type ClusterAccess, conditionOf, sh, waiting } from '../cluster-access.ts';

const first = (pod: Pod) => pod.status?.containerStatuses?.[0];
/** Answers GET /… from a directory, on 8080. */
const web = (files: string) => sh(`mkdir -p /www/cgi-bin; cd /www; ${files}; httpd -f -p 8080 -h /www & ${waiting}`);

export function probeTests(c: () => ClusterAccess): void {
  test('liveness: exec, http and tcp that fail restart the container, those that do not leave it alone', async () => {
    const quick = { periodSeconds: 1, failureThreshold: 1 };
    // A busy machine starts and answers late. Two failures still come long before the second restart that is waited for.
    const patient = { initialDelaySeconds: 1, failureThreshold: 2, timeoutSeconds: 10 };
    const live = (name: string, command: string[], probe: object) =>
      c().pod(name, {
        restartPolicy: 'Always',
        containers: [{ name: 'main', command, livenessProbe: { ...quick, ...probe } }],
      });
    const exec = { exec: { command: ['cat', '/tmp/health'] } };
    const get = { httpGet: { path: '/healthz', port: 8080 } };
    await Promise.all([
      live('live-exec', sh(`touch /tmp/health; ${waiting}`), { ...exec, ...patient }),
      live('live-http', web('touch healthz'), { ...get, ...patient }),
      live('live-tcp', web('true'), { tcpSocket: { port: 8080 }, ...patient }),
      live('dead-exec', sh(`touch /tmp/health; sleep 1; rm /tmp/health; ${waiting}`), exec),
      live('dead-http', web('true'), { ...get, initialDelaySeconds: 1 }),
      live('dead-tcp', sh(waiting), { tcpSocket: { port: 8080 } }),
      c().pod('dead-stubborn', {
        restartPolicy: 'Always',
        terminationGracePeriodSeconds: 300,
        containers: [
          {
            name: 'main',
            command: sh('trap : TERM; while :; do sleep 0.2; done'),
            livenessProbe: { ...quick, exec: { command: ['false'] }, terminationGracePeriodSeconds: 1 },
          },
        ],
      }),
    ]);
    const restarted = ['dead-exec', 'dead-http', 'dead-tcp', 'dead-stubborn'];
    const dead = await Promise.all(
      restarted.map(n => c().when(n, 'restarted', p => (first(p)?.restartCount ?? 0) >= 1)),
    );
    assert.equal(first(dead[3]!)?.lastState?.terminated?.exitCode, 137);
    const events = await c().events('dead-http');
    assert.ok(
      events.some(
        e => e.reason === 'Unhealthy' && e.message === 'Liveness probe failed: HTTP probe failed with statuscode: 404',
      ),
      JSON.stringify(events.map(e => e.message)),
    );
    assert.ok(
      events.some(
        e => e.reason === 'Killing' && e.message === 'Container main failed liveness probe, will be restarted',
      ),
    );
    await c().when('dead-exec', 'restarted twice', p => (first(p)?.restartCount ?? 0) >= 2);
    for (const name of ['live-exec', 'live-http', 'live-tcp'])
      assert.equal(first(await c().get(name))?.restartCount, 0, name);
    await c().delete('pods', 'dead-stubborn', { gracePeriodSeconds: 0 });
  });

  test('readiness and startup probes, readiness gates', async () => {
    const ready = (name: string, probe: object, more: object = {}) =>
      c().pod(name, {
        containers: [{ name: 'main', command: sh(waiting), readinessProbe: { periodSeconds: 1, ...probe }, ...more }],
      });
    await ready('ready-late', { exec: { command: ['true'] }, initialDelaySeconds: 3 });
    await ready('ready-never', { exec: { command: ['false'] } });
    await ready(
      'ready-startup',
      { exec: { command: ['true'] } },
      { startupProbe: { exec: { command: ['test', '-e', '/tmp/started'] }, periodSeconds: 1, failureThreshold: 60 } },
    );
    await c().pod('ready-gate', {
      readinessGates: [{ conditionType: 'example.com/gate' }],
      containers: [{ name: 'main', command: sh(waiting) }],
    });
    const late = await c().ready('ready-late');
    const startedAt = Date.parse(first(late)?.state?.running?.startedAt ?? '');
    assert.ok(Date.parse(conditionOf(late, 'Ready')?.lastTransitionTime ?? '') - startedAt >= 2000);
    const gated = await c().when(
      'ready-gate',
      'without its gate',
      p => conditionOf(p, 'ContainersReady')?.status === 'True',
    );
    assert.deepEqual(
      [conditionOf(gated, 'Ready')?.status, conditionOf(gated, 'Ready')?.reason, conditionOf(gated, 'Ready')?.message],
      [
        'False',
        'ReadinessGatesNotReady',
        'corresponding condition of pod readiness gate "example.com/gate" does not exist.',
      ],
    );
    await c().ask(
      'PATCH',
      `${c().path('pods', 'ready-gate')}/status`,
      { status: { conditions: [{ type: 'example.com/gate', status: 'True' }] } },
      'application/strategic-merge-patch+json',
    );
    await c().ready('ready-gate');
    const starting = await c().when('ready-startup', 'running', p => first(p)?.state?.running);
    assert.deepEqual([first(starting)?.started, first(starting)?.ready], [false, false]);
    await c().exec('ready-startup', 'touch /tmp/started');
    assert.equal(first(await c().ready('ready-startup'))?.started, true);
    const never = await c().get('ready-never');
    assert.deepEqual(
      [first(never)?.ready, first(never)?.restartCount, conditionOf(never, 'Ready')?.status],
      [false, 0, 'False'],
    );
    assert.equal(conditionOf(never, 'Ready')?.message, 'containers with unready status: [main]');
  });
}
