// `up` dies half way through, at many moments; then `down` has to find everything, and `up` has to work again.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { mainScript } from '../../../bin/entry.js';
import { systemClock } from '../../base/clock.ts';
import { readIfThere } from '../host/file.ts';
import { lookAtMachine, newSince } from './machine-look.ts';

const name = `ku${process.pid}`;
const home = mkdtempSync(join(tmpdir(), 'k8ts-killed-'));
const main = mainScript();
const { KUBECONFIG: _, K8TS_STATE_DIR: __, ...environment } = process.env;
const env = { ...environment, HOME: home };

const k8ts = (...args: string[]) =>
  new Promise<{ code: number; stderr: string }>(done => {
    execFile(process.execPath, [main, ...args, '--name', name], { env }, (error, _, stderr) =>
      done({ code: typeof error?.code === 'number' ? error.code : error ? 1 : 0, stderr }),
    );
  });
const isOurs = (entry: string) =>
  entry.includes(`/${name}`) || entry.includes(`-${name}-`) || entry.includes(`k8ts-${name}`) || entry.includes(home);

after(async () => {
  await k8ts('down');
  rmSync(home, { recursive: true, force: true });
});

/** Starts `up` and kills it once the look is true, or after so long. With `group`, what it has started dies too. */
async function killUp(when: () => boolean, extraMs: number, group: boolean): Promise<void> {
  const child = spawn(process.execPath, [main, 'up', '--nodes', '2', '--name', name], {
    env,
    detached: true,
    stdio: 'ignore',
  });
  const ended = new Promise(done => child.once('exit', done));
  const deadline = systemClock.monotonic() + 20_000;
  while (!when() && child.exitCode === null && systemClock.monotonic() < deadline) await systemClock.sleep(2);
  assert.equal(child.exitCode, null, 'up was to be killed, not to end');
  await systemClock.sleep(extraMs);
  process.kill(group ? -child.pid! : child.pid!, 'SIGKILL');
  await ended;
}

const stateDirectory = join('/var/lib/k8ts', name);
const seen = (path: string) => () => existsSync(path);
const namespaces = (count: number) => () =>
  existsSync('/run/netns') && readdirSync('/run/netns').filter(n => n.startsWith(`k8ts-${name}-`)).length >= count;

// Where it is when it dies; each finds what the steps before have made.
const moments: [what: string, when: () => boolean, extraMs: number][] = [
  ['the record is written', seen(join(stateDirectory, 'state.json')), 0],
  ['the first namespace is there', namespaces(1), 0],
  ['all namespaces are there', namespaces(3), 5],
  ['the supervisor is configured', seen(join(stateDirectory, 'supervisor.json')), 0],
  ['the supervisor starts', seen(join(stateDirectory, 'log')), 20],
  ['the control plane starts', seen(join(stateDirectory, 'log', 'server.log')), 0],
  ['the runtimes start', seen(join('/run/k8ts', name, 'node-1', 'containerd.sock')), 100],
  ['a node registers', () => /serving DNS/.test(readIfThere(join(stateDirectory, 'log', 'node-2.log')) ?? ''), 0],
];

for (const [i, [what, when, extraMs]] of moments.entries())
  test(`killed when ${what}: down leaves nothing`, async () => {
    const before = await lookAtMachine();
    await killUp(when, extraMs, i % 2 === 1);
    const down = await k8ts('down');
    assert.equal(down.code, 0, down.stderr);
    assert.deepEqual(newSince(before, await lookAtMachine(), isOurs), []);
    assert.deepEqual(existsSync(join(home, '.kube')) ? readdirSync(join(home, '.kube')) : [], []);
    assert.ok(!existsSync(join(home, '.kube')), 'the kubeconfig is gone');
  });

test('killed, and up again: it works, and down leaves nothing', async () => {
  const before = await lookAtMachine();
  await killUp(namespaces(2), 0, false);
  const up = await k8ts('up', '--nodes', '2', '--no-wait');
  assert.equal(up.code, 0, up.stderr);
  assert.equal((await k8ts('down')).code, 0);
  assert.deepEqual(newSince(before, await lookAtMachine(), isOurs), []);
});
