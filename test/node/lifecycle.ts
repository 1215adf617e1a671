// A pod's life: hooks, deadlines, the end.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../src/api/type/core-v1.ts';
import { type ClusterAccess, sh, waiting } from '../cluster-access.ts';
import { eventually } from '../lab.ts';

const first = (pod: Pod) => pod.status?.containerStatuses?.[0];
/** Answers GET /… from a directory, on 8080. */
const web = (files: string) => sh(`mkdir -p /www/cgi-bin; cd /www; ${files}; httpd -f -p 8080 -h /www & ${waiting}`);

export function lifecycleTests(c: () => ClusterAccess): void {
  test('hooks: exec, http, sleep; after the start and before the end', async () => {
    // Notes what it is asked.
    await c().pod('hook-server', {
      containers: [
        {
          name: 'main',
          command: web(
            `printf '#!/bin/sh\\necho "$QUERY_STRING $HTTP_X_HOOK" >> /asked\\necho; echo ok\\n' > cgi-bin/note; chmod +x cgi-bin/note; touch /asked`,
          ),
        },
      ],
    });
    const { podIP } = (await c().ready('hook-server')).status!;
    const http = (what: string) => ({
      httpGet: {
        host: podIP!,
        port: 8080,
        path: `/cgi-bin/note?${what}`,
        httpHeaders: [{ name: 'X-Hook', value: 'yes' }],
      },
    });
    await eventually('the server', async () =>
      c().exec('hook-server', 'wget -qO- http://127.0.0.1:8080/cgi-bin/note?self'),
    );
    const main = { name: 'main', command: sh(waiting) };
    await c().pod('hook-http', {
      containers: [{ ...main, lifecycle: { postStart: http('post-start'), preStop: http('pre-stop') } }],
      terminationGracePeriodSeconds: 10,
    });
    const note = (what: string) => ({ exec: { command: sh(`wget -qO- 'http://${podIP}:8080/cgi-bin/note?${what}'`) } });
    await c().pod('hook-exec', {
      containers: [{ ...main, lifecycle: { postStart: note('exec-start'), preStop: note('exec-stop') } }],
      terminationGracePeriodSeconds: 10,
    });
    await c().pod('hook-sleep', {
      containers: [
        { ...main, lifecycle: { postStart: { sleep: { seconds: 1 } }, preStop: { sleep: { seconds: 1 } } } },
      ],
      terminationGracePeriodSeconds: 10,
    });
    await c().pod('hook-fails', {
      restartPolicy: 'Always',
      containers: [{ ...main, lifecycle: { postStart: { exec: { command: ['false'] } } } }],
    });
    const asked = () => c().exec('hook-server', 'cat /asked');
    await Promise.all(['hook-http', 'hook-exec', 'hook-sleep'].map(n => c().ready(n)));
    assert.match(await asked(), /^post-start yes$/m);
    assert.match(await asked(), /^exec-start $/m);
    const began = performance.now();
    await Promise.all(['hook-http', 'hook-exec', 'hook-sleep'].map(n => c().delete('pods', n)));
    await Promise.all(['hook-http', 'hook-exec', 'hook-sleep'].map(n => c().gone(n)));
    assert.ok(performance.now() - began > 1000, 'preStop slept');
    assert.match(await asked(), /^pre-stop yes$/m);
    assert.match(await asked(), /^exec-stop $/m);
    await eventually('FailedPostStartHook', async () =>
      (await c().events('hook-fails')).some(e => e.reason === 'FailedPostStartHook'),
    );
    await c().when('hook-fails', 'restarted', p => (first(p)?.restartCount ?? 0) > 0);
  });

  // [sig-node] Pods should allow activeDeadlineSeconds to be updated [NodeConformance]
  test('activeDeadlineSeconds, also when it is set later', async () => {
    await c().pod('deadline', { restartPolicy: 'Always', containers: [{ name: 'main', command: sh(waiting) }] });
    await c().ready('deadline');
    await c().patch('pods', 'deadline', { spec: { activeDeadlineSeconds: 2 } });
    const pod = await c().ended('deadline', 20_000);
    assert.deepEqual(
      [pod.status?.phase, pod.status?.reason, pod.status?.message],
      ['Failed', 'DeadlineExceeded', 'Pod was active on the node longer than the specified deadline'],
    );
    assert.equal(first(pod)?.state?.terminated?.exitCode, 0);
  });

  test('deleted gracefully: the grace of the pod, of the request, none; events tell the story', async () => {
    const stubborn = { name: 'main', command: sh('trap : TERM; while :; do sleep 0.2; done') };
    await c().pod('grace', { restartPolicy: 'Always', terminationGracePeriodSeconds: 2, containers: [stubborn] });
    await c().pod('grace-shorter', {
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 600,
      containers: [stubborn],
    });
    await c().pod('grace-none', {
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 600,
      containers: [stubborn],
    });
    await Promise.all(['grace', 'grace-shorter', 'grace-none'].map(n => c().ready(n)));
    const began = performance.now();
    await c().delete('pods', 'grace');
    const deleted = await c().get('grace');
    assert.equal(deleted.metadata.deletionGracePeriodSeconds, 2);
    await c().delete('pods', 'grace-shorter');
    await c().delete('pods', 'grace-shorter', { gracePeriodSeconds: 1 });
    await c().delete('pods', 'grace-none', { gracePeriodSeconds: 0 });
    assert.equal((await c().request('GET', c().path('pods', 'grace-none'))).code, 404);
    await c().gone('grace');
    assert.ok(performance.now() - began > 1900, 'the grace period passed');
    await c().gone('grace-shorter', 15_000);
    const reasons = (await c().events('grace')).map(e => `${e.type} ${e.reason}: ${e.message}`);
    for (const text of [
      'Normal Created: Container created',
      'Normal Started: Container started',
      'Normal Killing: Stopping container main',
    ])
      assert.ok(reasons.includes(text), `${text} in ${reasons.join('\n')}`);
  });
}
