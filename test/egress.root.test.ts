// `up --egress on` with real nodes. The machine and the world outside are network namespaces of this test: a veth pair
// joins them, and neither has another way out.
// Runs beside others: what it takes for the machine and the world are namespaces of its own.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { mainScript } from '../bin/entry.js';
import { exec } from '../src/cluster/host/exec.ts';
import { isLoopback } from '../src/cluster/host/resolver.ts';
import { labNamespaces, namespacePath } from '../src/cluster/lab/lab.ts';
import { type ClusterPaths, clusterPaths, readState, writeState } from '../src/cluster/state.ts';
import { eventually, loadBusybox, newLab } from './lab.ts';

const machine = `k8tst-${process.pid}-machine`;
const outside = `k8tst-${process.pid}-outside`;
const site = '203.0.113.80';
const siteName = 'site.example.test';
const uplink = { machine: '198.51.100.2', outside: '198.51.100.1' };
const enter = (namespace: string) => ['nsenter', `--net=${namespacePath(namespace)}`];
const lab = newLab('egress', enter(machine));
const image = 'k8ts.test/busybox:1';
/** Nodes ask the resolver that this machine asks; in here its address leads to one of ours. */
const resolver = readFileSync('/etc/resolv.conf', 'utf8')
  .split('\n')
  .flatMap(line => /^nameserver\s+(\S+)/.exec(line)?.[1] ?? [])
  .find(address => isIPv4(address) && !isLoopback(address));
const main = mainScript();
let server: ChildProcess | undefined;

const inside = async (namespace: string, ...command: string[]): Promise<string> => {
  const [program, ...args] = [...enter(namespace), ...command] as [string, ...string[]];
  return exec(program, args);
};
const kubectl = async (...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await lab.run('kubectl', args);
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: exit ${code}: ${stderr}${stdout}`);
  return stdout;
};
const machineLook = async () => ({
  links: (await inside(machine, 'ip', '-o', 'link')).split('\n').map(l => l.split(':')[1]),
  routes: await inside(machine, 'ip', '-4', 'route', 'show', 'table', 'all'),
  rules: await inside(machine, 'nft', 'list', 'ruleset'),
  forwarding: await inside(machine, 'cat', '/proc/sys/net/ipv4/ip_forward'),
});
let machineBefore: Awaited<ReturnType<typeof machineLook>>;

before(async () => {
  for (const namespace of [machine, outside]) {
    await exec('ip', ['netns', 'add', namespace]);
    await exec('ip', ['-n', namespace, 'link', 'set', 'lo', 'up']);
  }
  await exec('ip', ['link', 'add', 'up0', 'netns', machine, 'type', 'veth', 'peer', 'name', 'up0', 'netns', outside]);
  for (const [namespace, address] of [
    [machine, uplink.machine],
    [outside, uplink.outside],
  ] as const) {
    await exec('ip', ['-n', namespace, 'addr', 'add', `${address}/24`, 'dev', 'up0']);
    await exec('ip', ['-n', namespace, 'link', 'set', 'up0', 'up']);
  }
  await exec('ip', ['-n', machine, 'route', 'add', 'default', 'via', uplink.outside]);
  for (const address of [site, ...(resolver ? [resolver] : [])])
    await exec('ip', ['-n', outside, 'addr', 'add', `${address}/32`, 'dev', 'lo']);
  await inside(machine, 'sh', '-c', 'echo 0 > /proc/sys/net/ipv4/ip_forward');
  const [program, ...args] = enter(outside) as [string, string];
  const script = join(import.meta.dirname, 'outside.cjs');
  server = spawn(program, [...args, process.execPath, script, site, resolver ?? '', siteName], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((done, failed) => server!.once('exit', failed).stdout!.once('data', done));
  machineBefore = await machineLook();
  await lab.k8ts('up', '--nodes', '2', '--egress', 'on');
  await loadBusybox(lab, image);
});

after(async () => {
  await lab.dispose();
  server?.kill();
  for (const namespace of [machine, outside]) await exec('ip', ['netns', 'del', namespace]).catch(() => {});
});

/** What the site says; busybox's wget dies of its static C library. */
const ask = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 ${site} 80 | tail -n 1`;

const run = async (name: string, node: string, script: string) => {
  const container = { name: 'main', image, imagePullPolicy: 'Never', command: ['sh', '-c', script] };
  const spec = { nodeName: node, restartPolicy: 'Never', terminationGracePeriodSeconds: 1, containers: [container] };
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name, labels: { app: name } }, spec };
  const outcome = await lab.run('kubectl', ['create', '-f', '-'], { input: JSON.stringify(pod) });
  assert.equal(outcome.code, 0, outcome.stderr);
};
const said = (name: string) =>
  eventually(`the end of ${name}`, async () => {
    const phase = await kubectl('get', 'pod', name, '-o', 'jsonpath={.status.phase}');
    return (phase === 'Succeeded' || phase === 'Failed') && `${phase}: ${await kubectl('logs', name)}`;
  });

test('pods and nodes reach the world as the machine, by address and by name; the cluster stays what it is', async () => {
  await eventually('the service account', () => kubectl('get', 'serviceaccount', 'default'));
  for (const node of ['node-1', 'node-2']) await run(`by-address-${node}`, node, ask);
  for (const node of ['node-1', 'node-2'])
    assert.equal(await said(`by-address-${node}`), `Succeeded: you are ${uplink.machine}`);
  const onNode = `exec 2>&1; ${ask.replaceAll(/\b(nc|tail) /g, 'busybox $1 ')}`;
  assert.equal(await inside(`k8ts-${lab.name}-node-2`, 'sh', '-c', onNode), `you are ${uplink.machine}`);
  // Names of the cluster are its own, others are the resolver's.
  const lookUp = (name: string) => `nslookup -type=a ${name} | grep -A 1 '^Name' | grep '^Address'`;
  await run('by-name', 'node-2', `${lookUp('kubernetes.default.svc.cluster.local')}; ${lookUp(siteName)}`);
  const [own, other] = ['Address: 10.96.0.1\n', `Address: ${site}\n`];
  assert.equal(await said('by-name'), resolver ? `Succeeded: ${own}${other}` : `Failed: ${own}`);
});

test('the world does not reach nodes through the machine, even when it knows the way; the machine does', async () => {
  const node = readState(clusterPaths(lab.name, lab.env))!.nodeCidr!.replace('.0/24', '.10');
  await exec('ip', ['-n', outside, 'route', 'add', `${node}/32`, 'via', uplink.machine]);
  const connect = `require('net').connect({host:'${node}',port:10250,timeout:1500}).on('connect',()=>{console.log('open');process.exit()})
    .on('timeout',()=>{console.log('timeout');process.exit()}).on('error',e=>console.log(e.code))`;
  assert.equal(await inside(machine, process.execPath, '-e', connect), 'open\n');
  assert.equal(await inside(outside, process.execPath, '-e', connect), 'timeout\n');
});

test('down takes the link, the table and the forwarding, and nothing else', async () => {
  const during = await machineLook();
  assert.equal(during.forwarding.trim(), '1');
  assert.match(during.rules, new RegExp(`comment "k8ts cluster ${lab.name}"`));
  assert.equal(during.links.length, machineBefore.links.length + 1);
  await lab.k8ts('stop');
  assert.ok(!(await machineLook()).rules.includes(lab.name), 'a stopped cluster has no rules');
  await lab.k8ts('start');
  await run('again', 'node-1', ask);
  assert.equal(await said('again'), `Succeeded: you are ${uplink.machine}`);
  // Another cluster that needs the forwarding as well, made when it was on already.
  const [own, other] = [lab.name, `${lab.name}b`].map(name => clusterPaths(name, lab.env)) as [
    ClusterPaths,
    ClusterPaths,
  ];
  const { setForwarding, supervisor: _, kubeconfig: __, ...state } = readState(own)!;
  assert.equal(setForwarding, true);
  writeState(other, { ...state, config: { ...state.config, name: other.name } });
  await lab.k8ts('down');
  assert.equal((await machineLook()).forwarding.trim(), '1');
  assert.equal((await lab.run(process.execPath, [main, 'down', '--name', other.name])).code, 0);
  assert.deepEqual(await machineLook(), machineBefore);
  assert.deepEqual(labNamespaces(lab.name), []);
});

test('killed while it opens the way out: down leaves nothing', async () => {
  const [program, ...args] = [...enter(machine), process.execPath, main, 'up', '--egress', 'on', '--name', lab.name];
  const child = spawn(program!, args, { env: lab.env, stdio: 'ignore' });
  const ended = new Promise(done => child.once('exit', done));
  await eventually('the link', async () => (await inside(machine, 'ip', '-o', 'link')).includes('k8ts-'));
  child.kill('SIGKILL');
  await ended;
  await lab.k8ts('down');
  assert.deepEqual(await machineLook(), machineBefore);
  assert.deepEqual(labNamespaces(lab.name), []);
});
