import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { loadImageArchive } from './image-archive.ts';
import { hostArchitecture, ociArchive } from './oci-image.ts';
import { type Architecture, pauseProgram } from './pause-program.ts';
import type { ContainerRuntime } from './runtime.ts';

/** The sandbox image's reference. Image garbage collection must spare it: containerd 1.6 cannot pin images. */
export const pauseImageReference = 'k8ts.local/pause:1';

/** The pause image as an OCI archive: one static program of ours, nothing else. */
export function pauseImageArchive(architecture: Architecture = hostArchitecture()): Buffer {
  return ociArchive({
    reference: pauseImageReference,
    architecture,
    files: [{ name: 'pause', content: pauseProgram(architecture), mode: 0o755 }],
    config: { Entrypoint: ['/pause'], Env: ['PATH=/'], User: '65535:65535', WorkingDir: '/' },
  });
}

/** Imports the pause image into the runtime's containerd when it is not there yet; needs no network. */
export async function ensurePauseImage(runtime: ContainerRuntime): Promise<void> {
  if ((await runtime.ImageStatus({ image: { image: pauseImageReference } })).image) return;
  // Beside the socket, so that it goes with the runtime's directory when this process is killed.
  const directory = await mkdtemp(join(dirname(runtime.endpoint), 'pause-'));
  try {
    const file = join(directory, 'pause.tar');
    await writeFile(file, pauseImageArchive());
    await loadImageArchive(runtime.endpoint, file);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
