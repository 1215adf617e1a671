// Logs, exec, attach, cp, port-forward and proxies on a real node, by stock kubectl.
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { mainScript } from '../../../bin/entry.js';
import { systemClock } from '../../base/clock.ts';
import { busyboxArchive, busyboxImage } from '../../cri/test-containerd.ts';

const name = `s${process.pid}`;
const home = mkdtempSync(join(tmpdir(), 'k8ts-stream-'));
const main = mainScript();
const { KUBECONFIG: _, K8TS_STATE_DIR: __, ...environment } = process.env;
const env: NodeJS.ProcessEnv = { ...environment, HOME: home, KUBECONFIG: join(home, 'config') };
const overSpdy = { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false', KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false' };

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

interface RunOptions {
  readonly extra?: Readonly<Record<string, string>>;
  readonly input?: string | Buffer;
}

function run(program: string, args: readonly string[], { extra, input }: RunOptions = {}): Promise<Outcome> {
  return new Promise(resolve => {
    const options = { env: { ...env, ...extra }, timeout: 60_000, maxBuffer: 64 << 20 };
    const child = execFile(program, args, options, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr }),
    );
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}

const k8ts = (...args: string[]) => run(process.execPath, [main, ...args, '--name', name]);
const kubectl = (args: readonly string[], options?: RunOptions) => run('kubectl', args, options);

async function succeed(outcome: Promise<Outcome>): Promise<string> {
  const { code, stdout, stderr } = await outcome;
  assert.equal(code, 0, stderr + stdout);
  return stdout;
}

async function until<T>(what: string, probe: () => Promise<T | undefined | false>): Promise<T> {
  for (const endMs = systemClock.monotonic() + 30_000; ; ) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    if (systemClock.monotonic() > endMs) throw new Error(`${what} did not come about`);
    await systemClock.sleep(50);
  }
}

const container = (name: string, script: string, more: object = {}) => ({
  name,
  image: busyboxImage,
  imagePullPolicy: 'Never',
  command: ['/bin/sh', '-c', script],
  ...more,
});

const page = '<html><a href="/x">a</a> <a href="y">b</a> <img src="http://other/z"></html>';
const web = `busybox mkdir -p /www/d; echo '${page}' > /www/index.html; echo plain > /www/d/f.txt; exec busybox httpd -f -p 8080 -h /www`;

const pods = [
  {
    metadata: { name: 'p', namespace: 'default', annotations: { 'kubectl.kubernetes.io/default-container': 'app' } },
    spec: {
      containers: [
        container(
          'app',
          'for i in 1 2 3; do echo line $i; done; busybox sleep 0.3; echo oops >&2; while true; do busybox sleep 1; done',
        ),
        container('web', web, { ports: [{ containerPort: 8080, name: 'http' }] }),
        container('shell', 'while read line; do echo "got $line"; done', { stdin: true }),
      ],
    },
  },
  {
    metadata: { name: 'again', namespace: 'default' },
    spec: { containers: [container('app', 'echo run $(busybox date +%s); busybox sleep 1; exit 3')] },
  },
  {
    metadata: { name: 'stuck', namespace: 'default' },
    spec: { containers: [{ ...container('app', 'true'), image: 'k8ts.local/none:1' }] },
  },
];

const children: ChildProcess[] = [];

before(async () => {
  const archive = join(home, 'busybox.tar');
  writeFileSync(archive, busyboxArchive());
  await succeed(k8ts('up', '--nodes', '1'));
  writeFileSync(env.KUBECONFIG!, await succeed(k8ts('kubeconfig')));
  await succeed(k8ts('image', 'load', archive));
  const items = pods.map(p => ({
    apiVersion: 'v1',
    kind: 'Pod',
    ...p,
    spec: { nodeName: 'node-1', terminationGracePeriodSeconds: 0, ...p.spec },
  }));
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  await succeed(kubectl(['create', '--validate=false', '-f', '-'], { input: list }));
  await succeed(kubectl(['wait', '--for=condition=Ready', 'pod/p', '--timeout=30s']));
  await until('output', async () => (await kubectl(['logs', 'p'])).stdout.includes('oops'));
});

after(async () => {
  for (const child of children) child.kill('SIGKILL');
  await k8ts('down');
  rmSync(home, { recursive: true, force: true });
});

/** Starts kubectl and resolves with the text once it matches. */
function start(args: readonly string[], pattern: RegExp, extra: object = {}) {
  const child = spawn('kubectl', args, { env: { ...env, ...extra } });
  children.push(child);
  let text = '';
  const matched = new Promise<RegExpMatchArray>((resolve, reject) => {
    const see = (chunk: Buffer) => {
      text += chunk;
      const match = text.match(pattern);
      if (match) resolve(match);
    };
    child.stdout.on('data', see);
    child.stderr.on('data', see);
    child.on('exit', code => reject(new Error(`kubectl ${args.join(' ')} ended with ${code}: ${text}`)));
  });
  const ended = new Promise<void>(resolve => child.once('exit', () => resolve()));
  return { child, matched, ended, text: () => text };
}

test('logs: all, tail, since, timestamps, bytes, default container', async () => {
  assert.equal(await succeed(kubectl(['logs', 'p'])), 'line 1\nline 2\nline 3\noops\n');
  assert.equal(await succeed(kubectl(['logs', 'p', '--tail=2'])), 'line 3\noops\n');
  assert.equal(await succeed(kubectl(['logs', 'p', '--limit-bytes=3'])), 'lin');
  assert.match(await succeed(kubectl(['logs', 'p', '--timestamps', '--tail=1'])), /^\d{4}-.*T.*\.\d{9}\S+ oops\n$/);
  assert.equal(await succeed(kubectl(['logs', 'p', '--since-time=2100-01-01T00:00:00Z'])), '');
  assert.equal(await succeed(kubectl(['logs', 'p', '--since=1h'])), 'line 1\nline 2\nline 3\noops\n');
});

test('logs follow, also over HTTP/1.1 of a proxy, and end with the container', async () => {
  const follow = start(['logs', '-f', 'p', '-c', 'shell'], /got follow-me/);
  const shell = start(['attach', '-i', 'p', '-c', 'shell'], /got follow-me/);
  shell.child.stdin.write('follow-me\n');
  await Promise.all([follow.matched, shell.matched]);
  for (const { child, ended } of [follow, shell]) {
    child.kill();
    await ended;
  }
  const outcome = await kubectl(['logs', '-f', 'again']);
  assert.match(outcome.stdout, /^run \d+\n$/);
});

test('logs of the container before, and of one that never started', async () => {
  await until('a restart', async () => (await kubectl(['logs', 'again', '--previous'])).code === 0);
  assert.match(await succeed(kubectl(['logs', 'again', '--previous'])), /^run \d+\n$/);
  const before = await kubectl(['logs', 'p', '--previous']);
  assert.match(before.stderr, /previous terminated container "app" in pod "p" not found/);
  const stuck = await until('a refusal', async () => {
    const { stderr } = await kubectl(['logs', 'stuck']);
    return /image|never|Never/.test(stderr) && stderr;
  });
  assert.match(stuck, /container "app" in pod "stuck" is waiting to start: ErrImageNeverPull/);
});

for (const [way, extra] of [
  ['WebSocket', {}],
  ['SPDY', overSpdy],
] as const)
  describe(way, () => {
    test('exec: output, input, exit codes, failures', async () => {
      const said = await kubectl(['exec', 'p', '--', 'sh', '-c', 'echo out; echo err >&2'], { extra });
      assert.deepEqual(said, { code: 0, stdout: 'out\n', stderr: 'err\n' });
      const failed = await kubectl(['exec', 'p', '--', 'sh', '-c', 'exit 42'], { extra });
      assert.equal(failed.code, 42);
      assert.match(failed.stderr, /command terminated with exit code 42/);
      const big = Buffer.alloc(2 << 20, 'abcdefgh\n');
      const sum = await kubectl(['exec', '-i', 'p', '--', 'busybox', 'md5sum'], { extra, input: big });
      assert.equal(sum.stdout.split(' ')[0], createHash('md5').update(big).digest('hex'), sum.stderr);
      const echoed = await kubectl(['exec', '-i', 'p', '--', 'busybox', 'cat'], { extra, input: big });
      assert.equal(echoed.stdout.length, big.length);
      const none = await kubectl(['exec', 'p', '--', 'nonesuch'], { extra });
      assert.match(none.stderr, /executable file not found/);
      const nowhere = await kubectl(['exec', 'p', '-c', 'nope', '--', 'true'], { extra });
      assert.match(nowhere.stderr, /container nope is not valid for pod p/);
    });

    test('exec with a terminal', async () => {
      const wait = 'until busybox stty size | busybox grep "33 91"; do busybox sleep 0.05; done; busybox tty';
      const command = `stty rows 33 cols 91; kubectl exec -it p -- sh -c '${wait}'`;
      const said = await run('script', ['-qec', command, '/dev/null'], { extra });
      assert.equal(said.code, 0, said.stdout);
      assert.match(said.stdout, /33 91\r\n\/dev\/pts\/\d+\r\n/);
    });

    test('attach', async () => {
      const shell = start(['attach', '-i', 'p', '-c', 'shell'], new RegExp(`got hello-${way}`), extra);
      shell.child.stdin.write(`hello-${way}\n`);
      await shell.matched;
      shell.child.kill();
      await shell.ended;
    });

    test('cp both ways', async () => {
      const file = join(home, `big-${way}`);
      const bytes = Buffer.alloc(3 << 20, `${way} bytes `);
      writeFileSync(file, bytes);
      // kubectl cp needs a tar in the container: busybox under that name.
      await succeed(kubectl(['exec', 'p', '--', 'busybox', 'ln', '-sf', '/bin/busybox', '/bin/tar'], { extra }));
      await succeed(kubectl(['cp', file, 'p:/tmp/big', '-c', 'app'], { extra }));
      await succeed(kubectl(['cp', 'p:/tmp/big', `${file}-back`, '-c', 'app'], { extra }));
      assert.ok(readFileSync(`${file}-back`).equals(bytes));
    });

    test('port-forward', async () => {
      const forward = start(
        ['port-forward', '-v=4', 'pod/p', ':8080', ':81'],
        /127\.0\.0\.1:(\d+) -> 8080[\s\S]*127\.0\.0\.1:(\d+) -> 81/,
        extra,
      );
      const [, port] = await forward.matched;
      // Without falling back from WebSocket.
      assert.doesNotMatch(forward.text(), /fallback/i);
      const texts = await Promise.all(
        Array.from({ length: 10 }, async () => (await fetch(`http://127.0.0.1:${port}/d/f.txt`)).text()),
      );
      assert.deepEqual(new Set(texts), new Set(['plain\n']));
      forward.child.kill();
      await forward.ended;
    });
  });

test('proxies of pods and nodes bend links and hide nothing else', async () => {
  const path = '/api/v1/namespaces/default/pods/p:8080/proxy';
  const text = await succeed(kubectl(['get', '--raw', `${path}/`]));
  assert.equal(text.trim(), page.replace('"/x"', `"${path}/x"`));
  assert.equal(await succeed(kubectl(['get', '--raw', `${path}/d/f.txt`])), 'plain\n');
  const named = path.replace('p:8080', 'http:p:http');
  assert.equal(await succeed(kubectl(['get', '--raw', `${named}/d/f.txt`])), 'plain\n');
  const refused = await kubectl(['get', '--raw', `${path.replace('8080', '81')}/`]);
  assert.match(refused.stderr, /error trying to reach service: dial tcp 10\.\S+:81: connect: connection refused/);
  assert.equal(await succeed(kubectl(['get', '--raw', '/api/v1/nodes/node-1/proxy/healthz'])), 'ok');
  const list = JSON.parse(await succeed(kubectl(['get', '--raw', '/api/v1/nodes/node-1:10250/proxy/pods'])));
  assert.deepEqual(list.items.map((p: { metadata: { name: string } }) => p.metadata.name).sort(), [
    'again',
    'p',
    'stuck',
  ]);
});

test('a service is proxied to an endpoint that is ready', async () => {
  const ip = (await succeed(kubectl(['get', 'pod', 'p', '-o', 'jsonpath={.status.podIP}']))).trim();
  const slice = (name: string, address: string, ready: boolean) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace: 'default', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: [{ addresses: [address], conditions: { ready } }],
  });
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'default' },
    spec: { ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
  };
  const create = (...items: object[]) =>
    succeed(
      kubectl(['create', '--validate=false', '-f', '-'], {
        input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
      }),
    );
  await create(service);
  const path = (port: string) => `/api/v1/namespaces/default/services/web${port}/proxy/d/f.txt`;
  const none = await kubectl(['get', '--raw', path(':80')]);
  assert.match(none.stderr, /no endpoints available for service "web"/);
  await create(slice('web-1', ip, true), slice('web-2', '10.255.255.1', false));
  for (const port of [':80', ':http']) assert.equal(await succeed(kubectl(['get', '--raw', path(port)])), 'plain\n');
  assert.match((await kubectl(['get', '--raw', path(':81')])).stderr, /no service port 81 found for service "web"/);
});

test('figures of the node and its pods', async () => {
  const at = (path: string) => succeed(kubectl(['get', '--raw', `/api/v1/nodes/node-1/proxy/${path}`]));
  const summary = JSON.parse(await at('stats/summary'));
  const pod = summary.pods.find((p: { podRef: { name: string } }) => p.podRef.name === 'p');
  assert.deepEqual(pod.containers.map((c: { name: string }) => c.name).sort(), ['app', 'shell', 'web']);
  for (const of of [summary.node, pod, ...pod.containers]) {
    assert.ok(of.cpu.usageCoreNanoSeconds > 0);
    assert.ok(of.memory.workingSetBytes > 0);
  }
  assert.equal(pod.network.name, 'eth0');
  assert.ok(pod.network.txBytes > 0);
  assert.match(
    await at('metrics/resource'),
    /container_memory_working_set_bytes\{container="web",namespace="default",pod="p"\} [1-9]/,
  );
  assert.match(
    await at('metrics/cadvisor'),
    /container_network_receive_bytes_total\{interface="eth0",namespace="default",pod="p"\}/,
  );
  assert.match(await at('metrics'), /kubelet_running_pods [1-9]/);
});

test('kubectl proxy: requests, redirects and following logs over HTTP/1.1', async () => {
  const proxy = start(['proxy', '--port=0'], /127\.0\.0\.1:(\d+)/);
  const [, port] = await proxy.matched;
  const api = `http://127.0.0.1:${port}/api/v1/namespaces/default`;
  const moved = await fetch(`${api}/pods/p:8080/proxy`, { redirect: 'manual' });
  assert.deepEqual(
    [moved.status, moved.headers.get('location')],
    [301, '/api/v1/namespaces/default/pods/p:8080/proxy/'],
  );
  assert.equal((await fetch(`${api}/pods/p:8080/proxy/nothing`)).status, 404);
  assert.equal(await (await fetch(`${api}/pods/p/log?container=app&tailLines=1`)).text(), 'oops\n');
  const invalid = await fetch(`${api}/pods/p/log?tailLines=-1`);
  assert.deepEqual(
    [invalid.status, ((await invalid.json()) as { message: string }).message],
    [422, 'PodLogOptions "p" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0'],
  );
  proxy.child.kill();
  await proxy.ended;
});
