// What a machine must have for nodes with containers, looked at one by one.
import { existsSync, readFileSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { bridgeFilterDirectory } from './host/bridge-filter.ts';
import { exec } from './host/exec.ts';
import { readIfThere } from './host/file.ts';
import { isLabNamespace } from './lab/kernel/lab-plan.ts';
import { namespaceNames } from './lab/lab.ts';
import { parseMounts } from './lab/leftover.ts';
import { needs, packageManager } from './setup.ts';
import { baseDirectories, clusterNames, isRoot } from './state.ts';
import { openListener } from './supervisor/listener.ts';

export interface Finding {
  readonly name: string;
  readonly level: 'ok' | 'warning' | 'problem';
  readonly found: string;
  /** What to do about it. */
  readonly remedy?: string;
}

type Check = (env: NodeJS.ProcessEnv) => Promise<readonly Finding[]>;

const ok = (name: string, found: string): Finding => ({ name, level: 'ok', found });
const warning = (name: string, found: string, remedy: string): Finding => ({ name, level: 'warning', found, remedy });
const problem = (name: string, found: string, remedy: string): Finding => ({ name, level: 'problem', found, remedy });

/** All findings, in a fixed order. */
export async function examine(env: NodeJS.ProcessEnv): Promise<Finding[]> {
  if (process.platform !== 'linux')
    return [problem('system', process.platform, 'nodes with containers need Linux; k8ts up --simulate works here')];
  const checks: Check[] = [programs, rights, kernel, bridgeFilter, cgroups, port, space, inotify, leftovers];
  return (await Promise.all(checks.map(check => check(env)))).flat();
}

async function programs(): Promise<Finding[]> {
  return needs.map(n => {
    if (n.present()) return ok(n.package, 'installed');
    const manager = packageManager();
    const name = (manager && n.elsewhere?.[manager]) ?? n.package;
    return problem(
      n.package,
      `missing; it ${n.why}`,
      `k8ts setup, or: ${manager ?? 'your package manager'} install ${name}`,
    );
  });
}

const capabilities = { CAP_NET_ADMIN: 12, CAP_SYS_CHROOT: 18, CAP_SYS_ADMIN: 21 };

async function rights(): Promise<Finding[]> {
  if (!isRoot()) return [problem('root', `user ${process.getuid?.()}`, 'run it with sudo, or use k8ts up --simulate')];
  const effective = BigInt(
    `0x${/^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'}`,
  );
  const has = (bit: number) => ((effective >> BigInt(bit)) & 1n) === 1n;
  const missing = Object.entries(capabilities).filter(([, bit]) => !has(bit));
  const findings = missing.map(([name]) =>
    problem(name, 'missing', 'give this container or session that capability (docker run --privileged)'),
  );
  if (!has(24))
    findings.push(
      warning(
        'CAP_SYS_RESOURCE',
        'missing',
        'nothing to do: containerd is told not to lower oom_score_adj below its own',
      ),
    );
  return findings.length ? findings : [ok('root', 'with all capabilities that nodes need')];
}

// Tried, not looked up: a feature may be built in, a module that loads on demand, or forbidden.
async function kernel(): Promise<Finding[]> {
  const release = (readIfThere('/proc/sys/kernel/osrelease') ?? '?').trim();
  const findings = [ok('kernel', release)];
  const overlay =
    /\boverlay\b/.test(readIfThere('/proc/filesystems') ?? '') ||
    existsSync(`/lib/modules/${release}/kernel/fs/overlayfs`);
  findings.push(
    overlay
      ? ok('overlayfs', 'available')
      : problem('overlayfs', 'not in this kernel', 'modprobe overlay, or another kernel'),
  );
  if (!isRoot()) return findings;
  const trial = (name: string, command: readonly string[], input: string, needed: boolean, module = name) =>
    exec('unshare', ['--net', ...command], { input }).then(
      () => ok(name, 'works'),
      error => (needed ? problem : warning)(name, firstLine(error), `modprobe ${module}, or a kernel that has it`),
    );
  const link = (type: string, more: string, needed: boolean) =>
    trial(type, ['ip', '-batch', '-'], `link add probe0 type ${type}${more}\n`, needed);
  const rules =
    'table ip probe {\n set s { type ipv4_addr . inet_service; }\n chain c {\n type nat hook prerouting priority dstnat;\n' +
    ' fib daddr type local dnat to 10.0.0.1\n }\n}\n';
  const tried = await Promise.all([
    link('bridge', '', true),
    link('veth', ' peer name probe1', true),
    link('vxlan', ' id 1 dstport 4789', false),
    trial('nftables', ['nft', '-f', '-'], rules, true, 'nf_tables'),
  ]);
  return [...findings, ...tried];
}

const firstLine = (error: unknown): string => (error as Error).message.split('\n')[0]!;

async function bridgeFilter(): Promise<Finding[]> {
  if (existsSync(`${bridgeFilterDirectory}/bridge-nf-call-iptables`)) return [ok('br_netfilter', 'loaded')];
  const why = 'without it pods cannot reach a service backed by a neighbour';
  const release = (readIfThere('/proc/sys/kernel/osrelease') ?? '').trim();
  if (/\/br_netfilter\.ko\S*:/.test(readIfThere(`/lib/modules/${release}/modules.dep`) ?? ''))
    return [ok('br_netfilter', 'not loaded yet: up does that')];
  return [problem('br_netfilter', `not loaded: ${why}`, 'modprobe br_netfilter, or a kernel that has it')];
}

const controllers = ['cpu', 'memory', 'pids'];

async function cgroups(): Promise<Finding[]> {
  const mounts = parseMounts(readIfThere('/proc/self/mountinfo') ?? '');
  const unified = readIfThere('/sys/fs/cgroup/cgroup.controllers');
  const version = unified === undefined ? 1 : 2;
  const present =
    unified === undefined
      ? mounts.filter(m => m.type === 'cgroup').flatMap(m => m.path.split('/').at(-1)!.split(','))
      : unified.trim().split(' ');
  const missing = controllers.filter(c => !present.includes(c));
  if (missing.length === 0) return [ok('cgroups', `version ${version} with ${present.join(', ')}`)];
  return [
    problem(
      'cgroups',
      `version ${version} without ${missing.join(', ')}`,
      version === 2
        ? 'enable them in /sys/fs/cgroup/cgroup.subtree_control of the parent'
        : 'mount them below /sys/fs/cgroup',
    ),
  ];
}

async function port(): Promise<Finding[]> {
  try {
    (await openListener({ name: 'API', host: '127.0.0.1', port: 6443 })).close();
    return [ok('port 6443', 'free')];
  } catch {
    return [warning('port 6443', 'in use', 'nothing to do: up takes another port')];
  }
}

const gibibyte = 2 ** 30;

async function space(env: NodeJS.ProcessEnv): Promise<Finding[]> {
  let directory = baseDirectories(env).state;
  while (!existsSync(directory)) directory = dirname(directory);
  const { bavail, bsize } = statfsSync(directory);
  const free = (bavail * bsize) / gibibyte;
  const found = `${free.toFixed(1)} GiB free in ${directory}`;
  const remedy = 'free some: k8ts list shows clusters, k8ts down removes one';
  if (free < 1) return [problem('disk', found, remedy)];
  return [free < 5 ? warning('disk', found, remedy) : ok('disk', found)];
}

async function inotify(): Promise<Finding[]> {
  const limit = Number(readIfThere('/proc/sys/fs/inotify/max_user_instances') ?? 0);
  if (limit >= 256) return [ok('inotify', `${limit} instances a user`)];
  return [
    warning(
      'inotify',
      `only ${limit} instances a user: enough for some pods`,
      'sysctl fs.inotify.max_user_instances=1024',
    ),
  ];
}

async function leftovers(env: NodeJS.ProcessEnv): Promise<Finding[]> {
  const known = clusterNames(env);
  const orphans = namespaceNames().filter(n => n.startsWith('k8ts-') && !known.some(name => isLabNamespace(name, n)));
  const owners = [...new Set(orphans.map(n => n.replace(/^k8ts-(.*)-(switch|node-\d+)$/, '$1')))];
  if (owners.length === 0) return [ok('leftovers', 'none')];
  return owners.map(name => warning('leftovers', `network namespaces of cluster ${name}`, `k8ts down --name ${name}`));
}
