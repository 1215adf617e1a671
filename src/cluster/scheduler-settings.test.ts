import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { coreV1 } from '../api/refs.ts';
import { systemClock } from '../base/clock.ts';
import { createLog } from '../base/log.ts';
import { parseConfig } from './config.ts';
import { createCluster, virtualClock } from './create-cluster.ts';
import { type PluginFactory, Status } from './index.ts';
import { dumpOnSignal } from './scheduler-dump.ts';
import { readSchedulerFiles, settingsOf } from './scheduler-settings.ts';

type Any = any;

const even: PluginFactory = () => ({
  name: 'Even',
  filter: (_state, _pod, node) =>
    Number(node.name.at(-1)) % 2 === 0 ? undefined : new Status('Unschedulable', ['node is odd']),
});

test('a plugin of the caller takes part; several profiles stand side by side', async () => {
  const picky = { schedulerName: 'picky', plugins: { multiPoint: { enabled: [{ name: 'Even' }] } } };
  const cluster = await createCluster({
    nodes: 2,
    clock: virtualClock(),
    seed: 3,
    scheduler: { configuration: { profiles: [{}, picky] }, plugins: { Even: even } },
  });
  const client = cluster.client as Any;
  try {
    const spread = (schedulerName: string, i: number) =>
      client.create(coreV1.pods, {
        metadata: { namespace: 'default', name: `${schedulerName}-${i}` },
        spec: { schedulerName, containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80, hostPort: 80 }] }] },
      });
    const nodes = await cluster.until(async () => {
      const { items } = await client.list(coreV1.nodes);
      return items.length === 2 && items.map((n: Any) => n.metadata.name).sort();
    });
    const odd = nodes.find((n: string) => Number(n.at(-1)) % 2 === 1);
    await spread('picky', 1);
    await spread('picky', 2);
    const get = (name: string) => client.get(coreV1.pods, { namespace: 'default', name });
    const message = await cluster.until(async () => {
      const pods = [await get('picky-1'), await get('picky-2')];
      const conditions = pods.flatMap(p => (p.status.conditions ?? []) as { message?: string }[]);
      return conditions.find(c => c.message?.includes('free ports'))?.message;
    });
    assert.match(message, /^0\/2 nodes are available: 1 node is odd, 1 node\(s\) didn't have free ports/);
    await spread('default-scheduler', 1);
    assert.equal(
      (
        await cluster.until(async () => {
          const p = await get('default-scheduler-1');
          return p.spec.nodeName && p;
        })
      ).spec.nodeName,
      odd,
    );
  } finally {
    await cluster.stop();
  }
});

test('a configuration file names modules; what is wrong with them is said with their names', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'k8ts-scheduler-'));
  try {
    const write = (name: string, text: string) => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    write('even.ts', `export default { Even: (): object => ({ name: 'Even', filter: () => undefined }) };`);
    const profile = 'profiles: [{ schedulerName: s, plugins: { filter: { enabled: [{ name: Even }] } } }]';
    const header = 'apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n';
    const config = write('config.yaml', `${header}pluginModules: [even.ts]\n${profile}\n`);
    const { profiles } = await settingsOf(await readSchedulerFiles({ config }));
    assert.deepEqual([profiles![0]!.schedulerName, profiles![0]!.plugins.at(-1)!.name], ['s', 'Even']);
    const alone = await settingsOf(await readSchedulerFiles({ plugins: [join(folder, 'even.ts')] }));
    assert.ok(alone.profiles![0]!.plugins.some(p => p.name === 'Even'));
    assert.deepEqual(await settingsOf(await readSchedulerFiles({})), {});
    const unknown = write('unknown.yaml', `${header}${profile}\n`);
    await assert.rejects(readSchedulerFiles({ config: unknown }).then(settingsOf), /plugin "Even" does not exist/);
    const wrong = write('wrong.ts', 'export const x = 1;');
    await assert.rejects(
      readSchedulerFiles({ plugins: [wrong] }),
      /loading plugins from .*wrong\.ts: its default export must be/,
    );
    await assert.rejects(readSchedulerFiles({ plugins: [join(folder, 'none.ts')] }), /loading plugins from .*none\.ts/);
    await assert.rejects(readSchedulerFiles({ config: join(folder, 'none.yaml') }), /reading .*none\.yaml/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('on SIGUSR2 the log says what the scheduler believes', async () => {
  const lines: string[] = [];
  const before = process.listenerCount('SIGUSR2');
  const log = createLog('scheduler', { clock: systemClock, write: line => lines.push(line) });
  const stop = new AbortController();
  const running = dumpOnSignal(() => 'Dump of cached nodes', log).run(stop.signal);
  const told = new Promise<void>(resolve => process.once('SIGUSR2', () => resolve()));
  process.kill(process.pid, 'SIGUSR2');
  await told;
  stop.abort();
  await running;
  assert.match(lines.join(), /Dump of cached nodes/);
  assert.equal(process.listenerCount('SIGUSR2'), before);
});

test("a cluster's configuration names the scheduler's files", () => {
  const text = (scheduler: string) =>
    `apiVersion: k8ts.dev/v1alpha1\nkind: ClusterConfiguration\nspec:\n  scheduler: ${scheduler}\n`;
  const config = parseConfig(text('{ config: /etc/s.yaml, plugins: [/opt/p.ts] }'), 'c.yaml');
  assert.deepEqual(config.scheduler, { config: '/etc/s.yaml', plugins: ['/opt/p.ts'] });
  assert.throws(
    () => parseConfig(text('{ config: s.yaml }'), 'c.yaml'),
    /spec\.scheduler\.config.*must be an absolute path/,
  );
});
