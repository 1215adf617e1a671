// `k8ts` on a machine where something is in the way: messages, exit codes, and nothing left behind.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { mainScript } from '../../../bin/entry.js';

const main = mainScript();
/** A name of its own: as root, down also ends what is left of a cluster whose record is in another directory. */
const K8TS_CLUSTER = `bad${process.pid}`;
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
  const env = { ...process.env, HOME: home, KUBECONFIG: join(home, 'config'), K8TS_STATE_DIR: state, K8TS_CLUSTER };
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
        /cluster bad\d+ is being worked on by "k8ts up" \(process \d+\)\n {2}wait for it to end and try/,
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
      /cluster bad\d+ exists with nodes 1, not 3\n {2}remove it first \(k8ts down --name bad\d+\)/,
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
    assert.match((await k8ts('kubeconfig')).stdout, /current-context: k8ts-bad\d+/);
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
  const directory = join(state, K8TS_CLUSTER);
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
      assert.match(stderr, /remove the cluster and its data: k8ts down --name bad\d+/);
    }
  }
  assert.match((await k8ts('list')).stdout, /bad\d+ +damaged/);
  rmSync(file);
  writeFileSync(join(directory, 'other'), '');
  assert.match((await k8ts('status')).stderr, /holds data but no state\.json/);
  assert.equal((await k8ts('down')).code, 0);
  assert.equal((await k8ts('status')).code, 3);
});

test('a supervisor whose socket somebody has cleaned away', async () => {
  const { k8ts, state } = newUser();
  const gone =
    /cluster bad\d+ runs, but cannot be asked: .*control\.sock is gone\n {2}k8ts stop --name bad\d+; k8ts start/;
  try {
    assert.equal((await k8ts('up', '--simulate', '--no-wait')).code, 0);
    rmSync(join(state, '.run', K8TS_CLUSTER, 'control.sock'));
    for (const command of ['status', 'up', 'start']) {
      const { code, stderr } = await k8ts(command);
      assert.equal(code, 1, command);
      assert.match(stderr, gone);
    }
    assert.equal((await k8ts('stop')).code, 0);
    assert.equal((await k8ts('start', '--no-wait')).code, 0);
  } finally {
    assert.equal((await k8ts('down')).code, 0);
  }
});

test('data that is damaged or gone: start says so, and a backup takes its place', async () => {
  const { k8ts, state, home } = newUser();
  const data = join(state, K8TS_CLUSTER, 'store', 'data.mdb');
  const backup = join(home, 'backup');
  try {
    assert.equal((await k8ts('up', '--simulate', '--timeout', '60s')).code, 0);
    assert.equal((await k8ts('store', 'backup', backup)).code, 0);
    assert.equal((await k8ts('stop')).code, 0);
    const whole = readFileSync(data);
    const third = Math.floor(whole.length / 3 / 8192) * 8192;
    writeFileSync(data, Buffer.concat([whole.subarray(0, third), Buffer.alloc(third), whole.subarray(2 * third)]));
    const broken = await k8ts('start', '--timeout', '60s');
    assert.equal(broken.code, 1);
    assert.match(broken.stderr, /^k8ts: server ended 3 times \(.*\): .*data.* is damaged/m);
    assert.match(
      broken.stderr,
      /put a backup in its place: k8ts store restore FILE --name bad\d+; all of it: k8ts logs/,
    );
    assert.doesNotMatch(broken.stderr, / {4}at /);
    assert.equal((await k8ts('stop')).code, 0);
    const restored = await k8ts('store', 'restore', backup);
    assert.equal(restored.code, 0, restored.stderr);
    const started = await k8ts('start', '--timeout', '60s');
    assert.deepEqual([started.code, /no data/.test(started.stderr)], [0, false], started.stderr);
    assert.equal((await k8ts('stop')).code, 0);
    rmSync(data);
    const empty = await k8ts('start', '--no-wait');
    assert.match(empty.stderr, /warning: there is no data in .*store any more: cluster bad\d+ starts with nothing/);
  } finally {
    await k8ts('down');
  }
});

test('a state directory that cannot be made', async () => {
  const { k8ts, state } = newUser();
  writeFileSync(state, 'a file');
  const { code, stderr } = await k8ts('up', '--simulate');
  assert.equal(code, 1);
  assert.match(stderr, /^k8ts: making directory .*state: a file of that name is in the way; remove it or choose/m);
  assert.doesNotMatch(stderr, / {4}at /);
});

test('who listens may go, and a full disk that takes the data is told', async t => {
  const { home, state, k8ts } = newUser();
  const env = { ...process.env, HOME: home, KUBECONFIG: join(home, 'config'), K8TS_STATE_DIR: state, K8TS_CLUSTER };
  try {
    const up = spawn(process.execPath, [main, 'up', '--simulate', '--timeout', '60s'], {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    up.stderr.destroy();
    assert.deepEqual(await once(up, 'exit'), [0, null]);
    assert.equal((await k8ts('status')).code, 0);
    if (!existsSync('/dev/full')) return t.skip('there is no /dev/full');
    const full = openSync('/dev/full', 'w');
    const version = spawn(process.execPath, [main, 'version'], { env, stdio: ['ignore', full, 'pipe'] });
    closeSync(full);
    const [[code], said] = await Promise.all([once(version, 'exit'), version.stderr!.setEncoding('utf8').toArray()]);
    assert.deepEqual(
      [code, said.join('')],
      [1, 'k8ts: writing standard output: ENOSPC: no space left on device, write\n'],
    );
  } finally {
    await k8ts('down');
  }
});

test('a kubeconfig that is broken: up begins nothing, down removes all else and says what is left', async () => {
  const { k8ts, home, state } = newUser();
  const file = join(home, 'config');
  const said = /reading kubeconfig .*config: .*; mend it, or name another: KUBECONFIG=FILE/;
  writeFileSync(file, 'a: [1');
  const up = await k8ts('up', '--simulate');
  assert.deepEqual([up.code, /preparing/.test(up.stderr)], [1, false], up.stderr);
  assert.match(up.stderr, said);
  const absent = await k8ts('down');
  assert.equal(absent.code, 0);
  assert.match(absent.stderr, said);
  rmSync(file);
  const made = await k8ts('up', '--simulate', '--no-wait');
  assert.equal(made.code, 0, made.stderr);
  writeFileSync(file, 'a: [1');
  const down = await k8ts('down');
  assert.equal(down.code, 1);
  assert.match(down.stderr, /cluster bad\d+ is removed, but its context may still be in a kubeconfig: reading/);
  assert.match(down.stderr, /\n {2}then take it out: k8ts down --name bad\d+\n/);
  assert.equal((await k8ts('status')).code, 3);
  rmSync(file);
  assert.equal((await k8ts('down')).code, 0);
  assert.deepEqual([readdirSync(home), existsSync(state)], [[], false]);
});

test('a context that was put into several kubeconfigs goes from all of them', async () => {
  const { k8ts, run, home } = newUser();
  const other = { KUBECONFIG: join(home, 'other') };
  assert.equal((await k8ts('up', '--simulate', '--no-wait')).code, 0);
  assert.equal((await k8ts('stop')).code, 0);
  const start = await run(['start', '--no-wait'], other);
  assert.match(start.stderr, /Cluster bad\d+ is starting: /);
  assert.equal((await run(['kubeconfig', '--merge'], { KUBECONFIG: join(home, 'third') })).code, 0);
  assert.deepEqual(readdirSync(home).sort(), ['config', 'other', 'state', 'third']);
  const down = await run(['down'], other);
  assert.equal(down.code, 0, down.stderr);
  assert.deepEqual(readdirSync(home), []);
});

test('a timeout longer than timers run, a socket path longer than systems take', async () => {
  const { k8ts, run, state } = newUser();
  try {
    const up = await k8ts('up', '--simulate', '--timeout', '99999999h');
    assert.equal(up.code, 0, up.stderr);
    const status = JSON.parse((await k8ts('status', '-o', 'json')).stdout);
    assert.equal(status.state, 'running');
  } finally {
    await k8ts('down');
  }
  const long = { K8TS_STATE_DIR: join(state, 'x'.repeat(100)) };
  const { code, stderr } = await run(['up', '--simulate'], long);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /the path of a socket, .*control\.sock, has more than \d+ bytes\n {2}choose a shorter directory/,
  );
});

test('what a configuration names is looked at before anything begins', async () => {
  const { k8ts, home } = newUser();
  const file = join(home, 'c.yaml');
  const cases: [spec: string, said: RegExp][] = [
    ['{apiServer: {auditPolicyFile: /none}}', /spec\.apiServer\.auditPolicyFile: reading "\/none": ENOENT/],
    ['{scheduler: {config: /etc}}', /spec\.scheduler\.config: reading "\/etc": it is a directory, not a file/],
    ['{scheduler: {plugins: [/none]}}', /spec\.scheduler\.plugins: reading "\/none": ENOENT/],
    ['{kubelet: {config: /none}}', /spec\.kubelet\.config: reading "\/none": ENOENT/],
    ['{controllers: ["*", nosuch]}', /spec\.controllers: "nosuch" is not in the list of known controllers/],
    ['{nodes: 9, network: {podCIDR: 10.1.0.0/22}}', /spec\.network: podCIDR 10\.1\.0\.0\/22 has room for 4 nodes/],
  ];
  for (const [spec, said] of cases) {
    writeFileSync(file, `apiVersion: k8ts.dev/v1alpha1\nkind: ClusterConfiguration\nspec: ${spec}\n`);
    const { code, stderr } = await k8ts('up', '--simulate', '--config', file);
    assert.deepEqual([code, /preparing/.test(stderr)], [2, false], stderr);
    assert.match(stderr, said);
  }
});

test('a user without rights: the sockets go, too, and a home that cannot be written is told', async t => {
  if (process.getuid?.() !== 0) return t.skip('needs root, to be somebody else');
  const { home } = newUser();
  const uid = 65534;
  chownSync(home, uid, uid);
  const own: NodeJS.ProcessEnv = {
    PATH: process.env.PATH,
    HOME: home,
    XDG_RUNTIME_DIR: join(home, 'run'),
    K8TS_CLUSTER,
  };
  const run = (args: readonly string[], env = own) =>
    new Promise<Outcome>(resolve => {
      execFile(process.execPath, [main, ...args], { env, uid, gid: uid, cwd: '/' }, (error, stdout, stderr) =>
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
      );
    });
  const up = await run(['up', '--simulate', '--no-wait']);
  assert.equal(up.code, 0, up.stderr);
  assert.ok(existsSync(join(home, 'run', 'k8ts', K8TS_CLUSTER, 'control.sock')));
  assert.equal((await run(['down'])).code, 0);
  assert.deepEqual([readdirSync(join(home, 'run')), readdirSync(join(home, '.local', 'share'))], [[], []]);
  assert.match((await run(['down'])).stderr, /^No cluster named bad\d+\.\n$/);
  const elsewhere = await run(['up', '--simulate'], { ...own, KUBECONFIG: '/etc/none/config' });
  assert.match(
    elsewhere.stderr,
    /^k8ts: writing kubeconfig \/etc\/none\/config: this user may not; change the rights/m,
  );
  chownSync(home, 0, 0);
  const refused = await run(['up', '--simulate']);
  assert.deepEqual([elsewhere.code, refused.code], [1, 1]);
  assert.match(
    refused.stderr,
    /^k8ts: making directory .*k8ts: this user may not; change the rights of the file or its directory$/m,
  );
  assert.deepEqual([(await run(['down'])).code, (await run(['list'])).code], [0, 0]);
});
