// Finds and removes what a cluster's nodes left on the machine: processes, mounts, cgroups, sockets, files.
import { readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { exec } from '../host/exec.ts';
import { readIfThere } from '../host/file.ts';
import {
  isAlive,
  listProcesses,
  type ProcessIdentity,
  type ProcessInfo,
  signalProcess,
} from '../host/process-identity.ts';

export interface LeftoverScope {
  /** Directories that are wholly the cluster's: its state and its run directory. */
  readonly directories: readonly string[];
  /** Cgroup of the cluster's pods, as `/k8ts/dev`. */
  readonly cgroup: string;
}

/** The cluster's containers, shims, container runtimes and k8ts processes that live (this process aside). */
export function leftoverProcesses(scope: LeftoverScope): ProcessIdentity[] {
  const inCgroup = new Set(cgroupDirectories(scope.cgroup).flatMap(processesOf));
  return listProcesses().filter(p => p.pid !== process.pid && (inCgroup.has(p.pid) || belongs(p, scope.directories)));
}

// Only programs that k8ts starts count: an editor on a file in there, or somebody's tail, is none of our business.
function belongs(info: ProcessInfo, directories: readonly string[]): boolean {
  const program = basename(info.command[0] ?? '');
  const ours =
    program.startsWith('containerd') ||
    program === 'runc' ||
    program === 'ctr' ||
    (program.startsWith('node') && info.command.some(a => /^(supervisor|server|agent|forward)$/.test(a)));
  return ours && info.command.some(a => directories.some(d => a.startsWith(`${d}/`) || a.includes(`=${d}/`)));
}

/** Kills them and waits until they are gone; repeats, because a dying runtime may still have started something. */
export async function killLeftovers(scope: LeftoverScope, clock: Clock, timeoutMs = 10_000): Promise<void> {
  const deadline = clock.monotonic() + timeoutMs;
  for (;;) {
    const found = leftoverProcesses(scope);
    if (found.length === 0) return;
    for (const p of found) signalProcess(p, 'SIGKILL');
    while (found.some(isAlive)) {
      if (clock.monotonic() > deadline)
        throw new Error(`killing the cluster's processes: ${found.filter(isAlive).map(p => p.pid)} do not end`);
      await clock.sleep(5);
    }
  }
}

interface Mount {
  readonly path: string;
  readonly type: string;
}

/** Mounts of this process's namespace, oldest first. */
export function parseMounts(text: string): Mount[] {
  return text.split('\n').flatMap(line => {
    const [before, after] = line.split(' - ');
    const path = before?.split(' ')[4];
    const type = after?.split(' ')[0];
    // Blanks and backslashes in paths come as octal.
    return path && type
      ? [{ path: path.replace(/\\([0-7]{3})/g, (_, o) => String.fromCharCode(Number.parseInt(o, 8))), type }]
      : [];
  });
}

const mounts = (): Mount[] => parseMounts(readIfThere('/proc/self/mountinfo') ?? '');
const isBelow = (path: string, directory: string): boolean => path === directory || path.startsWith(`${directory}/`);

/** Unmounts everything at or below the directories, newest first. */
export async function unmountBelow(directories: readonly string[]): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const doomed = mounts()
      .map(m => m.path)
      .filter(p => directories.some(d => isBelow(p, d)))
      .reverse();
    if (doomed.length === 0) return;
    try {
      // Lazily: what keeps one busy is dead or about to be, and the name must go now.
      for (let i = 0; i < doomed.length; i += 500) await exec('umount', ['-l', '--', ...doomed.slice(i, i + 500)]);
    } catch (error) {
      // Some went by themselves, with a mount that they were copies of.
      if (attempt >= 3) throw error;
    }
    if (attempt > 3) throw new Error(`unmounting ${doomed[0]}: it comes back`);
  }
}

/** The directories of one cgroup path in every hierarchy (v1) or in the one (v2). */
export function cgroupDirectories(cgroup: string): string[] {
  return mounts()
    .filter(m => m.type === 'cgroup' || m.type === 'cgroup2')
    .map(m => join(m.path, cgroup))
    .filter(isDirectory);
}

function isDirectory(path: string): boolean {
  try {
    readdirSync(path);
    return true;
  } catch {
    return false;
  }
}

function children(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter(e => e.isDirectory())
      .map(e => join(directory, e.name));
  } catch {
    return [];
  }
}

function processesOf(directory: string): number[] {
  return [...membersOf(directory), ...children(directory).flatMap(processesOf)];
}

function membersOf(directory: string): number[] {
  try {
    return (readIfThere(join(directory, 'cgroup.procs')) ?? '').split('\n').filter(Boolean).map(Number);
  } catch (error) {
    // ENODEV: it went while it was read. EOPNOTSUPP: one of threads, whose processes its parent names.
    if (['ENODEV', 'EOPNOTSUPP', 'ENOTSUP'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
}

/** Removes the cgroup and all below it; its processes must be gone. The kernel may need a moment to notice that. */
export async function removeCgroup(cgroup: string, clock: Clock, timeoutMs = 5_000): Promise<void> {
  const deadline = clock.monotonic() + timeoutMs;
  for (const directory of cgroupDirectories(cgroup)) {
    while (!tryRemoveTree(directory)) {
      if (clock.monotonic() > deadline) throw new Error(`removing cgroup ${directory}: it is still in use`);
      await clock.sleep(5);
    }
  }
}

/** Removes it where nothing is inside; cgroups cannot be listed as empty, their control files always show. */
export function removeEmptyCgroup(cgroup: string): void {
  for (const directory of cgroupDirectories(cgroup)) removeEmpty(directory);
}

function tryRemoveTree(directory: string): boolean {
  let empty = true;
  for (const child of children(directory)) empty = tryRemoveTree(child) && empty;
  return empty && removeEmpty(directory);
}

/** True when the directory is gone afterwards. */
export function removeEmpty(directory: string): boolean {
  try {
    rmdirSync(directory);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

/**
 * containerd's shims listen below /run/containerd/s, wherever containerd itself lives; killed ones leave their sockets.
 * Each task directory names its socket in a file `address`.
 */
export function removeShimSockets(runDirectory: string): void {
  for (const file of findFiles(runDirectory, 'address', 7)) {
    const socket = readFileSync(file, 'utf8')
      .trim()
      .replace(/^unix:\/\//, '');
    if (socket.startsWith('/run/containerd/s/')) rmSync(socket, { force: true });
  }
}

function findFiles(directory: string, name: string, depth: number): string[] {
  if (depth === 0) return [];
  try {
    return readdirSync(directory, { withFileTypes: true }).flatMap(entry => {
      const path = join(directory, entry.name);
      // A container's root file system is not ours to search.
      if (entry.isDirectory()) return entry.name === 'rootfs' ? [] : findFiles(path, name, depth - 1);
      return entry.name === name ? [path] : [];
    });
  } catch {
    return [];
  }
}

/**
 * Directories that other programs make on our behalf, children first. Those that were not there before `up` go when they
 * are empty; `/run/netns` is also a mount that `ip` makes.
 */
export const sideDirectories: readonly string[] = [
  '/run/containerd/s',
  '/run/containerd/runc',
  '/run/containerd',
  '/var/lib/cni/results',
  '/var/lib/cni/networks',
  '/var/lib/cni',
  '/opt/containerd/bin',
  '/opt/containerd/lib',
  '/opt/containerd',
  '/run/netns',
];

export const absentSideDirectories = (): string[] => sideDirectories.filter(d => !isDirectory(d));

export async function removeSideDirectories(absentBefore: readonly string[]): Promise<void> {
  for (const directory of sideDirectories) {
    if (!absentBefore.includes(directory) || children(directory).length > 0) continue;
    if (directory === '/run/netns') {
      if (readNames(directory).length > 0) continue;
      const layers = mounts().filter(m => m.path === directory);
      for (const _ of layers) await exec('umount', [directory]).catch(() => {});
    }
    removeEmpty(directory);
  }
}

function readNames(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
