import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { logind, shutdownOf } from './logind.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'k8ts-logind-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const signal = (data: unknown, member = 'PrepareForShutdown') =>
  JSON.stringify({ type: 'signal', sender: ':1.4', member, payload: { type: 'b', data: [data] } });

test('what the bus says is told from what its monitor says besides', () => {
  assert.deepEqual([signal(true), signal(false)].map(shutdownOf), [true, false]);
  for (const line of ['Monitoring bus message stream.', '', signal(true, 'PrepareForSleep'), signal('true')])
    assert.equal(shutdownOf(line), undefined);
});

test('logind is asked by its own programs, and its lock lives as long as it is wanted', async () => {
  // Programs of those names that say what they were asked.
  const program = (name: string, script: string) => {
    writeFileSync(join(directory, name), `#!/bin/sh\necho "${name} $*" >> ${directory}/asked\n${script}\n`);
    chmodSync(join(directory, name), 0o755);
  };
  program('busctl', `case "$*" in *get-property*) echo 't 5000000' ;; *) echo '${signal(true)}'; exit 3 ;; esac`);
  program('systemd-inhibit', 'cat');
  program('systemctl', '');
  const settings = join(directory, 'conf.d/99-kubelet.conf');
  const source = logind({ settings, env: { ...process.env, PATH: `${directory}:${process.env.PATH}` } });
  assert.equal(await source.maxDelayMs(), 5000);
  await source.raiseMaxDelay(30_000);
  assert.match(readFileSync(settings, 'utf8'), /^\[Login\]\nInhibitDelayMaxSec=30\n$/m);
  const lock = await source.hold();
  lock.release();
  await lock.ended;
  const told: boolean[] = [];
  await assert.rejects(
    source.watch(begins => told.push(begins), new AbortController().signal),
    /busctl monitor ended/,
  );
  assert.deepEqual(told, [true]);
  assert.deepEqual(readFileSync(join(directory, 'asked'), 'utf8').trim().split('\n'), [
    'busctl --system get-property org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager InhibitDelayMaxUSec',
    'systemctl kill --signal=HUP systemd-logind.service',
    'systemd-inhibit --what=shutdown --who=kubelet --why=Kubelet needs time to handle node shutdown --mode=delay cat',
    "busctl --system --json=short monitor --match=type='signal',sender='org.freedesktop.login1',path='/org/freedesktop/login1',interface='org.freedesktop.login1.Manager',member='PrepareForShutdown'",
  ]);
});

test('where there is none, every call says so', async () => {
  const source = logind({ env: { PATH: directory } });
  await assert.rejects(source.maxDelayMs(), /ENOENT/);
  await assert.rejects(source.hold(), /ENOENT/);
});
