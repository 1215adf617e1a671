// The commands as processes: what they say, what they end with, and what they leave.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { mainScript } from '../../../bin/entry.js';
import { coreV1 } from '../../api/refs.ts';
import type { Node } from '../../api/type/core-v1.ts';
import { systemClock } from '../../base/clock.ts';
import { httpClient } from '../../client/http-client.ts';
import { accessTo, loadKubeconfig } from '../../client/kubeconfig.ts';

const home = mkdtempSync(join(tmpdir(), 'k8ts-cli-'));
after(() => rmSync(home, { recursive: true }));
const main = mainScript();

/** A name of its own: as root, down also ends what is left of a cluster whose record is in another directory. */
const cluster = `cli${process.pid}`;
const env: NodeJS.ProcessEnv = {
  ...process.env,
  HOME: home,
  KUBECONFIG: join(home, 'config'),
  K8TS_STATE_DIR: join(home, 'state'),
  K8TS_CLUSTER: cluster,
};
const { K8TS_CLUSTER: _, ...unnamed } = env;

const k8ts = (...args: string[]) => run(args, env);

function run(args: string[], env: NodeJS.ProcessEnv): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise(resolve => {
    execFile(process.execPath, [main, ...args], { env }, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
    );
  });
}

async function readyNodes(): Promise<string[]> {
  const client = httpClient(accessTo(loadKubeconfig({ path: join(home, 'config') }), systemClock));
  try {
    const { items } = await client.list<Node>(coreV1.nodes);
    const ready = items.filter(n => n.status?.conditions?.some(c => c.type === 'Ready' && c.status === 'True'));
    return ready.map(n => n.metadata.name ?? '');
  } finally {
    client.close();
  }
}

test('exit codes and messages of wrong usage', async () => {
  const file = join(home, 'c.yaml');
  writeFileSync(file, 'apiVersion: k8ts.dev/v1alpha1\nkind: ClusterConfiguration\nspec: {nodes: 0}\n');
  const cases: [string[], number, RegExp][] = [
    [['nosuch'], 2, /unknown command 'nosuch'/],
    [['up', '--nosuch'], 2, /unknown option '--nosuch'/],
    [['up', '--nodes', 'two'], 2, /--nodes "two": want a number from 1 to 200/],
    [['up', '--name', 'A_b'], 2, /cluster name "A_b": must consist of lower case/],
    [['up', '-p', '80'], 2, /"80" is no port mapping/],
    [['up', '-p', '80:81', '-p', '80:82'], 2, /port 127\.0\.0\.1:80 is published twice/],
    [['up', '-p', '1.2.3:80:81'], 2, /"1\.2\.3" is no IPv4 address/],
    [['up', '--simulate', '-p', '80:81'], 2, /ports need nodes with containers/],
    [['up', '--egress', 'maybe'], 2, /--egress "maybe": want on or off/],
    [['up', '--timeout', 'soon'], 2, /"soon" is no duration/],
    [['up', '-o', 'xml'], 2, /argument 'xml' is invalid/],
    [['up', '--config', join(home, 'none')], 2, /ENOENT/],
    [['up', '--config', file], 2, /spec\.nodes: Invalid value: 0/],
    [['status'], 3, /no cluster named "dev"\n {2}make one: k8ts up/],
    [['logs'], 3, /no logs of a cluster named "dev"\n {2}k8ts list shows which there are/],
    [['logs', '--tail', ''], 2, /--tail "": want a number of lines/],
    [['logs', '--tail', '0x10'], 2, /--tail "0x10": want a number of lines/],
    [['help', 'nosuch'], 2, /unknown command 'nosuch'/],
    [['help', 'image', 'nosuch'], 2, /unknown command 'nosuch'/],
    [['scheduler', '--kubeconfig', join(home, 'none')], 1, /error loading config file ".*none"/],
    [['start'], 3, /no cluster named/],
    [['image', 'load', join(home, 'none.tar')], 2, /no such file/],
    [['completion', 'tcsh'], 2, /want bash, zsh or fish/],
    [['store', 'status'], 3, /no cluster named "dev"/],
    [['store', 'backup', join(home, 'b'), '--directory', join(home, 'none')], 3, /there is no data\.mdb/],
    [['store', 'restore', join(home, 'none'), '--directory', home], 2, /none: no such file/],
    [['store', 'restore', file, '--directory', join(home, 'new')], 1, /it is not a backup made by k8ts store backup/],
    [['store', 'restore', file, '--directory', home, '--bump-revision', 'x'], 2, /--bump-revision x: want a number/],
    [['store', 'migrate', '--from', home], 2, /required option '--to <store>'/],
    [['store', 'migrate', '--from', home, '--to', 'sqlite:a'], 2, /--to sqlite:a: want a store's directory, or etcd's/],
    [['store', 'status', '--directory', home, '--etcd-servers', 'http://a:1'], 2, /name two stores/],
    [['server'], 2, /required option '--config <file>'/],
    [['server', '--config', join(home, 'none')], 1, /reading .*none/],
  ];
  const outcomes = await Promise.all(cases.map(([args]) => run(args, unnamed)));
  for (const [i, [args, code, said]] of cases.entries()) {
    assert.equal(outcomes[i]!.code, code, `${args.join(' ')}: ${outcomes[i]!.stderr}`);
    assert.match(outcomes[i]!.stderr, said);
    assert.equal(outcomes[i]!.stdout, '');
  }
});

test('data goes to standard output', async () => {
  const [version, json, help, down] = await Promise.all([
    k8ts('version'),
    k8ts('version', '-o', 'json'),
    k8ts('--help'),
    k8ts('down'),
  ]);
  assert.match(version!.stdout, /^k8ts \d+\.\d+\.\d+ \(Kubernetes v1\.36\.2, Node v\d+\.\d+\.\d+\)\n$/);
  assert.equal(JSON.parse(json!.stdout).kubernetes, 'v1.36.2');
  assert.match(help!.stdout, /Exit codes: 0 done/);
  assert.deepEqual([down!.code, down!.stdout, down!.stderr], [0, '', `No cluster named ${cluster}.\n`]);
});

test('a simulated cluster, from up to down', async () => {
  const up = await k8ts('up', '--simulate', '2', '--timeout', '30s', '-o', 'json');
  try {
    assert.equal(up.code, 0, up.stderr);
    const { server, nodes, simulated } = JSON.parse(up.stdout);
    assert.deepEqual([nodes, simulated], [2, true]);
    assert.match(server, /^https:\/\/127\.0\.0\.1:\d+$/);
    assert.match(up.stderr, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ preparing keys \(\d+\.\d s\)$/m);
    assert.deepEqual(await readyNodes(), ['node-1', 'node-2']);
    const status = await k8ts('status');
    assert.deepEqual([status.code, /cli\d+ +running +2 \(simulated\)/.test(status.stdout)], [0, true]);
    assert.match((await k8ts('list')).stdout, /cli\d+ +running +2/);
    assert.match((await k8ts('image', 'ls')).stderr, /are simulated/);
    const backup = join(home, 'state', 'backup');
    const { keys, revision } = JSON.parse((await k8ts('store', 'backup', backup, '-o', 'json')).stdout);
    assert.ok(keys > 100 && revision > keys);
    assert.match((await k8ts('store', 'status')).stdout, /used by +process \d+\nrevision +\d+\n/);
    const restore = await k8ts('store', 'restore', backup);
    assert.deepEqual(
      [restore.code, /cli\d+ is running\n {2}k8ts stop/.test(restore.stderr)],
      [1, true],
      restore.stderr,
    );
    assert.equal((await k8ts('stop')).code, 0);
    assert.match(
      (await k8ts('store', 'restore', backup)).stderr,
      /the store goes on from 1\d{7}, earlier watches list anew/,
    );
    assert.match((await k8ts('store', 'compact')).stderr, /compacted at revision 1\d{7}/);
  } finally {
    const down = await k8ts('down');
    assert.equal(down.code, 0, down.stderr);
  }
  assert.deepEqual(
    readdirSync(home).filter(f => f !== 'c.yaml' && f !== 'state'),
    [],
  );
});

test('a cluster goes on starting for who does not wait, or no longer', async () => {
  const up = await k8ts('up', '--simulate', '--no-wait', '--name', 'later');
  try {
    assert.deepEqual(
      [up.code, /^Cluster later is starting: 1 simulated node, /m.test(up.stderr)],
      [0, true],
      up.stderr,
    );
    const args = [main, 'up', '--simulate', '50', '--name', 'soon'];
    const waiting = spawn(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
    const closed = once(waiting, 'close');
    let told = '';
    for await (const chunk of waiting.stderr) {
      told += chunk;
      if (/preparing keys/.test(told) && !waiting.killed) waiting.kill('SIGINT');
    }
    assert.match(told, /k8ts: interrupted; the cluster goes on starting\n {2}remove it: k8ts down --name soon\n/);
    assert.deepEqual(await closed, [130, null]);
    for (const name of ['later', 'soon']) {
      const again = await k8ts('up', '--name', name, '--timeout', '60s');
      assert.deepEqual([again.code, /^Cluster \w+ is already running: /m.test(again.stderr)], [0, true], again.stderr);
    }
  } finally {
    for (const name of ['later', 'soon']) assert.equal((await k8ts('down', '--name', name)).code, 0);
  }
});
