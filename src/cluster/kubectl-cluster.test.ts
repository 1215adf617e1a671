// The stock kubectl against a cluster of simulated nodes, as the official suite uses it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { coreV1 } from '../api/refs.ts';
import { type Cluster, createCluster } from './create-cluster.ts';

let cluster: Cluster;
const folder = mkdtempSync(join(tmpdir(), 'k8ts-kubectl-'));
const config = join(folder, 'config');
before(async () => {
  cluster = await createCluster({ nodes: 2 });
  writeFileSync(config, (await cluster.listen()).kubeconfig);
  await cluster.until(
    async () => (await cluster.client.list(coreV1.serviceaccounts, { namespace: 'default' })).items.length > 0,
  );
});
after(async () => {
  rmSync(folder, { recursive: true, force: true });
  await cluster.stop();
});

function run(args: string, input?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, KUBECONFIG: config, KUBECACHEDIR: join(folder, 'cache') };
    const child = execFile('kubectl', args.split(' '), { env }, (error, out, err) =>
      error ? reject(new Error(`kubectl ${args}: ${err}`)) : resolve(out),
    );
    child.stdin?.end(input ?? '');
  });
}
const template = (labels: object) => ({
  metadata: { labels },
  spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'c', image: 'registry.example/web:1' }] },
});
const nautilus = (name: string, replicas: number) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'ReplicationController',
    metadata: { name },
    spec: { replicas, selector: { name }, template: template({ name }) },
  });
const running = (selector: string, count: number) =>
  cluster.until(async () => {
    const phases = (await run(`get pods -l ${selector} -o jsonpath={.items[*].status.phase}`))
      .split(' ')
      .filter(Boolean);
    return phases.length === count && phases.every(p => p === 'Running');
  }, '30s');
const gone = (selector: string) =>
  cluster.until(async () => (await run(`get rc,svc,pods -l ${selector} --no-headers`)) === '', '30s');

test('[sig-cli] Kubectl client Update Demo should create and stop a replication controller', async () => {
  await run('create -f -', nautilus('stopped', 2));
  await running('name=stopped', 2);
  await run('delete --grace-period=0 --force -f -', nautilus('stopped', 2));
  await gone('name=stopped');
});

test('[sig-cli] Kubectl client Update Demo should scale a replication controller', async () => {
  await run('create -f -', nautilus('scaled', 2));
  await running('name=scaled', 2);
  for (const replicas of [1, 2]) {
    await run(`scale rc scaled --replicas=${replicas} --timeout=5m`);
    await running('name=scaled', replicas);
  }
  await run('delete rc scaled');
});

test('[sig-cli] Kubectl client Guestbook application should create and stop a working application', async () => {
  const tiers = ['frontend', 'primary', 'replica'];
  const manifest = JSON.stringify({
    apiVersion: 'v1',
    kind: 'List',
    items: tiers.flatMap(tier => {
      const labels = { app: 'guestbook', tier };
      return [
        {
          apiVersion: 'v1',
          kind: 'Service',
          metadata: { name: tier, labels },
          spec: { ports: [{ port: 80 }], selector: labels },
        },
        {
          apiVersion: 'apps/v1',
          kind: 'Deployment',
          metadata: { name: tier, labels },
          spec: { replicas: 1, selector: { matchLabels: labels }, template: template(labels) },
        },
      ];
    }),
  });
  await run('create -f -', manifest);
  await run('wait --for=condition=Available --timeout=60s deployment -l app=guestbook');
  await run('rollout status deployment/frontend --timeout=60s');
  await cluster.until(
    async () =>
      (await run('get endpointslices -l app=guestbook -o jsonpath={.items[*].endpoints[*].addresses[0]}'))
        .split(' ')
        .filter(Boolean).length === tiers.length,
  );
  await run('delete -f -', manifest);
  await gone('app=guestbook');
});

test('nobody is spoken to at the addresses of simulated nodes and pods', async () => {
  await run('create -f -', nautilus('quiet', 1));
  await running('name=quiet', 1);
  const pod = (await run('get pods -l name=quiet -o name')).trim();
  await run(`expose ${pod} --port=80 --name=quiet`);
  await assert.rejects(run(`logs ${pod}`), /node "node-\d" is simulated: it has no kubelet to ask/);
  await assert.rejects(run('get --raw /api/v1/nodes/node-1/proxy/healthz'), /is simulated/);
  const at = `/api/v1/namespaces/default/pods/${pod.replace('pod/', '')}/proxy/`;
  await assert.rejects(run(`get --raw ${at}`), /pod "quiet-\w+" is simulated: nothing answers at its address/);
  const behind = cluster.until(async () => (await run('get endpointslices -o name')).includes('quiet'));
  await behind;
  await assert.rejects(
    run('get --raw /api/v1/namespaces/default/services/quiet/proxy/'),
    /no endpoints available for service "quiet"/,
  );
});
