// A containerd for tests that need root: in a temporary directory and a network namespace of its own without a way out.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { systemClock } from '../base/clock.ts';
import { createLog, type Log } from '../base/log.ts';
import { Cgroups } from './cgroup.ts';
import { findCniBinDir, forgetCniResults, writeCniConfig } from './cni.ts';
import { runProgram } from './command.ts';
import { containerdRuntime } from './containerd.ts';
import { ContainerdProcess, type ContainerdProcessOptions } from './containerd-process.ts';
import { loadImageArchive } from './image-archive.ts';
import { hostArchitecture, ociArchive } from './oci-image.ts';
import { ensurePauseImage, pauseImageReference } from './pause-image.ts';
import type { ContainerRuntime } from './runtime.ts';

export interface TestContainerd {
  readonly runtime: ContainerRuntime;
  readonly options: ContainerdProcessOptions;
  readonly process: ContainerdProcess;
  readonly cgroups: Cgroups;
  /** root, state, logs and all else lie below it. */
  readonly directory: string;
  readonly networkNamespace: string;
  /** Where containerd looks for mirrors; see registryHosts. */
  readonly registryDir: string;
  /** Stops containerd as an agent does on SIGTERM: containers go on. */
  stop(): Promise<void>;
  /** Stops and removes everything, also after a failure half-way. Idempotent. */
  dispose(): Promise<void>;
}

export const busyboxImage = 'k8ts.local/busybox:1';

/** An image of Debian's busybox-static, /bin/busybox and /bin/sh. */
export function busyboxArchive(reference: string = busyboxImage): Buffer {
  const busybox = readFileSync('/bin/busybox');
  return ociArchive({
    reference,
    architecture: hostArchitecture(),
    files: [
      { name: 'bin/' },
      { name: 'bin/busybox', content: busybox, mode: 0o755 },
      { name: 'bin/sh', content: Buffer.from('#!/bin/busybox sh\nexec /bin/busybox sh "$@"\n'), mode: 0o755 },
      { name: 'etc/' },
      { name: 'tmp/', mode: 0o1777 },
    ],
    config: { Cmd: ['/bin/busybox', 'sh'], Env: ['PATH=/bin'], WorkingDir: '/' },
  });
}

/** Starts it and resolves when pods can run, with the pause and busybox images loaded. */
export async function startTestContainerd(log: Log = createLog('test', { level: 'warn' })): Promise<TestContainerd> {
  if (!existsSync('/bin/busybox'))
    throw new Error('build the test image: /bin/busybox is missing; install busybox-static');
  const directory = mkdtempSync(join(tmpdir(), 'k8ts-cri-'));
  const name = basename(directory);
  const networkNamespace = `/run/netns/${name}`;
  const socket = join(directory, 'containerd.sock');
  const registryDir = join(directory, 'mirrors');
  const stop = new AbortController();
  const cgroups = new Cgroups({ parent: `/kubepods-${name}`, clock: systemClock });
  const options: ContainerdProcessOptions = {
    root: join(directory, 'root'),
    state: join(directory, 'state'),
    socket,
    cniConfDir: join(directory, 'cni'),
    cniBinDir: findCniBinDir(),
    sandboxImage: pauseImageReference,
    registryDir,
    networkNamespace,
    clock: systemClock,
    log,
  };
  const containerd = new ContainerdProcess(options);
  const leaseDir = join(directory, 'leases');
  const runtime = containerdRuntime({ socket, clock: systemClock, log, network: { name, leaseDir, namespace: name } });
  let running: Promise<void> | undefined;
  const remove = async () => {
    await containerd.destroyContainers();
    stop.abort();
    await running?.catch(() => {});
    runtime.close();
    await runProgram('ip', ['netns', 'del', name]).catch(() => {});
    await cgroups.remove(cgroups.parent);
    await forgetCniResults(name);
    rmSync(directory, { recursive: true, force: true });
  };
  const stopRunning = async () => {
    stop.abort();
    await running;
  };
  let removed: Promise<void> | undefined;
  const dispose = () => {
    removed ??= remove();
    return removed;
  };
  try {
    await runProgram('ip', ['netns', 'add', name]);
    await runProgram('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
    await writeCniConfig(join(directory, 'cni'), {
      name,
      bridge: 'cni0',
      podCidrs: ['10.244.1.0/24'],
      mtu: 1500,
      leaseDir,
    });
    cgroups.createParents();
    running = containerd.run(stop.signal);
    await Promise.race([containerd.ready(), running]);
    await ensurePauseImage(runtime);
    const archive = join(directory, 'busybox.tar');
    writeFileSync(archive, busyboxArchive());
    await loadImageArchive(socket, archive);
  } catch (error) {
    await dispose();
    throw error;
  }
  const paths = { directory, networkNamespace, registryDir };
  return { runtime, options, process: containerd, cgroups, ...paths, stop: stopRunning, dispose };
}
