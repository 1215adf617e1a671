import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { posix } from 'node:path';
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import {
  type CgroupLayout,
  type CgroupResources,
  cgroupLayout,
  planWrites,
  podCgroupPath,
  type QosClass,
  qosCgroupPath,
} from './kernel/cgroup.ts';
import { type CgroupStats, readStats } from './kernel/cgroup-stats.ts';

export interface CgroupsOptions {
  /** The node's own group: `/kubepods`, or `/kubepods-<name>` where nodes share a machine. */
  readonly parent: string;
  readonly clock: Clock;
  /** Found in /proc/self/mountinfo when absent. */
  readonly layout?: CgroupLayout;
}

export interface PodGroup {
  readonly uid: string;
  readonly qos: QosClass;
  readonly path: string;
}

const classes = ['Guaranteed', 'Burstable', 'BestEffort'] as const;
const managed = ['cpu', 'cpuacct', 'memory', 'pids'] as const;
const removeTimeoutMs = 10_000;

/**
 * The control groups of one node: those of its pods, of its classes of service and its own. Paths are those the CRI
 * takes as cgroup_parent. Changes nothing outside `parent`; file calls are synchronous, they take microseconds.
 */
export class Cgroups {
  readonly parent: string;
  readonly layout: CgroupLayout;
  readonly #clock: Clock;

  /** Throws where no control groups are mounted. */
  constructor(options: CgroupsOptions) {
    const layout = options.layout ?? cgroupLayout(readFileSync('/proc/self/mountinfo', 'utf8'));
    if (!layout) throw new Error('find control groups: neither version 1 nor version 2 is mounted');
    assert(/^\/[^/]/.test(options.parent), `cgroup parent "${options.parent}" is not below the root`);
    this.layout = layout;
    this.parent = posix.normalize(options.parent);
    this.#clock = options.clock;
  }

  podPath(qos: QosClass, uid: string): string {
    return podCgroupPath(this.parent, qos, uid);
  }

  /** Of all pods of a class; guaranteed ones have none between them and the node's group. */
  classPath(qos: QosClass): string {
    return qosCgroupPath(this.parent, qos);
  }

  /** Creates the node's group and those of its classes: burstable pods by shares given later, best-effort ones last. */
  createParents(resources: CgroupResources = {}): void {
    this.create(this.parent, resources);
    this.create(this.classPath('Burstable'), {});
    this.create(this.classPath('BestEffort'), { cpuShares: 2 });
  }

  /** Creates the group and those above it as needed, then sets its resources. */
  create(path: string, resources: CgroupResources): void {
    this.#own(path);
    if (this.layout.version === 'v2') this.#createV2(path);
    else for (const root of this.#roots(managed)) mkdirSync(root + path, { recursive: true });
    this.update(path, resources);
  }

  update(path: string, resources: CgroupResources): void {
    this.#own(path);
    for (const { controller, file, value } of planWrites(this.layout.version, resources)) {
      const root = this.#root(controller);
      if (root) write(posix.join(root + path, file), value);
    }
  }

  /** Version 2 only. Of each page size that the kernel has, in bytes, the group gets what is asked for: 0 when nothing is. */
  limitHugepages(path: string, bytesOfSize: (pageBytes: number) => number): void {
    this.#own(path);
    if (this.layout.version !== 'v2') return;
    const directory = this.layout.unified + path;
    for (const file of readdirSync(directory)) {
      const [, count, unit] = /^hugetlb\.(\d+)([KMG])B\.(?:rsvd\.)?max$/.exec(file) ?? [];
      if (unit) write(`${directory}/${file}`, String(bytesOfSize(Number(count) * 1024 ** ('KMG'.indexOf(unit) + 1))));
    }
  }

  /** Whether the node's group, once it is made, can be held to an amount of swap. Version 2 only. */
  get limitsSwap(): boolean {
    const { version, unified } = this.layout;
    return version === 'v2' && existsSync(`${unified}${this.parent}/memory.swap.max`);
  }

  /** True when the group exists in any hierarchy. */
  exists(path: string): boolean {
    return this.#roots().some(root => existsSync(root + path));
  }

  /**
   * Kills what still runs in the group and removes it with all below, in every hierarchy (runtimes leave the pod's
   * group behind in those they made). Rejects when something stays for ten seconds.
   */
  async remove(path: string): Promise<void> {
    this.#own(path);
    const endMs = this.#clock.monotonic() + removeTimeoutMs;
    for (let waitMs = 1; ; waitMs = Math.min(waitMs * 2, 100)) {
      const failures = this.#roots().flatMap(root => removeTree(root + path));
      if (failures.length === 0) return;
      if (this.#clock.monotonic() > endMs)
        throw new Error(`remove cgroup "${path}": ${failures[0]!.message}`, { cause: failures[0] });
      this.#killAll(path);
      await this.#clock.sleep(waitMs);
    }
  }

  /** The pod's group in the first class that has one of it, in whichever hierarchy. */
  pod(uid: string): PodGroup | undefined {
    const roots = this.#roots();
    for (const qos of classes) {
      const path = this.podPath(qos, uid);
      if (roots.some(root => existsSync(root + path))) return { uid, qos, path };
    }
    return undefined;
  }

  /** The pods that have a group, in whichever hierarchy. */
  pods(): PodGroup[] {
    const found = new Map<string, PodGroup>();
    for (const qos of classes) {
      const above = qosCgroupPath(this.parent, qos);
      for (const root of this.#roots())
        for (const name of children(root + above) ?? [])
          if (name.startsWith('pod'))
            found.set(`${above}/${name}`, { uid: name.slice(3), qos, path: `${above}/${name}` });
    }
    return [...found.values()];
  }

  /** Of the node's, a pod's or (path of the pod plus `/` and its id) a container's group; `/` is the whole machine. */
  stats(path: string): CgroupStats | undefined {
    return readStats(this.layout.version, (controller, file) => {
      const root = this.#root(controller);
      return root === undefined ? undefined : read(posix.join(root, path, file));
    });
  }

  /** One of the processes in the group or below it. */
  process(path: string): number | undefined {
    const first = (directory: string): number | undefined => {
      const here = Number.parseInt(read(`${directory}/cgroup.procs`) ?? '', 10);
      if (here > 0) return here;
      for (const name of children(directory) ?? []) {
        const below = first(`${directory}/${name}`);
        if (below) return below;
      }
      return undefined;
    };
    const root = this.#root('memory');
    return root === undefined ? undefined : first(root + path);
  }

  /** Processes in the group and below it. */
  processes(path: string): number[] {
    const pids = new Set<number>();
    const visit = (directory: string) => {
      for (const pid of (read(`${directory}/cgroup.procs`) ?? '').split('\n'))
        if (Number(pid) > 0) pids.add(Number(pid));
      for (const name of children(directory) ?? []) visit(`${directory}/${name}`);
    };
    for (const root of this.#roots()) visit(root + path);
    return [...pids];
  }

  #own(path: string): void {
    const inside = path === this.parent || path.startsWith(`${this.parent}/`);
    assert(inside && !path.split('/').includes('..'), `cgroup "${path}" is not below "${this.parent}"`);
  }

  #root(controller: string): string | undefined {
    return this.layout.version === 'v2' ? this.layout.unified : this.layout.v1.get(controller);
  }

  /** Every hierarchy once (controllers may share one), or those of the controllers named. */
  #roots(controllers?: readonly string[]): string[] {
    const { version, unified, v1 } = this.layout;
    if (version === 'v2') return [unified!];
    const roots = controllers
      ? controllers.flatMap(c => v1.get(c) ?? [])
      : [...v1.values(), ...(unified ? [unified] : [])];
    return [...new Set(roots)];
  }

  // A controller works in a group only when the group above hands it down.
  #createV2(path: string): void {
    let at = this.layout.unified!;
    for (const name of path.split('/').filter(Boolean)) {
      handDown(at, at === this.layout.unified);
      at = `${at}/${name}`;
      mkdirSync(at, { recursive: true });
    }
  }

  #killAll(path: string): void {
    for (const pid of this.processes(path)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // Gone already.
      }
    }
  }
}

const words = (text: string | undefined) => (text ?? '').trim().split(' ').filter(Boolean);

/** Lets all controllers of a group work in the groups below it. Throws where one does not that pods need. */
function handDown(group: string, isTop: boolean): void {
  const file = `${group}/cgroup.subtree_control`;
  const enabled = new Set(words(read(file)));
  const missing = words(read(`${group}/cgroup.controllers`)).filter(c => !enabled.has(c));
  if (missing.length === 0) return;
  const enable = () => write(file, missing.map(c => `+${c}`).join(' '));
  try {
    enable();
  } catch (error) {
    // In a container this machine's root is a group like any other: it cannot hold processes and hand down.
    if (isTop && codeOf(error) === 'EBUSY' && makeRoom(group)) {
      enable();
      return;
    }
    // One that cannot be handed down (cpu beside real-time processes, rdma) is not to take the others along.
    for (const controller of missing) {
      try {
        write(file, `+${controller}`);
      } catch (one) {
        if ((managed as readonly string[]).includes(controller)) throw one;
      }
    }
  }
}

/** Moves what runs in a group of its own to a group `init` below it, as containers of nested clusters do. */
function makeRoom(group: string): boolean {
  const room = `${group}/init`;
  mkdirSync(room, { recursive: true });
  let moved = false;
  // Processes may fork meanwhile.
  for (let round = 0; round < 10; round++) {
    const pids = (read(`${group}/cgroup.procs`) ?? '').split('\n').filter(pid => Number(pid) > 0);
    if (pids.length === 0) return moved;
    for (const pid of pids) {
      try {
        writeFileSync(`${room}/cgroup.procs`, pid);
        moved = true;
      } catch {
        // Gone already, or of another namespace.
      }
    }
  }
  return moved;
}

const codeOf = (error: unknown) => ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code;

/** Removes directories from the bottom up; returns what would not go. */
function removeTree(directory: string): Error[] {
  const names = children(directory);
  if (!names) return [];
  const failures = names.flatMap(name => removeTree(`${directory}/${name}`));
  if (failures.length > 0) return failures;
  try {
    rmdirSync(directory);
    return [];
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? [] : [error as Error];
  }
}

function children(directory: string): string[] | undefined {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter(entry => entry.isDirectory())
      .map(entry => entry.name);
  } catch {
    return undefined;
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function write(file: string, value: string): void {
  try {
    writeFileSync(file, value);
  } catch (error) {
    throw new Error(`write "${value}" to ${file}: ${(error as Error).message}`, { cause: error });
  }
}
