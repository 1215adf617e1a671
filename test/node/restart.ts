// A node whose agent dies: what it had set up goes on, and its successor serves names old and new.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { ClusterAccess } from '../cluster-access.ts';
import { eventually } from '../lab.ts';
import { installPeer, peersOf } from './peers.ts';

export function restartTests(c: () => ClusterAccess): void {
  const { speak, client, service, dial, resolved, resolves, answers, ready } = peersOf(c);
  before(() => installPeer(c()));
  const agent = async (node: string): Promise<{ pid: number; state: string }> => {
    const { components } = JSON.parse(await c().lab.k8ts('status', '-o', 'json'));
    return components.find((x: { name: string }) => x.name === node);
  };

  test('names and services on a node whose agent was killed', async () => {
    const ports = [{ port: 80, targetPort: 8080 }];
    const old = await service('restart-old', { selector: { app: 'restart' }, ports });
    await Promise.all([speak('restart-server', 'node-1', 'restart'), client('restart-client', 'node-2')]);
    await ready('restart-server', 'restart-client');
    await answers('restart-client', 'http://restart-old/name', 'restart-server');
    const before = await agent('node-2');
    // Halted, so that what follows happens while nobody serves the node.
    process.kill(before.pid, 'SIGSTOP');
    assert.deepEqual(await dial('restart-client', `http://${old.spec!.clusterIP}/name`), ['restart-server']);
    const made = await service('restart-new', { selector: { app: 'restart' }, ports });
    await c().delete('services', 'restart-old');
    process.kill(before.pid, 'SIGKILL');
    await eventually('another agent', async () => {
      const now = await agent('node-2');
      return now.pid !== before.pid && now.state === 'ready';
    });
    const name = (service: string) => `${service}.${c().namespace}.svc.cluster.local`;
    await resolves('restart-client', name('restart-new'), 'A', [made.spec!.clusterIP]);
    await answers('restart-client', 'http://restart-new/name', 'restart-server');
    assert.equal(await resolved('restart-client', name('restart-old')), 'ENOTFOUND');
    for (const tcp of [0, 1]) {
      const found = await c().ask('GET', `${c().path('pods', 'restart-client')}/proxy/dig?tcp=${tcp}&name=restart-new`);
      assert.deepEqual([found?.name, found?.answers], [name('restart-new'), 1], `over ${tcp ? 'TCP' : 'UDP'}`);
    }
    // The rules of the service that went while nobody looked are gone too.
    await eventually('the old address refused', async () =>
      ['ECONNREFUSED', 'timeout'].includes((await dial('restart-client', `tcp://${old.spec!.clusterIP}:80`))[0]!),
    );
    assert.equal((await c().get('restart-client')).status?.containerStatuses?.[0]?.restartCount, 0);
  });
}
