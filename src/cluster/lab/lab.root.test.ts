import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { after, test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { exec } from '../host/exec.ts';
import { identityOf, isAlive } from '../host/process-identity.ts';
import { planLab } from './kernel/lab-plan.ts';
import { createLab, destroyLab, labIsUp, labNamespaces, machineCidrs, namespacePath, parseRoutes } from './lab.ts';
import { cgroupDirectories, killLeftovers, parseMounts, removeCgroup, unmountBelow } from './leftover.ts';

const cluster = `t${process.pid}`;
const machine = `k8tst-${process.pid}-machine`;

after(async () => {
  await destroyLab(cluster);
  await exec('ip', ['netns', 'del', machine]).catch(() => {});
});

const inNamespace = (namespace: string, ...command: string[]) =>
  exec('nsenter', [`--net=${namespacePath(namespace)}`, ...command]);

// What the machine's own namespace looks like from outside.
const machineLook = async () => ({
  links: await exec('ip', ['-o', 'link']),
  routes: await exec('ip', ['route', 'show', 'table', 'all']),
  rules: await exec('nft', ['list', 'ruleset']),
  forward: readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8'),
});

test('nodes reach each other, have no way out, and the machine stays untouched', async () => {
  const before = await machineLook();
  const plan = planLab({ cluster, nodes: 3, nodeCidr: '10.8.77.0/24', egress: false });
  await createLab(cluster, plan);
  assert.deepEqual(await machineLook(), before);
  assert.ok(labIsUp(plan));
  assert.equal(labNamespaces(cluster).length, 4);

  const [a, , c] = plan.nodes;
  const listen = `const s=require('net').createServer(x=>x.end('hello')).listen(8000,'${c!.address}',()=>process.stdout.write('up'))`;
  const server = spawn('nsenter', [`--net=${namespacePath(c!.namespace)}`, process.execPath, '-e', listen], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await new Promise(resolve => server.stdout.once('data', resolve));
    const ask = `require('net').connect(8000,'${c!.address}').on('data',d=>process.stdout.write(d))`;
    assert.equal(await inNamespace(a!.namespace, process.execPath, '-e', ask), 'hello');
  } finally {
    server.kill();
  }
  const routes = await inNamespace(a!.namespace, 'ip', 'route');
  assert.match(routes, /^10\.8\.77\.0\/24 dev eth0 proto kernel/);
  assert.ok(!routes.includes('default'));

  await destroyLab(cluster);
  assert.deepEqual(labNamespaces(cluster), []);
  assert.ok(!labIsUp(plan));
  assert.deepEqual(await machineLook(), before);
  await destroyLab(cluster);
});

test('a lab that cannot be made leaves nothing', async () => {
  const plan = planLab({ cluster, nodes: 2, nodeCidr: '10.8.77.0/24', egress: false });
  const broken = {
    ...plan,
    configure: [...plan.configure, { namespace: plan.switchNamespace, lines: ['link set nosuch up'] }],
  };
  await assert.rejects(createLab(cluster, broken), /running ip -n .*: Cannot find device "nosuch"/);
  assert.deepEqual(labNamespaces(cluster), []);
});

test('egress makes one link and one table, and removal takes both', async () => {
  await exec('ip', ['netns', 'add', machine]);
  const options = { machineNamespace: machine };
  const plan = planLab({ cluster, nodes: 1, nodeCidr: '10.8.78.0/24', egress: true });
  await createLab(cluster, plan, options);
  assert.match(await inNamespace(machine, 'nft', 'list', 'ruleset'), /masquerade/);
  assert.match(await inNamespace(machine, 'ip', '-o', 'link'), new RegExp(plan.egress!.link));
  assert.match(await inNamespace(plan.nodes[0]!.namespace, 'ip', 'route'), /default via 10\.8\.78\.1/);
  await destroyLab(cluster, options);
  assert.equal(await inNamespace(machine, 'nft', 'list', 'ruleset'), '');
  assert.ok(!(await inNamespace(machine, 'ip', '-o', 'link')).includes(plan.egress!.link));
});

test('leftovers: mounts, cgroups and their processes go', async () => {
  const directory = `/tmp/k8ts-left-${process.pid}`;
  const cgroup = `/k8tst-${process.pid}`;
  mkdirSync(`${directory}/a b`, { recursive: true });
  await exec('mount', ['-t', 'tmpfs', 'none', `${directory}/a b`]);
  await exec('mount', ['-t', 'tmpfs', 'none', `${directory}/a b`]);
  const hierarchy = parseMounts(readFileSync('/proc/self/mountinfo', 'utf8')).find(
    m => m.type === 'cgroup2' || m.path.endsWith('/pids'),
  )!;
  mkdirSync(`${hierarchy.path}${cgroup}/pod/container`, { recursive: true });
  const child = spawn(
    'sh',
    ['-c', `echo $$ > ${hierarchy.path}${cgroup}/pod/container/cgroup.procs; echo in; exec sleep 600`],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  await new Promise(resolve => child.stdout.once('data', resolve));
  // Version 2 does not tell the processes of a cgroup of threads.
  const unified = parseMounts(readFileSync('/proc/self/mountinfo', 'utf8')).find(m => m.type === 'cgroup2');
  if (unified) {
    mkdirSync(`${unified.path}${cgroup}/pod/threads`, { recursive: true });
    writeFileSync(`${unified.path}${cgroup}/pod/threads/cgroup.type`, 'threaded');
  }
  const identity = identityOf(child.pid!)!;
  const scope = { directories: [directory], cgroup };
  await killLeftovers(scope, systemClock);
  assert.ok(!isAlive(identity));
  await removeCgroup(cgroup, systemClock);
  assert.deepEqual(cgroupDirectories(cgroup), []);
  await unmountBelow([directory]);
  assert.ok(!readFileSync('/proc/self/mountinfo', 'utf8').includes(directory));
  await exec('rm', ['-r', directory]);
});

test('networks in use', () => {
  const text =
    'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n' +
    'eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\neth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n';
  assert.deepEqual(parseRoutes(text), ['192.0.2.0/24']);
  const own = Object.values(networkInterfaces()).flatMap(l => l!.filter(a => a.family === 'IPv4').map(a => a.cidr));
  for (const cidr of own) assert.ok(machineCidrs().includes(cidr!));
});
