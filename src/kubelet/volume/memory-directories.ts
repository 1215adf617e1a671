import { dirname, join, relative } from 'node:path';
import type { Host } from '../host/host.ts';

export interface MemoryDirectoriesOptions {
  readonly host: Host;
  /** Where the file system in memory is mounted. */
  readonly root: string;
  /** The directory of all pods: those made lie below it. */
  readonly pods: string;
}

/**
 * Directories that never reach a disk, for what is secret. All of a node's lie in one file system, and where Kubernetes
 * expects a mount is a link: a mount for each would run a program at a pod's start and at its end.
 */
export class MemoryDirectories {
  readonly #o: MemoryDirectoriesOptions;
  #mounted: Promise<void> | undefined;

  constructor(options: MemoryDirectoriesOptions) {
    this.#o = options;
  }

  /** Through which their files are written. */
  get host(): Host {
    return this.#o.host.inMemory;
  }

  /** Makes `dir` unless it is there; returns where its files lie. */
  async make(dir: string): Promise<string> {
    const { host } = this.#o;
    const there = await host.info(dir, { follow: false });
    // Mounted by a kubelet that made one for each.
    if (there?.kind === 'directory' && (await host.isMountPoint(dir))) return dir;
    this.#mounted ??= this.#mount();
    await this.#mounted.catch(error => {
      this.#mounted = undefined;
      throw error;
    });
    const real = this.#real(dir);
    // As a mount of its own would have it.
    await this.host.makeDirectory(real, 0o1777);
    if (there?.kind === 'symlink') return real;
    if (there) await host.remove(dir);
    await host.makeDirectory(dirname(dir));
    await host.symlink(relative(dirname(dir), real), dir);
    return real;
  }

  async remove(dir: string): Promise<void> {
    await this.#o.host.remove(this.#real(dir));
    await this.#o.host.remove(dir);
  }

  // One name a directory, so that none is left behind above it.
  #real(dir: string): string {
    return join(this.#o.root, relative(this.#o.pods, dir).replaceAll('/', '_'));
  }

  async #mount(): Promise<void> {
    const { host, root } = this.#o;
    await host.makeDirectory(root);
    if (await host.isMountPoint(root)) return;
    await host.mountTmpfs(root, undefined);
    await host.chmod(root, 0o750);
  }
}
