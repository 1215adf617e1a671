// What a machine looks like, for tests that compare before and after.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { exec } from '../host/exec.ts';
import { listProcesses } from '../host/process-identity.ts';
import { namespaceNames } from '../lab/lab.ts';
import { parseMounts } from '../lab/leftover.ts';

export type MachineLook = Readonly<Record<string, readonly string[]>>;

const lines = (text: string): string[] => text.split('\n').filter(Boolean);

function tree(directory: string, depth: number): string[] {
  if (depth === 0) return [];
  try {
    return readdirSync(directory, { withFileTypes: true }).flatMap(entry => {
      const path = join(directory, entry.name);
      return [path, ...(entry.isDirectory() ? tree(path, depth - 1) : [])];
    });
  } catch {
    return [];
  }
}

export async function lookAtMachine(): Promise<MachineLook> {
  const mounts = parseMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
  const cgroups = mounts
    .filter(m => m.type.startsWith('cgroup'))
    .flatMap(m => tree(m.path, 6).filter(p => !p.includes('.')));
  const [links, rules, routes] = await Promise.all([
    exec('ip', ['-o', 'link']),
    exec('nft', ['list', 'ruleset']),
    exec('ip', ['-4', 'route', 'show', 'table', 'all']),
  ]);
  return {
    links: lines(links).map(l => l.split(':')[1]!.trim()),
    rules: lines(rules),
    routes: lines(routes),
    forwarding: [readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim()],
    namespaces: namespaceNames(),
    mounts: mounts.map(m => m.path),
    cgroups,
    processes: listProcesses().map(p => `${p.pid} ${p.command.join(' ')}`),
    files: [
      '/var/lib/k8ts',
      '/run/k8ts',
      '/var/lib/cni',
      '/run/containerd',
      '/opt/containerd',
      '/var/log/pods',
      '/var/lib/kubelet',
    ]
      .filter(existsSync)
      .flatMap(d => [d, ...tree(d, 3)]),
  };
}

/**
 * What is new, by kind. Other tests may work on this machine at the same time: of kinds that they share only what
 * `isOurs` claims counts.
 */
export function newSince(before: MachineLook, after: MachineLook, isOurs: (entry: string) => boolean): string[] {
  const alone = new Set(['links', 'rules', 'routes', 'forwarding']);
  return Object.entries(after).flatMap(([kind, entries]) => {
    const known = new Set(before[kind]);
    return entries.filter(e => !known.has(e) && (alone.has(kind) || isOurs(e))).map(e => `${kind}: ${e}`);
  });
}
