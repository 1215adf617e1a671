// The official suite's tests of pods, done as it does them: life, updates, status, streams, accounts, logs by kubectl.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { type ClientOptions, WebSocket } from 'ws';
import type { Pod } from '../../src/api/type/core-v1.ts';
import { type ClusterAccess, conditionOf, sh, waiting } from '../cluster-access.ts';
import { eventually } from '../lab.ts';

const first = (pod: Pod) => pod.status?.containerStatuses?.[0];
const idle = { name: 'main', command: sh(waiting) };
/** Ready only once it would end when told to. */
const polite = {
  name: 'main',
  command: sh(`${waiting.replace(';', '; : > /polite;')}`),
  readinessProbe: { exec: { command: sh('test -e /polite') }, periodSeconds: 1 },
};

export function conformancePods(c: () => ClusterAccess): void {
  const listed = async (selector: string): Promise<readonly Pod[]> =>
    (await c().ask('GET', `${c().path('pods')}?labelSelector=${encodeURIComponent(selector)}`)).items;
  const status = (name: string, body: object, method = 'PATCH', type = 'application/strategic-merge-patch+json') =>
    c().ask<Pod>(method, `${c().path('pods', name)}/status`, body, type);

  test('[sig-node] Pods should be submitted and removed [NodeConformance]', async () => {
    const labels = { time: 'submitted' };
    assert.equal((await listed('time=submitted')).length, 0);
    const watch = c().watch<Pod>(`${c().path('pods')}?watch=true&labelSelector=time%3Dsubmitted`);
    try {
      await c().pod('submitted', { terminationGracePeriodSeconds: 30, containers: [polite] }, { labels });
      await watch.next(e => e.type === 'ADDED');
      await c().ready('submitted');
      await c().delete('pods', 'submitted', { gracePeriodSeconds: 30 });
      const { object } = await watch.next(e => e.type === 'DELETED');
      assert.ok(object.metadata.deletionTimestamp);
      assert.ok(object.metadata.deletionGracePeriodSeconds !== undefined);
      assert.notEqual(object.spec.terminationGracePeriodSeconds, 0);
      // The kubelet tells how it ended before it takes the pod away.
      assert.equal(object.status?.phase, 'Succeeded');
      assert.equal((await listed('time=submitted')).length, 0);
    } finally {
      watch.stop();
    }
  });

  test('[sig-node] Pods should be updated [NodeConformance]', async () => {
    await c().pod('updated', { restartPolicy: 'Always', containers: [idle] }, { labels: { time: 'before' } });
    const pod = await c().ready('updated');
    const labels = { ...pod.metadata.labels, time: 'after' };
    await c().ask('PUT', c().path('pods', 'updated'), { ...pod, metadata: { ...pod.metadata, labels } });
    assert.deepEqual(
      (await listed('time=after')).map(p => [p.metadata.name, p.status?.phase, first(p)?.restartCount]),
      [['updated', 'Running', 0]],
    );
  });

  test('[sig-node] Pods should delete a collection of pods', async () => {
    const names = ['collected-1', 'collected-2', 'collected-3'];
    const labels = { type: 'Testing' };
    await Promise.all(names.map(n => c().pod(n, { containers: [idle] }, { labels })));
    assert.equal((await listed('type=Testing')).length, 3);
    await Promise.all(names.map(n => c().when(n, 'running', p => p.status?.phase === 'Running')));
    await c().ask('DELETE', `${c().path('pods')}?labelSelector=type%3DTesting`, { gracePeriodSeconds: 1 });
    await eventually('none', async () => (await listed('type=Testing')).length === 0);
  });

  test('[sig-node] Pods should patch a pod status', async () => {
    await c().pod('status-patched', { restartPolicy: 'Always', containers: [idle] });
    await c().ready('status-patched');
    const patched = await status('status-patched', { status: { message: 'Patched by e2e test', reason: 'E2E' } });
    assert.deepEqual([patched.status?.message, patched.status?.reason], ['Patched by e2e test', 'E2E']);
  });

  test('[sig-node] Pods should run through the lifecycle of Pods and PodStatus', async () => {
    const watch = c().watch<Pod>(`${c().path('pods')}?watch=true&labelSelector=test-pod-static%3Dtrue`);
    try {
      const labels = { 'test-pod-static': 'true' };
      await c().pod('living', { restartPolicy: 'Always', containers: [idle] }, { labels });
      await watch.next(e => e.type === 'ADDED');
      await watch.next(e => conditionOf(e.object, 'Ready')?.status === 'True');
      const containers = [{ name: 'main', image: `${c().image.replace(/:1$/, '')}:2` }];
      const changed = {
        metadata: { labels: { 'test-pod': 'patched' } },
        spec: { terminationGracePeriodSeconds: 1, containers },
      };
      await c().patch('pods', 'living', changed, 'strategic');
      const { object } = await watch.next(
        e => e.type === 'MODIFIED' && e.object.metadata.labels?.['test-pod'] === 'patched',
      );
      assert.equal(object.spec.containers[0]?.image, containers[0]!.image);
      const read = await c().ask<Pod>('GET', `${c().path('pods', 'living')}/status`);
      const conditions = read.status!.conditions!.map(x => (x.type === 'Ready' ? { ...x, status: 'False' } : x));
      // Others write statuses as well; who comes late tries again.
      const written = await eventually('the status', async () => {
        const { metadata, ...rest } = await c().get('living');
        return status(
          'living',
          { ...rest, metadata, status: { ...rest.status, conditions } },
          'PUT',
          'application/json',
        );
      });
      assert.equal(conditionOf(written, 'Ready')?.status, 'False');
      await c().when(
        'living',
        'put right',
        p => first(p)?.state?.waiting || conditionOf(p, 'Ready')?.status === 'True',
      );
      const everywhere = await c().ask('GET', '/api/v1/pods?labelSelector=test-pod-static%3Dtrue');
      assert.equal(everywhere.items.filter((p: Pod) => p.metadata.namespace === c().namespace).length, 1);
      await c().ask('DELETE', `${c().path('pods')}?labelSelector=test-pod-static%3Dtrue`, { gracePeriodSeconds: 0 });
      await watch.next(e => e.type === 'DELETED');
    } finally {
      watch.stop();
    }
  });

  /** Whole messages until the server closes. */
  const messages = async (path: string, protocol: string): Promise<Buffer[]> => {
    const options: ClientOptions = { ...c().tls, headers: { origin: 'http://localhost' } };
    const socket = new WebSocket(`${c().server.replace('https', 'wss')}${path}`, [protocol], options);
    const seen: Buffer[] = [];
    socket.on('message', (data: Buffer) => seen.push(data));
    await once(socket, 'close');
    assert.equal(socket.protocol, protocol);
    return seen;
  };

  test('[sig-node] Pods should support remote command execution over websockets [NodeConformance]', async () => {
    await c().pod('ws-exec', { containers: [{ name: 'main', command: sh(`echo container is alive; ${waiting}`) }] });
    await c().ready('ws-exec');
    const query = 'stderr=1&stdout=1&container=main&command=echo&command=remote+execution+test';
    // The first protocol tells of success by saying nothing.
    for (const [protocol, status] of [
      ['channel.k8s.io', ''],
      ['v4.channel.k8s.io', '{"status":"Success"}'],
      ['v5.channel.k8s.io', '{"status":"Success"}'],
    ] as const) {
      const seen = await messages(`${c().path('pods', 'ws-exec')}/exec?${query}`, protocol);
      const of = (channel: number) =>
        Buffer.concat(seen.filter(m => m[0] === channel).map(m => m.subarray(1))).toString();
      // It is the runtime's own: libraries of Kubernetes before 1.37 write empty metadata.
      const told = of(3).replace('"metadata":{},', '');
      assert.deepEqual([of(1), told], ['remote execution test\n', status], protocol);
    }
  });

  test('[sig-node] Pods should support retrieving logs from the container over websockets [NodeConformance]', async () => {
    await c().pod('ws-log', {
      containers: [{ name: 'main', command: sh(`echo container is alive; sleep 0.2; exit 0`) }],
    });
    await c().when('ws-log', 'running', p => p.status?.phase !== 'Pending');
    await eventually('the line', () => c().log('ws-log'));
    const seen = await messages(`${c().path('pods', 'ws-log')}/log?container=main`, 'binary.k8s.io');
    assert.equal(Buffer.concat(seen.filter(m => m.toString().trim())).toString(), 'container is alive\n');
  });

  test('[sig-auth] ServiceAccounts should mount an API token into pods', async () => {
    await c().create('serviceaccounts', { metadata: { name: 'mounting' } });
    await c().pod('mount-token', {
      serviceAccountName: 'mounting',
      automountServiceAccountToken: true,
      containers: [idle],
    });
    await c().ready('mount-token');
    const at = '/var/run/secrets/kubernetes.io/serviceaccount';
    const read = (file: string) => c().exec('mount-token', `cat ${at}/${file}`);
    const [token, ca, namespace] = await Promise.all([read('token'), read('ca.crt'), read('namespace')]);
    const root = await c().ask('GET', c().path('configmaps', 'kube-root-ca.crt'));
    assert.deepEqual([ca, namespace], [root.data['ca.crt'], c().namespace]);
    const kind = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview' };
    const review = await c().ask('POST', '/apis/authentication.k8s.io/v1/tokenreviews', { ...kind, spec: { token } });
    assert.deepEqual([review.status.authenticated, review.status.error], [true, undefined]);
    assert.equal(review.status.user.username, `system:serviceaccount:${c().namespace}:mounting`);
    for (const group of ['authenticated', 'serviceaccounts', `serviceaccounts:${c().namespace}`])
      assert.ok(review.status.user.groups.includes(`system:${group}`), group);
  });

  test('[sig-auth] ServiceAccounts should mount projected service account token', async () => {
    const sources = [{ serviceAccountToken: { path: 'token', expirationSeconds: 60 * 60 } }];
    await c().pod('projected-token', {
      volumes: [{ name: 'test-volume', projected: { sources } }],
      containers: [
        {
          name: 'main',
          command: sh('cat /test-volume/token'),
          volumeMounts: [{ name: 'test-volume', mountPath: '/test-volume' }],
        },
      ],
    });
    assert.equal((await c().ended('projected-token')).status?.phase, 'Succeeded');
    assert.match(await c().log('projected-token'), /^[\w-]+\.[\w-]+\.[\w-]+$/);
  });

  test('[sig-cli] Kubectl logs logs should be able to retrieve and filter logs', async () => {
    const kubectl = async (...args: string[]) => {
      const { code, stdout, stderr } = await c().lab.run('kubectl', ['-n', c().namespace, ...args]);
      assert.equal(code, 0, stderr);
      return stdout;
    };
    const script = `i=0; while [ $i -lt 100 ]; do echo "I1121 12:00:00.000000 1 logs_generator.go:76] $i PUT /api/v1/pods/$i"; i=$((i+1)); sleep 0.05; done; ${waiting}`;
    await kubectl(
      'run',
      'logs-generator',
      `--image=${c().image}`,
      '--restart=Never',
      '--pod-running-timeout=2m0s',
      '--',
      ...sh(script),
    );
    await c().when('logs-generator', 'running', p => p.status?.containerStatuses?.[0]?.state?.running);
    await eventually('a line', async () => (await c().log('logs-generator')).includes('logs_generator'));
    const logs = (...args: string[]) => kubectl('logs', 'logs-generator', 'logs-generator', ...args);
    assert.match(await logs('--tail=1'), /^I1121 .*\n$/);
    assert.equal(await logs('--limit-bytes=1'), 'I');
    const [stamp] = (await logs('--tail=1', '--timestamps')).split(' ');
    assert.match(stamp ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
    await eventually('all lines', async () => (await c().log('logs-generator')).includes(' 99 PUT'));
    const count = async (since: string) => (await logs(`--since=${since}`)).split('\n').length - 1;
    assert.equal(await count('24h'), 100);
    assert.ok((await count('1s')) < 100, 'fewer lines are of the last second');
    await kubectl('delete', 'pod', 'logs-generator', '--now');
  });
}
