// `k8ts` on a machine where something is in the way: messages, exit codes, and nothing left behind.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

const main = join(import.meta.dirname, '..', 'main.ts');
const homes: string[] = [];
after(() => {
  for (const home of homes) rmSync(home, { recursive: true, force: true });
});

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A user of their own with no clusters. */
function newUser() {
  const home = mkdtempSync(join(tmpdir(), 'k8ts-bad-'));
  homes.push(home);
  const state = join(home, 'state');
  const env = { ...process.env, HOME: home, KUBECONFIG: join(home, 'config'), K8TS_STATE_DIR: state };
  const run = (args: readonly string[], more: NodeJS.ProcessEnv = {}) =>
    new Promise<Outcome>(resolve => {
      execFile(process.execPath, [main, ...args], { env: { ...env, ...more } }, (error, stdout, stderr) =>
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
      );
    });
  return { home, state, run, k8ts: (...args: string[]) => run(args) };
}

test('two up at once: one makes the cluster, the other is told who is at it or finds it running', async () => {
  const { k8ts, run, home } = newUser();
  try {
    const outcomes = await Promise.all([1, 2].map(() => k8ts('up', '--simulate', '--timeout', '60s')));
    const failed = outcomes.filter(o => o.code !== 0);
    assert.ok(failed.length < 2, failed.map(o => o.stderr).join());
    for (const { code, stderr } of failed) {
      assert.equal(code, 1);
      assert.match(
        stderr,
        /cluster dev is being worked on by "k8ts up" \(process \d+\)\n {2}wait for it to end and try/,
      );
    }
    const { code, stdout, stderr } = await k8ts('up', '-o', 'json');
    assert.equal(code, 0, stderr);
    assert.equal(JSON.parse(stdout).alreadyRunning, true);
    // kubectl is the user's own; without it the next steps do not work.
    const bin = join(home, 'bin');
    mkdirSync(bin);
    const noKubectl = /There is no kubectl on the PATH/;
    assert.match((await run(['up', '--simulate'], { PATH: bin })).stderr, noKubectl);
    writeFileSync(join(bin, 'kubectl'), '', { mode: 0o755 });
    assert.doesNotMatch((await run(['up', '--simulate'], { PATH: bin })).stderr, noKubectl);
    rmSync(bin, { recursive: true });
    // It keeps what it was made with, and says what differs.
    const changed = await k8ts('up', '--simulate', '3');
    assert.equal(changed.code, 1);
    assert.match(
      changed.stderr,
      /cluster dev exists with nodes 1, not 3\n {2}remove it first \(k8ts down --name dev\)/,
    );
    const stopped = await k8ts('stop');
    assert.equal(stopped.code, 0, stopped.stderr);
    assert.deepEqual([(await k8ts('status')).code, (await k8ts('stop')).code], [3, 0]);
    const [started, again] = [await k8ts('start', '--timeout', '60s'), await k8ts('start')];
    assert.deepEqual([started.code, again.code], [0, 0], started.stderr);
    assert.match(again.stderr, /already running/);
    const logs = await k8ts('logs', 'server', '--tail', '1');
    assert.deepEqual([logs.code, logs.stdout.split('\n').length], [0, 2]);
    assert.equal((await k8ts('logs', 'nosuch')).code, 3);
    assert.match((await k8ts('kubeconfig')).stdout, /current-context: k8ts-dev/);
    const late = await k8ts('up', '--name', 'late', '--simulate', '--timeout', '1ms');
    assert.equal(late.code, 4, late.stderr);
    assert.match(late.stderr, /cluster late is not ready after 0\.001 s/);
  } finally {
    assert.equal((await k8ts('down', '--all')).code, 0);
  }
  // Not even the kubeconfig, which the first cluster made and the last one left empty.
  assert.deepEqual(readdirSync(home), []);
});

test('a port that is taken', async () => {
  const { k8ts, home } = newUser();
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  try {
    const { code, stdout, stderr } = await k8ts('up', '--simulate', '--api-port', String(port));
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, new RegExp(`127\\.0\\.0\\.1:${port}.*in use`));
    assert.equal((await k8ts('status')).code, 3);
  } finally {
    other.close();
    await k8ts('down');
  }
  assert.deepEqual(
    readdirSync(home).filter(f => f !== 'state'),
    [],
  );
});

test('a damaged record, a directory of something else, one from the future', async () => {
  const { k8ts, state } = newUser();
  const directory = join(state, 'dev');
  mkdirSync(directory, { recursive: true });
  const file = join(directory, 'state.json');
  for (const [text, said] of [
    ['{"version":', /reading .*state\.json: it is damaged/],
    ['{"version":1}', /it is damaged \(fields are missing\)/],
    ['{"version":99,"k8ts":"9.0.0"}', /a later version of k8ts \(9\.0\.0\) made it/],
  ] as const) {
    writeFileSync(file, text);
    for (const command of text.endsWith(':') ? ['up', 'status', 'stop', 'start'] : ['status']) {
      const { code, stderr } = await k8ts(command, ...(command === 'up' ? ['--simulate'] : []));
      assert.equal(code, 1, command);
      assert.match(stderr, said);
      assert.match(stderr, /remove the cluster and its data: k8ts down --name dev/);
    }
  }
  assert.match((await k8ts('list')).stdout, /dev +damaged/);
  rmSync(file);
  writeFileSync(join(directory, 'other'), '');
  assert.match((await k8ts('status')).stderr, /holds data but no state\.json/);
  assert.equal((await k8ts('down')).code, 0);
  assert.equal((await k8ts('status')).code, 3);
});

test('the completion script completes in bash', async t => {
  const { k8ts } = newUser();
  const { stdout } = await k8ts('completion', 'bash');
  const script = `${stdout}\nCOMP_WORDS=(k8ts image l); COMP_CWORD=2; _k8ts; echo "\${COMPREPLY[@]}"`;
  const said = await new Promise<string | undefined>(resolve => {
    execFile('bash', ['-c', script], (error, out) => resolve(error ? undefined : out));
  });
  if (said === undefined) return t.skip('bash is not installed');
  assert.equal(said, 'load ls\n');
});

test('a state directory that cannot be made', async () => {
  const { k8ts, state } = newUser();
  writeFileSync(state, 'a file');
  const { code, stderr } = await k8ts('up', '--simulate');
  assert.equal(code, 1);
  assert.match(stderr, /^k8ts: .*state/m);
  assert.doesNotMatch(stderr, / {4}at /);
});
