// Programs that a node needs and a fresh machine lacks, installed through the system's package manager.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from '../cri/command.ts';
import { exec } from './host/exec.ts';

export type PackageManager = 'apt-get' | 'dnf' | 'apk' | 'pacman' | 'zypper';

export interface Need {
  /** Debian's name of the package. */
  readonly package: string;
  readonly why: string;
  /** Names that differ from Debian's. */
  readonly elsewhere?: Partial<Record<PackageManager, string>>;
  present(): boolean;
}

const program = (name: string) => () => findProgram(name) !== undefined;
const cniDirectories = ['/opt/cni/bin', '/usr/lib/cni', '/usr/libexec/cni'];
const cniPlugins = ['bridge', 'host-local', 'portmap', 'loopback'];

export const needs: readonly Need[] = [
  { package: 'containerd', why: 'runs containers', present: program('containerd') },
  { package: 'runc', why: 'starts a container', present: program('runc') },
  {
    package: 'containernetworking-plugins',
    why: "connects pods to the node's network",
    elsewhere: { apk: 'cni-plugins', pacman: 'cni-plugins', zypper: 'cni-plugins' },
    present: () => cniDirectories.some(d => cniPlugins.every(p => existsSync(join(d, p)))),
  },
  { package: 'nftables', why: "holds the services' rules", present: program('nft') },
  {
    package: 'conntrack',
    why: 'forgets connections to endpoints that are gone',
    elsewhere: {
      dnf: 'conntrack-tools',
      apk: 'conntrack-tools',
      pacman: 'conntrack-tools',
      zypper: 'conntrack-tools',
    },
    present: program('conntrack'),
  },
  {
    package: 'iproute2',
    why: "makes the nodes' networks",
    elsewhere: { dnf: 'iproute' },
    present: program('ip'),
  },
  {
    package: 'util-linux',
    why: 'runs a program in a network namespace',
    present: () => program('nsenter')() && program('umount')(),
  },
  {
    package: 'busybox-static',
    why: 'is what small images for tests are made of',
    elsewhere: { dnf: 'busybox', pacman: 'busybox', zypper: 'busybox-static' },
    present: program('busybox'),
  },
];

/** Not for running a cluster: tests of the store in etcd, and of etcd in pods, are left out without it. */
export const etcdNeeds: readonly Need[] = [
  {
    package: 'etcd-server',
    why: 'is what the store in etcd is tested on',
    elsewhere: { dnf: 'etcd', apk: 'etcd', pacman: 'etcd', zypper: 'etcd' },
    present: program('etcd'),
  },
  {
    package: 'etcd-client',
    why: 'asks an etcd that runs in pods',
    elsewhere: { dnf: 'etcd', apk: 'etcd-ctl', pacman: 'etcd', zypper: 'etcdctl' },
    present: program('etcdctl'),
  },
];

export const missingNeeds = (all: readonly Need[] = needs): Need[] => all.filter(n => !n.present());

export function packageManager(has: (name: string) => boolean = program2): PackageManager | undefined {
  const known: PackageManager[] = ['apt-get', 'dnf', 'apk', 'pacman', 'zypper'];
  return known.find(has);
}

const program2 = (name: string): boolean => findProgram(name) !== undefined;

export interface Step {
  readonly title: string;
  readonly command: readonly [string, ...string[]];
}

/** The commands that install `missing`, the package lists first where they have to be fetched. */
export function installSteps(manager: PackageManager, missing: readonly Need[], listsFresh: boolean): Step[] {
  const names = [...new Set(missing.map(n => n.elsewhere?.[manager] ?? n.package))];
  const title = `installing ${names.join(', ')}`;
  switch (manager) {
    case 'apt-get': {
      const update: Step = { title: 'fetching package lists', command: ['apt-get', '-q', 'update'] };
      const options = ['-q', '-y', '--no-install-recommends', '-o', 'Dpkg::Use-Pty=0'];
      const install: Step = { title, command: ['apt-get', ...options, 'install', ...names] };
      return listsFresh ? [install] : [update, install];
    }
    case 'dnf':
      return [{ title, command: ['dnf', '-y', 'install', ...names] }];
    case 'apk':
      return [{ title, command: ['apk', 'add', ...names] }];
    case 'pacman':
      return [{ title, command: ['pacman', '-Sy', '--noconfirm', '--needed', ...names] }];
    case 'zypper':
      return [{ title, command: ['zypper', '--non-interactive', 'install', ...names] }];
  }
}

/** False on a fresh container image, where apt has no lists at all, and always when in doubt. */
export function aptListsThere(directory = '/var/lib/apt/lists'): boolean {
  try {
    return readdirSync(directory).some(n => n.endsWith('_Packages') || n.endsWith('_Packages.lz4'));
  } catch {
    return false;
  }
}

/** Runs one step; `onLine` gets what the package manager says. */
export async function runStep(step: Step, onLine: (line: string) => void, signal: AbortSignal): Promise<void> {
  const [command, ...args] = step.command;
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', NEEDRESTART_MODE: 'l' };
  await exec(command, args, { env, signal, onLine });
}
