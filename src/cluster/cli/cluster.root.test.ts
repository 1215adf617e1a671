// Whole clusters with real containers through the command itself.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, test } from 'node:test';
import { parse } from 'yaml';
import { mainScript } from '../../../bin/entry.js';
import { coreV1 } from '../../api/refs.ts';
import { isAlreadyExists } from '../../api/status.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import { systemClock } from '../../base/clock.ts';
import { httpClient } from '../../client/http-client.ts';
import { pauseImageReference } from '../../cri/pause-image.ts';
import { identityOf, isAlive, listProcesses } from '../host/process-identity.ts';
import { labNamespaces } from '../lab/lab.ts';
import { clusterPaths, readState } from '../state.ts';
import { portOf } from '../supervisor/listener.ts';
import { lookAtMachine, newSince } from './machine-look.ts';

const name = `t${process.pid}`;
const home = mkdtempSync(join(tmpdir(), 'k8ts-home-'));
const main = mainScript();
const paths = clusterPaths(name, {});
const { KUBECONFIG: _, K8TS_STATE_DIR: __, ...environment } = process.env;
const env = { ...environment, HOME: home };

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

function k8ts(...args: string[]): Promise<Outcome> {
  return new Promise(resolve => {
    execFile(process.execPath, [main, ...args], { env }, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? 1 : 0, stdout, stderr }),
    );
  });
}

async function succeed(...args: string[]): Promise<Outcome> {
  const outcome = await k8ts(...args);
  assert.equal(outcome.code, 0, `k8ts ${args.join(' ')}: ${outcome.stderr}`);
  return outcome;
}

afterEach(async () => {
  await k8ts('down', '--name', name);
  rmSync(join(home, '.kube'), { recursive: true, force: true });
});

after(() => {
  rmSync(home, { recursive: true, force: true });
});

async function client() {
  const { stdout } = await succeed('kubeconfig', '--name', name);
  const { clusters, users } = parse(stdout);
  const pem = (text: string) => Buffer.from(text, 'base64').toString();
  return httpClient({
    server: clusters[0].cluster.server,
    ca: pem(clusters[0].cluster['certificate-authority-data']),
    cert: pem(users[0].user['client-certificate-data']),
    key: pem(users[0].user['client-key-data']),
  });
}

async function eventually<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const deadline = systemClock.monotonic() + 30_000;
  for (let last: unknown; ; ) {
    try {
      const found = await look();
      if (found !== undefined) return found;
    } catch (error) {
      last = error;
    }
    if (systemClock.monotonic() > deadline) throw new Error(`waiting for ${what}: ${last}`);
    await systemClock.sleep(50);
  }
}

/** A container on each node, without scheduler, pull or pod network. */
async function runPods(): Promise<void> {
  const api = await client();
  try {
    await eventually('a service account', () =>
      api.create(coreV1.serviceaccounts, { metadata: { name: 'default', namespace: 'default' } }).catch(error => {
        if (!isAlreadyExists(error)) throw error;
        return true;
      }),
    );
    for (const node of ['node-1', 'node-2'])
      await eventually(`a pod on ${node}`, () =>
        api.create(coreV1.pods, {
          metadata: { name: `on-${node}`, namespace: 'default' },
          spec: {
            nodeName: node,
            hostNetwork: true,
            automountServiceAccountToken: false,
            containers: [{ name: 'main', image: pauseImageReference, imagePullPolicy: 'Never' }],
          },
        }),
      );
    for (const node of ['node-1', 'node-2'])
      await eventually(`the pod on ${node} to run`, async () => {
        const pod = await api.get<Pod>(coreV1.pods, { namespace: 'default', name: `on-${node}` });
        return pod.status?.phase === 'Running' ? pod : undefined;
      });
  } finally {
    api.close();
  }
}

const isOurs = (entry: string) =>
  entry.includes(`/${name}`) || entry.includes(`-${name}-`) || entry.includes(`k8ts-${name}`);

async function assertNothingLeft(before: Awaited<ReturnType<typeof lookAtMachine>>): Promise<void> {
  assert.deepEqual(newSince(before, await lookAtMachine(), isOurs), []);
  assert.ok(!existsSync(join(home, '.kube')), 'the kubeconfig is gone');
}

test('up, containers, stop, start, down: nothing is left', async () => {
  const before = await lookAtMachine();
  const up = await succeed('up', '--name', name, '--nodes', '2', '--no-wait', '-o', 'json');
  const data = JSON.parse(up.stdout);
  assert.deepEqual([data.name, data.nodes, data.context], [name, 2, `k8ts-${name}`]);
  assert.equal(parse(readFileSync(data.kubeconfig, 'utf8'))['current-context'], `k8ts-${name}`);
  await runPods();
  const during = newSince(before, await lookAtMachine(), isOurs);
  for (const kind of ['namespaces', 'mounts', 'cgroups', 'processes', 'files'])
    assert.ok(
      during.some(e => e.startsWith(`${kind}: `)),
      `a running cluster has ${kind}`,
    );
  for (const kind of ['links', 'rules', 'routes', 'forwarding'])
    assert.ok(!during.some(e => e.startsWith(`${kind}: `)), `the machine's ${kind} stay: ${during}`);

  const again = await succeed('up', '--name', name, '--no-wait', '-o', 'json');
  assert.equal(JSON.parse(again.stdout).alreadyRunning, true);
  const other = await k8ts('up', '--name', name, '--nodes', '3');
  assert.equal(other.code, 1);
  assert.match(other.stderr, /exists with nodes 2, not 3/);
  const status = JSON.parse((await k8ts('status', '--name', name, '-o', 'json')).stdout);
  assert.deepEqual(
    status.components.map((c: { name: string }) => c.name),
    ['server', 'node-1', 'node-2'],
  );
  assert.match((await succeed('image', 'ls', '--name', name)).stdout, /node-2 +k8ts\.local\/pause:1/);
  assert.match((await succeed('logs', 'node-1', '--name', name)).stdout, /containerd answers/);

  await succeed('stop', '--name', name);
  assert.deepEqual(labNamespaces(name), []);
  assert.equal((await k8ts('status', '--name', name)).code, 3);
  await succeed('start', '--name', name, '--no-wait');
  const api = await client();
  const pod = await eventually('the data of before', () =>
    api.get<Pod>(coreV1.pods, { namespace: 'default', name: 'on-node-1' }),
  );
  assert.equal(pod.spec?.nodeName, 'node-1');
  api.close();

  await succeed('down', '--name', name);
  await assertNothingLeft(before);
  assert.match((await succeed('down', '--name', name)).stderr, /No cluster named/);
});

test('down after kill -9 of everything of ours, with a damaged record: nothing is left', async () => {
  const before = await lookAtMachine();
  await succeed('up', '--name', name, '--nodes', '2', '--no-wait');
  await runPods();
  const { supervisor } = readState(paths)!;
  const agents = listProcesses().filter(
    p => p.command.some(a => a.startsWith(paths.state)) && p.command.includes('agent'),
  );
  assert.equal(agents.length, 2);
  for (const p of [supervisor!, ...agents]) process.kill(p.pid, 'SIGKILL');
  await eventually('them to end', async () => (![supervisor!, ...agents].some(isAlive) ? true : undefined));
  assert.equal((await k8ts('status', '--name', name)).code, 3);
  writeFileSync(paths.stateFile, '{"version": 1, "config"');
  const broken = await k8ts('status', '--name', name);
  assert.equal(broken.code, 1);
  assert.match(broken.stderr, new RegExp(`reading ${paths.stateFile}: it is damaged .*\\n.*k8ts down --name ${name}`));
  assert.equal((await k8ts('up', '--name', name)).code, 1);
  await succeed('down', '--name', name);
  // Who made the user's kubeconfig file stood in the record.
  rmSync(join(home, '.kube'), { recursive: true, force: true });
  await assertNothingLeft(before);
});

test('a port in use: a clear message, and nothing is left', async () => {
  const before = await lookAtMachine();
  const taken = createServer().listen(0, '127.0.0.1');
  await new Promise(resolve => taken.once('listening', resolve));
  const port = portOf(taken);
  try {
    for (const flags of [
      ['--api-port', `${port}`],
      ['-p', `${port}:30080`],
    ]) {
      const outcome = await k8ts('up', '--name', name, ...flags);
      assert.equal(outcome.code, 1);
      assert.match(
        outcome.stderr,
        new RegExp(`opening 127\\.0\\.0\\.1:${port} for .*: the port is in use by another program`),
      );
      await assertNothingLeft(before);
    }
  } finally {
    taken.close();
  }
});

test('two at once: one works, the other says who is at it', async () => {
  const before = await lookAtMachine();
  const outcomes = await Promise.all([1, 2].map(() => k8ts('up', '--name', name, '--nodes', '1', '--no-wait')));
  assert.ok(
    outcomes.some(o => o.code === 0),
    JSON.stringify(outcomes),
  );
  for (const o of outcomes.filter(o => o.code !== 0))
    assert.match(o.stderr, /is being worked on by "k8ts up" \(process \d+\)/);
  const { supervisor } = readState(paths)!;
  assert.ok(identityOf(supervisor!.pid));
  await succeed('down', '--name', name);
  await assertNothingLeft(before);
});

test('a published port leads to a port of the first node', async () => {
  const probe = createServer().listen(0, '127.0.0.1');
  await new Promise(resolve => probe.once('listening', resolve));
  const port = portOf(probe);
  await new Promise(resolve => probe.close(resolve));
  // The API server listens there as well, on the node's own address.
  await succeed('up', '--name', name, '--no-wait', '-p', `${port}:6443`);
  try {
    const { config } = readState(paths)!;
    assert.deepEqual(config.ports, [{ hostAddress: '127.0.0.1', hostPort: port, nodePort: 6443 }]);
    const api = await client();
    api.close();
    const { stdout } = await succeed('kubeconfig', '--name', name);
    const ca = Buffer.from(parse(stdout).clusters[0].cluster['certificate-authority-data'], 'base64').toString();
    const through = httpClient({ server: `https://127.0.0.1:${port}`, ca });
    const version = await eventually('the API behind the port', () => through.raw('/version'));
    assert.equal((version as { major: string }).major, '1');
    through.close();
  } finally {
    await succeed('down', '--name', name);
  }
});
