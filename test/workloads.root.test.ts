// Workloads as people run them, on one cluster of two nodes with real containers, under load and on the real clock.
import { after, before, describe } from 'node:test';
import { freePort } from '../src/base/test-free-port.ts';
import { ClusterAccess } from './cluster-access.ts';
import { loadBusybox, newLab } from './lab.ts';
import { autoscalingTests } from './workload/autoscaling.ts';
import { databaseTests, loadEtcd } from './workload/database.ts';
import { drainTests } from './workload/drains.ts';
import { jobTests } from './workload/jobs.ts';
import { rolloutTests } from './workload/rollouts.ts';

const image = 'k8ts.test/busybox:1';
const nodePorts = { rollouts: 30081, drains: 30082 };
const lab = newLab('work');
const access = new Map<string, ClusterAccess>();
const sites: Record<string, string> = {};
let hasEtcd = false;

before(async () => {
  const published: string[] = [];
  for (const [name, nodePort] of Object.entries(nodePorts)) {
    const port = await freePort();
    sites[name] = `http://127.0.0.1:${port}/`;
    published.push('--publish', `${port}:${nodePort}`);
  }
  await lab.k8ts('up', '--nodes', '2', ...published);
  await loadBusybox(lab, image);
  hasEtcd = await loadEtcd(lab);
});

after(() => lab.dispose());

/** In a namespace of its own, called as the group. */
function group(name: string, tests: (c: () => ClusterAccess) => void): void {
  describe(name, { concurrency: true }, () => {
    before(async () => {
      const c = new ClusterAccess(lab, name, image);
      await c.ask('POST', '/api/v1/namespaces', { metadata: { name } });
      access.set(name, c);
    });
    tests(() => access.get(name)!);
  });
}

// By itself: it takes a node away from the others.
group('drains', c => drainTests(c, () => sites.drains!, nodePorts.drains));
describe('side by side', { concurrency: true }, () => {
  group('jobs', jobTests);
  group('autoscaling', autoscalingTests);
  group('database', c => databaseTests(c, () => hasEtcd));
  group('rollouts', c => rolloutTests(c, () => sites.rollouts!, nodePorts.rollouts));
});
