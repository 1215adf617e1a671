import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { identityOf, isAlive } from '../host/process-identity.ts';
import { askOnce, askSupervisor } from './control.ts';
import { portOf } from './listener.ts';
import { openLogFile } from './log-file.ts';
import { startBench } from './supervisor-bench.ts';

const ready = (status: { children: readonly { state: string }[] }) => status.children.every(c => c.state === 'ready');

test('a child gets its port, is started again after a crash with the same port, and stops', async () => {
  const bench = await startBench();
  try {
    const first = await bench.until(ready);
    const pid = first.children[0]!.pid!;
    assert.equal((await bench.ask()).pid, pid);
    await assert.rejects(bench.ask('/crash'));
    const again = await bench.until(s => ready(s) && s.children[0]!.restarts === 1);
    assert.notEqual(again.children[0]!.pid, pid);
    assert.equal(again.children[0]!.lastExit, 'exit code 9');
    assert.equal((await bench.ask()).pid, again.children[0]!.pid);
    assert.match(bench.log.join(''), /child=web how="exit code 9"/);

    const socket = join(bench.directory, 'control.sock');
    await assert.rejects(askOnce(socket, { op: 'restart', child: 'nosuch' }), /no such component: nosuch/);
    const answers = [];
    for await (const status of askSupervisor(socket, { op: 'stop' })) answers.push(status);
    assert.equal(answers[0]!.stopping, true);
    await bench.done;
    assert.equal(identityOf(again.children[0]!.pid!), undefined);
    assert.match(readFileSync(join(bench.directory, 'log', 'web.log'), 'utf8'), /serving\nserving\ndraining\n$/);
    assert.equal(await askOnce(socket, { op: 'status' }), undefined);
  } finally {
    await bench.stop();
  }
});

test('restart on request does not wait for a crash', async () => {
  const bench = await startBench();
  try {
    const { children } = await bench.until(ready);
    const identity = identityOf(children[0]!.pid!)!;
    assert.ok(bench.supervisor.restart('web'));
    await bench.until(s => ready(s) && s.children[0]!.restarts === 1);
    assert.ok(!isAlive(identity));
  } finally {
    await bench.stop();
  }
});

test('a port in use is an error before anything starts', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await new Promise(resolve => taken.once('listening', resolve));
  const port = portOf(taken);
  try {
    await assert.rejects(
      startBench({ listeners: [{ name: 'api', host: '127.0.0.1', port }] }),
      new RegExp(`opening 127\\.0\\.0\\.1:${port} for api: the port is in use by another program`),
    );
    const bench = await startBench({ listeners: [{ name: 'api', host: '127.0.0.1', port, orAny: true }] });
    assert.notEqual(bench.ports['web/api'], port);
    await bench.stop();
  } finally {
    taken.close();
  }
});

test('logs rotate', () => {
  const directory = mkdtempSync(join(tmpdir(), 'k8ts-log-'));
  const path = join(directory, 'a.log');
  writeFileSync(path, '12345');
  const log = openLogFile(path, 10, 2);
  for (const text of ['6789', 'abcdef', 'ghijkl', 'mnopqr']) log.write(Buffer.from(text));
  log.close();
  log.write(Buffer.from('late'));
  const at = (suffix: string) => readFileSync(path + suffix, 'utf8');
  assert.deepEqual([at(''), at('.1'), at('.2')], ['mnopqr', 'ghijkl', 'abcdef']);
  assert.ok(!existsSync(`${path}.3`));
  rmSync(directory, { recursive: true });
});
