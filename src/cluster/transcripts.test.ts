// What controllers and scheduler do, told second by second: every write in the store's order, in words. RECORD=1 writes
// the golden files anew.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { cloneDeep } from '../api/meta.ts';
import { appsV1, batchV1, coreV1, schedulingV1 } from '../api/refs.ts';
import type { StoreEvent } from '../store/store.ts';
import { type Cluster, createCluster, simulated, virtualClock } from './create-cluster.ts';
import { simulate } from './test-conformance.ts';

type Any = any;

const ns = 'a';
const key = (name: string) => ({ namespace: ns, name });

/** What a reader wants to know of an object; undefined for kinds of no interest. */
const tellers: Record<string, (o: Any) => string> = {
  pods({ metadata, spec, status }) {
    const { state } = status.containerStatuses?.[0] ?? {};
    const ready = status.conditions?.some((c: Any) => c.type === 'Ready' && c.status === 'True');
    const phase = state?.waiting ? `${status.phase}, ${state.waiting.reason}` : status.phase;
    const words = [`${spec.containers[0].image} on ${spec.nodeName ?? 'no node'}`, phase, ...(ready ? ['ready'] : [])];
    if (metadata.deletionTimestamp) words.push('to be deleted');
    return words.join(', ');
  },
  replicasets: ({ spec, status }) =>
    `${status.readyReplicas ?? 0} ready of ${status.replicas ?? 0}, wanted ${spec.replicas}`,
  deployments({ status }) {
    const progress = status.conditions?.find((c: Any) => c.type === 'Progressing');
    const counts = `${status.updatedReplicas ?? 0} new, ${status.readyReplicas ?? 0} ready, ${status.unavailableReplicas ?? 0} missing`;
    return progress ? `${counts}; ${progress.reason}` : counts;
  },
  statefulsets: ({ spec, status }) =>
    `${status.readyReplicas ?? 0} ready of ${status.replicas}, wanted ${spec.replicas}; ${status.currentReplicas ?? 0} old, ${status.updatedReplicas ?? 0} new`,
  daemonsets: ({ status }) =>
    `${status.numberReady} ready of ${status.currentNumberScheduled}, wanted ${status.desiredNumberScheduled}; ${status.updatedNumberScheduled ?? 0} new`,
  jobs({ status }) {
    const ended = status.conditions?.find((c: Any) => c.status === 'True' && ['Complete', 'Failed'].includes(c.type));
    const counts = `${status.active ?? 0} active, ${status.succeeded ?? 0} succeeded, ${status.failed ?? 0} failed`;
    return ended ? `${counts}; ${ended.type} ${ended.reason ?? ''}`.trim() : counts;
  },
  cronjobs: ({ status }) =>
    `${status.active?.length ?? 0} active${status.lastScheduleTime ? `, last at ${status.lastScheduleTime.slice(11, 16)}` : ''}`,
  events: ({ type, reason, involvedObject: on, message }) =>
    `${type} ${reason} of ${on.kind} ${on.name}: ${String(message).replace(/ in \d+ms|\d{4}-[0-9T:.-]+Z/g, '…')}`,
};

/** Runs a story on a cluster of `nodes` and compares what was told with `testdata/transcripts/<name>.txt`. */
function transcript(
  name: string,
  nodes: number,
  story: (cluster: Cluster, mark: (what: string) => void) => Promise<void>,
) {
  test(name, async () => {
    const clock = virtualClock();
    const startMs = clock.now();
    const lines: string[] = [];
    const last = new Map<string, string>();
    const say = (what: string) => {
      const seconds = ((clock.now() - startMs) / 1000).toFixed(1);
      lines.push(`${seconds.padStart(7)}  ${what}`);
    };
    const onWrite = (event: StoreEvent) => {
      const [, , resource, namespace, object = ''] = event.key.split('/');
      const tell = tellers[resource!];
      if (!tell || namespace !== ns) return;
      if (event.type === 'delete') {
        if (resource !== 'events') say(`${resource} ${object}: gone`);
        return;
      }
      const written = JSON.parse(Buffer.from(event.value).toString());
      // What the node does is not told by events as well.
      if (written.source?.component === 'kubelet') return;
      const text = tell(written);
      if (last.get(event.key) === text) return;
      last.set(event.key, text);
      say(resource === 'events' ? `    ${text}` : `${resource} ${object}: ${text}`);
    };
    const cluster = await createCluster({ clock, nodes: simulated(nodes), seed: 1, onWrite });
    try {
      await cluster.advance('5s');
      await cluster.client.create(coreV1.namespaces, { metadata: { name: ns } });
      await cluster.settled();
      await story(cluster, what => say(`-- ${what}`));
      await cluster.settled();
    } finally {
      await cluster.stop();
    }
    const golden = new URL(`testdata/transcripts/${name.replaceAll(/[^a-z]+/g, '-')}.txt`, import.meta.url);
    const told = `${lines.join('\n')}\n`;
    if (process.env.RECORD) {
      mkdirSync(new URL('.', golden), { recursive: true });
      writeFileSync(golden, told);
    }
    assert.equal(told, readFileSync(golden, 'utf8'));
  });
}

const labels = { app: 'web' };
const template = (image: string, behaviour: object = { startDelayMs: 1000 }, more: object = {}): Any => ({
  metadata: { labels, annotations: simulate(behaviour) },
  spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'c', image }], ...more },
});
/** Makes a workload of these pods. */
const run = (cluster: Cluster, resource: Any, name: string, more: object = {}) =>
  cluster.client.create(resource, {
    metadata: { name, namespace: ns },
    spec: { selector: { matchLabels: labels }, template: template(`${name}:1`), ...more },
  } as Any);
const image = (cluster: Cluster, resource: Any, name: string, to: string) =>
  cluster.client.patch(resource, key(name), {
    type: 'strategic',
    body: { spec: { template: { spec: { containers: [{ name: 'c', image: to }] } } } },
  });

transcript('a deployment rolls out, and back', 3, async (cluster, mark) => {
  const strategy = { rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } };
  await run(cluster, appsV1.deployments, 'web', { replicas: 3, strategy });
  await cluster.advance('10s');
  mark('web:2');
  await image(cluster, appsV1.deployments, 'web', 'web:2');
  await cluster.advance('20s');
  mark('back to web:1');
  await image(cluster, appsV1.deployments, 'web', 'web:1');
  await cluster.advance('20s');
});

transcript('a stateful set comes up, is updated down to its partition, and shrinks', 3, async (cluster, mark) => {
  const updateStrategy = { type: 'RollingUpdate', rollingUpdate: { partition: 1 } };
  await run(cluster, appsV1.statefulsets, 'db', { replicas: 3, serviceName: 'db', updateStrategy });
  await cluster.advance('15s');
  mark('db:2, partition 1');
  await image(cluster, appsV1.statefulsets, 'db', 'db:2');
  await cluster.advance('15s');
  mark('one replica');
  await cluster.client.patch(appsV1.statefulsets, key('db'), { type: 'merge', body: { spec: { replicas: 1 } } });
  await cluster.advance('15s');
});

transcript('a daemon set is updated node by node', 3, async (cluster, mark) => {
  await run(cluster, appsV1.daemonsets, 'log');
  await cluster.advance('10s');
  mark('log:2');
  await image(cluster, appsV1.daemonsets, 'log', 'log:2');
  await cluster.advance('20s');
});

transcript('an indexed job whose pods fail gives up on its limit', 2, async cluster => {
  await cluster.client.create(batchV1.jobs, {
    metadata: { name: 'sum', namespace: ns },
    spec: {
      completions: 3,
      parallelism: 2,
      completionMode: 'Indexed',
      backoffLimit: 2,
      template: template('sum:1', { exitAfterMs: 2000, exitCode: 1 }, { restartPolicy: 'Never' }),
    },
  } as Any);
  await cluster.advance('2m');
});

transcript('a cron job that forbids waits for the job before', 1, async cluster => {
  await cluster.client.create(batchV1.cronjobs, {
    metadata: { name: 'clean', namespace: ns },
    spec: {
      schedule: '* * * * *',
      concurrencyPolicy: 'Forbid',
      successfulJobsHistoryLimit: 1,
      jobTemplate: {
        spec: { template: template('clean:1', { exitAfterMs: 90_000 }, { restartPolicy: 'Never' }) },
      },
    },
  } as Any);
  await cluster.advance('5m');
});

transcript('a pod of higher priority takes the place of another', 1, async (cluster, mark) => {
  await cluster.client.create(schedulingV1.priorityclasses, { metadata: { name: 'high' }, value: 1000 } as Any);
  const node = (await cluster.client.list(coreV1.nodes)).items[0]!;
  const cpu = String(Math.floor(Number(node.status?.allocatable?.cpu) / 2) + 1);
  const make = (name: string, more: object = {}) => {
    const { metadata, spec } = cloneDeep(template(`${name}:1`, {}, more));
    spec.containers[0].resources = { requests: { cpu } };
    return cluster.client.create(coreV1.pods, { metadata: { ...metadata, name, namespace: ns }, spec });
  };
  await make('low');
  await cluster.advance('5s');
  mark('high');
  await make('high', { priorityClassName: 'high' });
  await cluster.advance('10s');
});
