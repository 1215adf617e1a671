// Manifests of node plugins name the kubelet's directory as every installation has it. Where this kubelet's is another
// one (several nodes on a machine), those names mean this kubelet's own directory.
import { join } from 'node:path';

export const stockRoot = '/var/lib/kubelet';

const isWithin = (path: string, root: string) => path === root || path.startsWith(`${root}/`);

/** One kubelet's directory, and how others call it. */
export class KubeletRoot {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Where a path lies on this machine that a manifest or a plugin names. */
  toHost(path: string): string {
    return this.speaksStock(path) ? join(this.path, path.slice(stockRoot.length)) : path;
  }

  /** Whether a path is below the usual directory though this kubelet's is another one. */
  speaksStock(path: string): boolean {
    return isWithin(path, stockRoot) && !isWithin(path, this.path) && this.path !== stockRoot;
  }

  /** A path of this kubelet's directory by its usual name: what a plugin sees that mounts the usual directory. */
  toStock(path: string): string {
    return isWithin(path, this.path) ? join(stockRoot, path.slice(this.path.length)) : path;
  }
}
