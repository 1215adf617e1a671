// What running pods are given and how their start is watched: tokens that are renewed, startup probes of every kind,
// images that are asked for anew.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTime } from '../api/meta.ts';
import { RuntimeError } from '../cri/runtime-error.ts';
import type { ProbeResult } from './probe/network.ts';
import { startTestNode } from './test-node.ts';

const container = { name: 'app', image: 'example.com/app:1' };

test('a renewed token is in the file that the running pod has', async () => {
  const t = await startTestNode();
  let asked = 0;
  let failing = false;
  const real = t.client.createSubresource.bind(t.client);
  t.client.createSubresource = async <R>(...request: Parameters<typeof real>): Promise<R> => {
    if (request[2] !== 'token') return real<R>(...request);
    if (failing) throw new Error('unreachable');
    const expirationTimestamp = formatTime(t.clock.now() + 600_000);
    return { status: { token: `token-${++asked}`, expirationTimestamp } } as R;
  };
  try {
    const { metadata } = await t.createPod({
      metadata: { name: 'p' },
      spec: {
        containers: [{ ...container, volumeMounts: [{ name: 'access', mountPath: '/access' }] }],
        volumes: [
          {
            name: 'access',
            projected: { sources: [{ serviceAccountToken: { path: 'token', expirationSeconds: 600 } }] },
          },
        ],
      },
    });
    const file = `/var/lib/kubelet/pods/${metadata.uid}/volumes/kubernetes.io~projected/access/token`;
    const token = () => t.host.readFile(file);
    await t.pass(1000);
    assert.equal((await t.getPod('p')).status?.phase, 'Running', (await t.events('p')).join('\n'));
    assert.equal(await token(), 'token-1');
    await t.pass(460_000);
    assert.equal(await token(), 'token-1', 'not before four fifths of its life, less 10 s');
    // The volume is looked at again every minute or so.
    await t.pass(120_000);
    assert.equal(await token(), 'token-2');
    failing = true;
    await t.pass(580_000);
    assert.equal(await token(), 'token-2', 'what cannot be renewed stays');
    failing = false;
    await t.pass(120_000);
    assert.equal(await token(), 'token-3');
    const { containerStatuses } = (await t.getPod('p')).status!;
    assert.equal(containerStatuses?.[0]?.restartCount, 0);
  } finally {
    await t.stop();
  }
});

const kinds = {
  http: {
    handler: { httpGet: { port: 'web', path: '/started', httpHeaders: [{ name: 'X-A', value: 'b' }] } },
    failure: 'HTTP probe failed with statuscode: 503',
    asked: 'HTTP 8080 /started X-A=b 2000',
  },
  tcp: { handler: { tcpSocket: { port: 8080 } }, failure: 'dial tcp: connection refused', asked: 'tcp 8080 2000' },
  grpc: {
    handler: { grpc: { port: 9000, service: 'ready' } },
    failure: 'service unhealthy (responded with "NOT_SERVING")',
    asked: 'grpc 9000 ready 2000',
  },
};

for (const [kind, { handler, failure, asked }] of Object.entries(kinds)) {
  test(`a startup probe over ${kind} holds the others back, lets them go, and ends what does not start`, async () => {
    let started = false;
    let probes: string[] = [];
    const answer = async (probe: string): Promise<ProbeResult> => {
      probes.push(probe);
      return started ? { result: 'success', output: '' } : { result: 'failure', output: failure };
    };
    const t = await startTestNode({
      probeNetwork: {
        http: p =>
          answer(`${p.scheme} ${p.port} ${p.path} ${p.headers.map(h => `${h.name}=${h.value}`)} ${p.timeoutMs}`),
        tcp: (_host, port, timeoutMs) => answer(`tcp ${port} ${timeoutMs}`),
        grpc: (_host, port, service, timeoutMs) => answer(`grpc ${port} ${service} ${timeoutMs}`),
      },
    });
    try {
      const own = { httpGet: { port: 1, path: '/live' }, periodSeconds: 1, failureThreshold: 1 };
      const startupProbe = { ...handler, periodSeconds: 2, failureThreshold: 3, timeoutSeconds: 2 };
      const ports = [{ name: 'web', containerPort: 8080 }];
      const app = { ...container, ports, startupProbe, livenessProbe: own, readinessProbe: own };
      await t.createPod({ metadata: { name: 'p' }, spec: { containers: [app] } });
      const status = async () => (await t.getPod('p')).status!.containerStatuses![0]!;
      await t.pass(3000);
      const starting = await status();
      assert.deepEqual([starting.started, starting.ready, starting.restartCount], [false, false, 0]);
      assert.deepEqual([...new Set(probes)], [asked], 'neither liveness nor readiness is asked');
      // The third failure in a row.
      await t.pass(2500);
      const events = await t.events('p');
      assert.ok(events.includes(`Unhealthy: Startup probe failed: ${failure}`), events.join('\n'));
      assert.ok(events.includes('Killing: Container app failed startup probe, will be restarted'), events.join('\n'));
      await t.pass(31_000);
      assert.ok((await status()).restartCount! >= 1);
      started = true;
      await t.pass(60_000);
      const running = await status();
      assert.deepEqual([running.started, running.ready], [true, true]);
      probes = [];
      await t.pass(5000);
      assert.deepEqual([...new Set(probes)], ['HTTP 1 /live  1000'], 'startup is not asked again');
    } finally {
      await t.stop();
    }
  });
}

test('pull policies: Always asks the registry of an image that is there, the others do not', async () => {
  let down = false;
  const pulls: string[] = [];
  const t = await startTestNode({
    simulate: {
      pull(image) {
        pulls.push(image);
        return down ? { error: new RuntimeError('PullImage', 'Unavailable', 'connection refused') } : {};
      },
    },
  });
  try {
    const run = async (name: string, image: string, imagePullPolicy?: 'Always' | 'IfNotPresent' | 'Never') => {
      pulls.length = 0;
      const policy = imagePullPolicy ? { imagePullPolicy } : {};
      await t.createPod({ metadata: { name }, spec: { containers: [{ ...container, image, ...policy }] } });
      await t.pass(100);
      const { status } = await t.getPod(name);
      const reason = status?.containerStatuses?.[0]?.state?.waiting?.reason ?? status?.phase;
      return `${reason} ${pulls.length}: ${(await t.events(name)).filter(e => /^Pull/.test(e)).map(e => e.slice(0, 20))}`;
    };
    const one = 'example.com/one:1';
    assert.equal(await run('first', one, 'IfNotPresent'), 'Running 1: Pulling: Pulling ima,Pulled: Successfully');
    assert.equal(await run('there', one, 'IfNotPresent'), 'Running 0: Pulled: Container im');
    assert.equal(await run('never', one, 'Never'), 'Running 0: Pulled: Container im');
    assert.equal(await run('tagged', one), 'Running 0: Pulled: Container im');
    assert.equal(await run('always', one, 'Always'), 'Running 1: Pulling: Pulling ima,Pulled: Successfully');
    for (const latest of ['example.com/two', 'example.com/three:latest'])
      for (const name of ['a', 'b']) {
        const pod = `${name}-${latest.replace(/\W/g, '-')}`;
        assert.equal(await run(pod, latest), 'Running 1: Pulling: Pulling ima,Pulled: Successfully', pod);
      }
    assert.deepEqual(pulls, ['example.com/three:latest']);
    down = true;
    assert.equal(await run('refused', one, 'Always'), 'ErrImagePull 1: Pulling: Pulling ima');
    assert.equal(await run('kept', one, 'IfNotPresent'), 'Running 0: Pulled: Container im');
  } finally {
    await t.stop();
  }
});
