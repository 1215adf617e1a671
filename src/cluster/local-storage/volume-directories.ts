// Directories of volumes: on this machine, and on machines that there are not.
import { chmod, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { VolumeDirectories } from './local-storage.ts';

export const directoriesBelow = (base: string): VolumeDirectories => ({
  base,
  async make(directory) {
    const path = join(base, directory);
    await mkdir(path, { recursive: true });
    // Whoever a container runs as can write, as with other provisioners of this kind.
    await chmod(path, 0o777);
  },
  remove: directory => rm(join(base, directory), { recursive: true, force: true }),
  source: path => ({ local: { path } }),
});

/** Simulated kubelets make what they mount. */
export const simulatedDirectories: VolumeDirectories = {
  base: '/var/lib/k8ts/volumes',
  async make() {},
  async remove() {},
  source: path => ({ hostPath: { path, type: 'DirectoryOrCreate' } }),
};
