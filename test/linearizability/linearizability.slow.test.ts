// Many clients, real servers that are killed, and everything they saw checked: K8TS_CRASHES=50 for longer, K8TS_SEED to run
// one again (the choices of clients and moments; not their interleaving).
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { seededRandom } from '../../src/base/random.ts';
import { missingEtcd, startEtcd } from '../../src/store/test-etcd.ts';
import { serverProcess } from '../crash/server-process.ts';
import { Follower, listed, Reachable, Recorder } from './recorder.ts';
import { resolve, verifyLists, verifyLog, verifyObjects, verifyTime, verifyWatch } from './verify.ts';

const crashes = Number(process.env.K8TS_CRASHES ?? 4);
const seed = Number(process.env.K8TS_SEED ?? process.pid);
const clients = 12;
const names = 8;
const loadMs = 700;

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look().catch(() => undefined);
    if (found !== undefined) return found;
    await systemClock.sleep(20);
  }
}

/** Runs the load through all servers, kills one after the other, and checks what was seen. */
async function trial(t: TestContext, servers: readonly Reachable[]): Promise<void> {
  t.diagnostic(`seed ${seed}`);
  const random = seededRandom(seed);
  const list = () => until(async () => listed(await servers[0]!.session()));
  const first = await list();
  const recorder = new Recorder(random, names);
  const main = new Follower(first.revision);
  const others: Follower[] = [new Follower(first.revision)];
  const following = [main.follow(servers), others[0]!.follow(servers, 1)];
  const load = Array.from({ length: clients }, (_, i) => recorder.client(servers[i % servers.length]!));
  const failed = Promise.race([...load, ...following]).then(() => undefined);
  const lateLists = [first];
  try {
    for (let i = 0; i < crashes; i++) {
      await Promise.race([failed, systemClock.sleep(loadMs * (0.5 + random.next()))]);
      const victim = servers[i % servers.length]!;
      await victim.kill();
      if (servers.length > 1) await systemClock.sleep(random.next() * 300);
      await victim.server.start();
      victim.connected();
      // Who lists in the middle of it and watches from there misses nothing and sees nothing twice.
      const late = await until(async () => listed(await victim.session()));
      lateLists.push(late);
      const other = new Follower(late.revision);
      others.push(other);
      following.push(other.follow(servers, i));
    }
    await Promise.race([failed, systemClock.sleep(loadMs)]);
    recorder.stop();
    await Promise.all(load);
    const last = await list();
    lateLists.push(last);
    const newest = Math.max(0, ...[...last.objects.values()].map(o => o.revision));
    // Something behind everything: who has seen it has seen all.
    const mark = await touch(servers[0]!);
    assert.ok(mark > newest);
    for (const follower of [main, ...others]) await follower.reach(mark);
    check(t, recorder, main, others, [...lateLists, ...recorder.lists], first.objects, mark);
  } finally {
    recorder.stop();
    for (const follower of [main, ...others]) follower.stop();
    await Promise.all(servers.map(s => s.close()));
    await Promise.allSettled([...load, ...following]);
  }
}

async function touch(reachable: Reachable): Promise<number> {
  const { request } = await import('../crash/server-process.ts');
  const { path } = await import('./recorder.ts');
  const object = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { generateName: 'lin-mark-' },
    data: { text: 'mark' },
  };
  const { code, body } = await request(await reachable.session(), 'POST', path, object);
  assert.equal(code, 201, JSON.stringify(body));
  return Number(body.metadata.resourceVersion);
}

function check(
  t: TestContext,
  recorder: Recorder,
  main: Follower,
  others: readonly Follower[],
  lists: Recorder['lists'],
  initial: Recorder['lists'][number]['objects'],
  mark: number,
): void {
  for (const follower of [main, ...others]) assert.equal(follower.failure, undefined);
  assert.equal(main.expired, 0, 'the watch had expired: no log to check against');
  const log = main.events.filter(e => e.revision < mark);
  verifyLog(log, initial);
  for (const other of others) {
    const end = other.expired ? (other.events.at(-1)?.revision ?? 0) : mark - 1;
    verifyWatch(log, other.events, other.start, end);
  }
  const operations = resolve(recorder.operations, log);
  verifyTime(operations, lists);
  verifyLists(log, initial, lists);
  const began = systemClock.monotonic();
  const checked = verifyObjects(operations);
  const unheard = recorder.operations.filter(o => o.returnMs === Number.POSITIVE_INFINITY);
  const happened = operations.filter(o => o.returnMs === Number.POSITIVE_INFINITY);
  const refused = operations.filter(o => ['exists', 'conflict', 'absent'].includes(String(o.operation.result)));
  t.diagnostic(
    `${checked} operations (${refused.length} refused), ${log.length} events, ${lists.length} lists, ${others.length + 1} watches; ` +
      `${unheard.length} unanswered, of which ${happened.length} had happened; ordered in ${Math.round(systemClock.monotonic() - began)} ms`,
  );
  assert.ok(
    checked > crashes * 50 && log.length > crashes * 10 && refused.length > crashes,
    'hardly anything happened',
  );
}

test(`one server, killed ${crashes} times: what clients saw has one order`, { timeout: 600_000 }, async t => {
  const server = await serverProcess();
  const reachable = new Reachable(server);
  t.after(() => server.dispose());
  await server.start();
  reachable.connected();
  await trial(t, [reachable]);
});

const missing = await missingEtcd();
const twoServers = `two servers on one etcd, killed in turns ${crashes} times: what clients saw has one order`;
test(twoServers, { skip: missing ?? false, timeout: 600_000 }, async t => {
  const etcd = await startEtcd();
  const flags = ['--etcd-servers', etcd.url, '--no-leader-elect'];
  const directory = mkdtempSync(join(tmpdir(), 'k8ts-crash-'));
  const a = await serverProcess(directory, { flags, advertise: '192.0.2.1' });
  t.after(() => etcd.remove());
  t.after(() => a.dispose());
  await a.start();
  const b = await serverProcess(undefined, { flags, advertise: '192.0.2.2', pkiDirectory: join(directory, 'pki') });
  t.after(() => b.dispose());
  await b.start();
  const servers = [new Reachable(a), new Reachable(b)];
  for (const s of servers) s.connected();
  await trial(t, servers);
});
