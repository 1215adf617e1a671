// What goes wrong: killed agents and runtimes, full volumes, memory that runs out, taints; and pods no API server knows of.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Pod } from '../../src/api/type/core-v1.ts';
import { type ClusterAccess, conditionOf, sh, waiting } from '../cluster-access.ts';
import { eventually } from '../lab.ts';

const first = (pod: Pod) => pod.status?.containerStatuses?.[0];

/** The process of a node's containerd, by its configuration file. */
function containerdOf(configFile: string): number | undefined {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
    .find(pid => {
      try {
        return (
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(1).join(' ').trim() ===
          `--config ${configFile}`
        );
      } catch {
        return false;
      }
    });
}

export function disruptionTests(c: () => ClusterAccess): void {
  const directory = (node: string) => join(process.env.K8TS_STATE_DIR ?? '/var/lib/k8ts', c().lab.name, node);
  const agent = async (node: string) => {
    const { components } = JSON.parse(await c().lab.k8ts('status', '-o', 'json'));
    return components.find((x: { name: string }) => x.name === node) as { pid: number; state: string };
  };

  test('memory and disk over their limits', async () => {
    const spec = (name: string, script: string, container: object, more: object = {}) =>
      c().pod(name, { ...more, containers: [{ name: 'main', command: sh(script), ...container }] });
    await Promise.all([
      spec('oom', "trap '' TERM; sh -c 'dd if=/dev/zero of=/dev/null bs=64M count=1'; tail /dev/zero", {
        resources: { limits: { memory: '32Mi' } },
      }),
      spec(
        'over-volume',
        `dd if=/dev/zero of=/data/x bs=1M count=4 2>/dev/null; ${waiting}`,
        { volumeMounts: [{ name: 'data', mountPath: '/data' }] },
        { volumes: [{ name: 'data', emptyDir: { sizeLimit: '2Mi' } }] },
      ),
      spec(
        'over-pod',
        `dd if=/dev/zero of=/data/x bs=1M count=4 2>/dev/null; ${waiting}`,
        { volumeMounts: [{ name: 'data', mountPath: '/data' }], resources: { limits: { 'ephemeral-storage': '2Mi' } } },
        { volumes: [{ name: 'data', emptyDir: {} }] },
      ),
      c().pod('over-container', {
        containers: [
          {
            name: 'main',
            command: sh(
              `sleep 1; for i in $(seq 40000); do echo 0123456789012345678901234567890123456789012345678901234567890123456789; done; ${waiting}`,
            ),
            resources: { limits: { 'ephemeral-storage': '1Mi' } },
          },
          { name: 'other', command: sh(waiting), resources: { limits: { 'ephemeral-storage': '1Gi' } } },
        ],
      }),
    ]);
    const oom = await c().ended('oom');
    assert.deepEqual(
      [first(oom)?.state?.terminated?.reason, first(oom)?.state?.terminated?.exitCode],
      ['OOMKilled', 137],
    );
    const evicted = async (name: string, message: string) => {
      const pod = await c().ended(name, 45_000);
      assert.deepEqual([pod.status?.phase, pod.status?.reason, pod.status?.message], ['Failed', 'Evicted', message]);
      assert.equal(conditionOf(pod, 'DisruptionTarget')?.reason, 'TerminationByKubelet');
    };
    await Promise.all([
      evicted('over-volume', 'Usage of EmptyDir volume "data" exceeds the limit "2Mi". '),
      evicted('over-pod', 'Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. '),
      evicted('over-container', 'Container main exceeded its local ephemeral storage limit "1Mi". '),
    ]);
  });

  test('static pods: mirrored, changed, kept alive, gone with their file', async () => {
    const manifests = join(directory('node-2'), 'manifests');
    mkdirSync(manifests, { recursive: true });
    const file = join(manifests, 'static.yaml');
    const write = (word: string) =>
      writeFileSync(
        file,
        JSON.stringify({
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name: 'static', namespace: c().namespace },
          spec: {
            terminationGracePeriodSeconds: 1,
            containers: [
              { name: 'main', image: c().image, imagePullPolicy: 'Never', command: sh(`echo ${word}; ${waiting}`) },
            ],
          },
        }),
      );
    write('one');
    const name = 'static-node-2';
    const mirror = await eventually(
      'a mirror',
      async () => {
        const { body, code } = await c().request<Pod>('GET', c().path('pods', name));
        return code === 200 && body.status?.phase === 'Running' && body;
      },
      45_000,
    );
    assert.ok(mirror.metadata.annotations?.['kubernetes.io/config.mirror']);
    assert.equal(mirror.metadata.ownerReferences?.[0]?.kind, 'Node');
    assert.equal(await c().log(name), 'one\n');
    // Deleting the mirror ends nothing: it comes back, and shows the same container.
    await c().delete('pods', name, { gracePeriodSeconds: 0 });
    const again = await eventually('the mirror again', async () => {
      const { body, code } = await c().request<Pod>('GET', c().path('pods', name));
      return (
        code === 200 &&
        body.metadata.uid !== mirror.metadata.uid &&
        first(body)?.containerID === first(mirror)?.containerID &&
        body
      );
    });
    assert.equal(first(again)?.restartCount, 0);
    write('two');
    await eventually('the change', async () => (await c().log(name)) === 'two\n', 45_000);
    rmSync(file);
    await c().gone(name, 45_000);
  });

  test('an agent killed, and its containerd after it: containers run on, the node works on', async () => {
    await c().pod('steady', {
      restartPolicy: 'Always',
      nodeName: 'node-1',
      containers: [
        { name: 'main', command: sh(waiting), readinessProbe: { exec: { command: ['true'] }, periodSeconds: 1 } },
        { name: 'finite', command: sh('sleep 2; exit 0') },
      ],
    });
    const before = await c().when('steady', 'running', p => first(p)?.ready);
    const { pid } = await agent('node-1');
    process.kill(pid, 'SIGKILL');
    await eventually('a new agent', async () => {
      const now = await agent('node-1');
      return now.pid !== pid && now.state === 'ready';
    });
    // What happened meanwhile is seen, what did not is not.
    await c().when(
      'steady',
      'with its other container restarted',
      p => (p.status?.containerStatuses?.[1]?.restartCount ?? 0) > 0,
    );
    const same = (pod: Pod) => {
      assert.equal(first(pod)?.containerID, first(before)?.containerID);
      assert.deepEqual([first(pod)?.restartCount, first(pod)?.ready], [0, true]);
    };
    same(await c().get('steady'));
    const config = join(directory('node-1'), 'containerd', 'config.toml');
    const old = containerdOf(config);
    assert.ok(old);
    process.kill(old, 'SIGKILL');
    await eventually('another containerd', async () => {
      const now = containerdOf(config);
      return now !== undefined && now !== old;
    });
    await c().pod('after', { nodeName: 'node-1', containers: [{ name: 'main', command: ['echo', 'works'] }] });
    await c().ended('after');
    assert.equal(await c().log('after'), 'works\n');
    same(await c().get('steady'));
    assert.equal(await c().exec('steady', 'echo in', 'main'), 'in\n');
  });

  test('NoExecute taints evict what does not tolerate them, at its time; a taint taken away evicts no one', async () => {
    const tolerating = (seconds?: number) => ({
      tolerations: [
        {
          key: 'example.com/evict',
          operator: 'Exists' as const,
          effect: 'NoExecute' as const,
          ...(seconds === undefined ? {} : { tolerationSeconds: seconds }),
        },
      ],
    });
    const make = (name: string, more: object) =>
      c().pod(name, {
        ...more,
        restartPolicy: 'Always',
        nodeName: 'node-2',
        containers: [{ name: 'main', command: sh(waiting) }],
      });
    await Promise.all([make('taint-none', {}), make('taint-soon', tolerating(3)), make('taint-late', tolerating(300))]);
    await Promise.all(['taint-none', 'taint-soon', 'taint-late'].map(n => c().ready(n)));
    const node = '/api/v1/nodes/node-2';
    const taint = (taints: object[]) => c().ask('PATCH', node, { spec: { taints } }, 'application/merge-patch+json');
    await taint([{ key: 'example.com/evict', effect: 'NoExecute' }]);
    try {
      await c().gone('taint-none');
      await c().gone('taint-soon');
    } finally {
      await taint([]);
    }
    assert.equal((await c().get('taint-late')).metadata.deletionTimestamp, undefined);
  });

  test('the node: lease, status that others patch, figures', async () => {
    const lease = await c().ask('GET', '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node-1');
    assert.deepEqual(
      [lease.spec.holderIdentity, lease.spec.leaseDurationSeconds, lease.metadata.ownerReferences[0].kind],
      ['node-1', 40, 'Node'],
    );
    const patch = {
      status: {
        conditions: [{ type: 'example.com/odd', status: 'True', reason: 'Test' }],
        capacity: { 'example.com/thing': '5' },
      },
    };
    await c().ask('PATCH', '/api/v1/nodes/node-1/status', patch, 'application/strategic-merge-patch+json');
    const node = await c().ask('GET', '/api/v1/nodes/node-1');
    assert.equal(node.status.capacity['example.com/thing'], '5');
    assert.ok(node.status.conditions.some((x: { type: string }) => x.type === 'example.com/odd'));
    const metrics = (part: string) => c().request('GET', `/api/v1/nodes/node-1/proxy/metrics${part}`);
    assert.match(
      (await metrics('')).text,
      /^kubelet_runtime_operations_total\{operation_type="run_podsandbox"\} \d+$/m,
    );
    assert.match(
      (await metrics('/probes')).text,
      /^prober_probe_total\{probe_type="Readiness",.*result="successful"\} \d+$/m,
    );
    assert.match((await metrics('/resource')).text, /^pod_memory_working_set_bytes\{/m);
  });
}
