import { join } from 'node:path';
import type { Pod } from '../api/type/core-v1.ts';
import { escapePluginName } from './volume/volume.ts';

export interface PodPathOptions {
  readonly rootDirectory: string;
  readonly podLogsDirectory: string;
}

/** Where a pod's things lie, as Kubernetes lays them out. */
export class PodPaths {
  readonly root: string;
  readonly logs: string;

  constructor(options: PodPathOptions) {
    this.root = options.rootDirectory;
    this.logs = options.podLogsDirectory;
  }

  get pods(): string {
    return join(this.root, 'pods');
  }

  get seccomp(): string {
    return `${join(this.root, 'seccomp')}/`;
  }

  get sandboxSeccomp(): string {
    return join(this.root, 'sandbox-seccomp.json');
  }

  pod(uid: string): string {
    return join(this.pods, uid);
  }

  volume(uid: string, plugin: string, name: string): string {
    return join(this.pod(uid), 'volumes', escapePluginName(plugin), name);
  }

  /** Says that a volume's files have been given to the pod's group. */
  owned(uid: string, volume: string): string {
    return join(this.pod(uid), 'volume-ownership', volume);
  }

  subPath(uid: string, volume: string, container: string, index: number): string {
    return join(this.pod(uid), 'volume-subpaths', volume, container, String(index));
  }

  container(uid: string, name: string): string {
    return join(this.pod(uid), 'containers', name);
  }

  hosts(uid: string): string {
    return join(this.pod(uid), 'etc-hosts');
  }

  /** `<logs>/<namespace>_<name>_<uid>` */
  podLogs(pod: { readonly namespace: string; readonly name: string; readonly uid: string }): string {
    return join(this.logs, `${pod.namespace}_${pod.name}_${pod.uid}`);
  }
}

export const identityOf = (pod: Pod) => ({
  namespace: pod.metadata.namespace ?? '',
  name: pod.metadata.name ?? '',
  uid: pod.metadata.uid ?? '',
});
