import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { linuxHost } from '../host/linux-host.ts';
import { KubeletRoot } from './kubelet-root.ts';
import { type PluginHandler, PluginWatcher } from './plugin-watcher.ts';
import { offerPlugin, type TestPlugin } from './test-plugin.ts';

let root: string;
let directory: string;
let stop: AbortController;
let run: Promise<void> | undefined;
let plugins: TestPlugin[];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'k8ts-plugin-'));
  directory = join(root, 'plugins_registry');
  mkdirSync(directory);
  stop = new AbortController();
  plugins = [];
});
afterEach(async () => {
  stop.abort();
  await run;
  for (const p of plugins) await p.close();
  rmSync(root, { recursive: true, force: true });
});

const info = (name: string, endpoint = '/var/lib/kubelet/plugins/x/csi.sock', type = 'CSIPlugin') => ({
  type,
  name,
  endpoint,
  supported_versions: ['1.0.0'],
});

async function offer(path: string, ...about: Parameters<typeof info>): Promise<TestPlugin> {
  const plugin = await offerPlugin(join(directory, path), info(...about));
  plugins.push(plugin);
  return plugin;
}

/** A handler that notes its calls and a wait for the next one of a kind. */
function watch(overrides: Partial<PluginHandler> = {}) {
  const calls: string[] = [];
  const waits = new Map<string, PromiseWithResolvers<void>>();
  const note = (call: string, detail: string) => {
    calls.push(`${call} ${detail}`);
    waits.get(call)?.resolve();
    waits.delete(call);
  };
  const watcher = new PluginWatcher({
    directory,
    root: new KubeletRoot(root),
    host: linuxHost(),
    clock: systemClock,
    log: silentLog,
  });
  watcher.registerHandler('CSIPlugin', {
    validate: (name, _endpoint, versions) => note('validate', `${name} ${versions}`),
    register: (name, endpoint, _versions, said) => note('register', `${name} ${endpoint} ${said}`),
    deregister: name => note('deregister', name),
    ...overrides,
  });
  const start = () => {
    run = watcher.run(stop.signal);
  };
  const next = (call: string) => waits.getOrInsertComputed(call, () => Promise.withResolvers<void>()).promise;
  return { calls, start, next, watcher };
}

test('plugins there at the start, added later and in subdirectories are registered under the paths of this node', async () => {
  const early = await offer('early.sock', 'early.example.com');
  mkdirSync(join(directory, 'deep'));
  const deep = await offer('deep/x.sock', 'deep.example.com', join(root, 'plugins/deep.sock'));
  const { calls, start } = watch();
  start();
  assert.deepEqual(await Promise.all([early.told(), deep.told()]), ['', '']);
  const late = await offer('late.sock', 'late.example.com', '');
  assert.equal(await late.told(), '');
  mkdirSync(join(directory, 'later'));
  const later = await offer('later/x.sock', 'later.example.com');
  assert.equal(await later.told(), '');
  assert.deepEqual(calls.filter(c => c.startsWith('register')).sort(), [
    `register deep.example.com ${root}/plugins/deep.sock ${root}/plugins/deep.sock`,
    `register early.example.com ${root}/plugins/x/csi.sock /var/lib/kubelet/plugins/x/csi.sock`,
    `register late.example.com ${directory}/late.sock /var/lib/kubelet/plugins_registry/late.sock`,
    `register later.example.com ${root}/plugins/x/csi.sock /var/lib/kubelet/plugins/x/csi.sock`,
  ]);
});

test('a socket that goes deregisters its plugin, one that is replaced registers it again', async () => {
  const first = await offer('x.sock', 'x.example.com');
  const { calls, start, next } = watch();
  start();
  await first.told();
  const gone = next('deregister');
  await first.close();
  await gone;
  const second = await offer('x.sock', 'x.example.com');
  assert.equal(await second.told(), '');
  assert.deepEqual(
    calls.map(c => c.split(' ')[0]),
    ['validate', 'register', 'deregister', 'validate', 'register'],
  );
});

test('the end of the kubelet deregisters nothing', async () => {
  const plugin = await offer('x.sock', 'x.example.com');
  const { calls, start } = watch();
  start();
  await plugin.told();
  stop.abort();
  await run;
  assert.ok(!calls.some(c => c.startsWith('deregister')));
});

test('a plugin is told why it is refused, and tried again', async () => {
  let refusals = 2;
  const { start } = watch({
    validate(name) {
      if (name === 'bad.example.com') throw new Error('version 9 is not supported');
    },
    register(name) {
      if (name === 'slow.example.com' && refusals-- > 0) throw new Error('not yet');
    },
  });
  const bad = await offer('bad.sock', 'bad.example.com');
  const odd = await offer('odd.sock', 'odd.example.com', '', 'OddPlugin');
  const slow = await offer('slow.sock', 'slow.example.com');
  start();
  assert.equal(
    await odd.told(),
    `RegisterPlugin error -- no handler registered for plugin type: OddPlugin at socket ${directory}/odd.sock`,
  );
  if (!bad.outcomes.length) await bad.told();
  assert.equal(
    bad.outcomes[0],
    'RegisterPlugin error -- plugin validation failed with err: version 9 is not supported',
  );
  const failure = 'RegisterPlugin error -- plugin registration failed with err: not yet';
  while (slow.outcomes.length < 3) await slow.told();
  assert.deepEqual(slow.outcomes, [failure, failure, '']);
});

test('what is no plugin is left alone, and does not keep others from registering', async () => {
  writeFileSync(join(directory, 'file'), '');
  const silent = createServer(connection => connection.destroy());
  await new Promise<void>(resolve => silent.listen(join(directory, 'a-silent.sock'), resolve));
  await offer('.hidden.sock', 'hidden.example.com');
  const plugin = await offer('x.sock', 'x.example.com');
  const { calls, start, watcher } = watch();
  start();
  await plugin.told();
  await watcher.scan();
  assert.deepEqual(
    calls.map(c => c.split(' ')[1]),
    ['x.example.com', 'x.example.com'],
  );
  await new Promise(resolve => silent.close(resolve));
});
