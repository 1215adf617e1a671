import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { forgetSandboxResults } from './cni.ts';
import { containerdRuntime } from './containerd.ts';
import { imageMountsDirectory } from './image-mounts.ts';
import { unmountBelow } from './mount-point.ts';
import type { ContainerRuntime } from './runtime.ts';

export interface DestroyOptions {
  readonly socket: string;
  readonly root: string;
  readonly state: string;
  readonly clock: Clock;
  readonly log: Log;
  /** For SIGTERM to work before SIGKILL; 0 kills at once. */
  readonly graceSeconds?: number;
}

const atOnce = 16;

/** Stops all containers side by side, each with the grace period, then all sandboxes. */
export async function stopContainers(runtime: ContainerRuntime, graceSeconds: number): Promise<void> {
  const { containers = [] } = await runtime.ListContainers({ filter: { state: { state: 'CONTAINER_RUNNING' } } });
  await inBatches(containers, containers.length, c =>
    runtime.StopContainer({ container_id: c.id, timeout: graceSeconds }),
  );
  const { items = [] } = await runtime.ListPodSandbox({});
  await inBatches(items, atOnce, s => runtime.StopPodSandbox({ pod_sandbox_id: s.id }));
}

/**
 * Leaves nothing of the node's containers: through the runtime while it answers, then what is left by force: container
 * processes, shims, their sockets, and mounts below the root and state directories. Touches only what carries this
 * node's socket or lies in its directories. The directories themselves, CNI leases and cgroups are the caller's to remove.
 */
export async function destroyContainers(options: DestroyOptions): Promise<void> {
  const runtime = containerdRuntime(options);
  try {
    await runtime.Version({}, { timeoutMs: 2000 });
    await stopContainers(runtime, options.graceSeconds ?? 0);
    const { items = [] } = await runtime.ListPodSandbox({});
    await inBatches(items, atOnce, s => runtime.RemovePodSandbox({ pod_sandbox_id: s.id }));
  } catch (error) {
    options.log.info('containers are removed without the runtime', { reason: messageOf(error) });
  } finally {
    runtime.close();
  }
  await killLeftovers(options);
  await unmountBelow([options.state, options.root, imageMountsDirectory(options.socket)]);
}

async function inBatches<T>(items: readonly T[], size: number, each: (item: T) => Promise<unknown>): Promise<void> {
  for (let i = 0; i < items.length; i += size) await Promise.all(items.slice(i, i + size).map(each));
}

// Containers first: without its shim a container is nobody's child, and nobody would know it any more.
async function killLeftovers(options: DestroyOptions): Promise<void> {
  const bundles = join(options.state, 'io.containerd.runtime.v2.task', 'k8s.io');
  const ids = list(bundles);
  const pids = ids.flatMap(id => containerPids(join(bundles, id), id));
  const shims = shimPids(options.socket);
  for (const pid of [...pids, ...shims]) kill(pid);
  const endMs = options.clock.monotonic() + 5000;
  while ([...pids, ...shims].some(isAlive) && options.clock.monotonic() < endMs) await options.clock.sleep(10);
  for (const id of ids) {
    const address = text(join(bundles, id, 'address')).replace(/^unix:\/\//, '');
    if (address.startsWith('/run/containerd/s/')) rmSync(address, { force: true });
  }
  await forgetSandboxResults(ids);
}

// A pid may have been used again since: the process must still be in a cgroup named after the container.
function containerPids(bundle: string, id: string): number[] {
  const pid = Number(text(join(bundle, 'init.pid')));
  return pid > 1 && text(`/proc/${pid}/cgroup`).includes(id) ? [pid] : [];
}

/** The shims that serve this socket's containerd. */
export function shimPids(socket: string): number[] {
  return list('/proc').flatMap(name => {
    if (!/^\d+$/.test(name)) return [];
    const [program = '', ...args] = text(`/proc/${name}/cmdline`).split('\0');
    const address = args[args.indexOf('-address') + 1];
    return /(^|\/)containerd-shim/.test(program) && address === socket ? [Number(name)] : [];
  });
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}

// A zombie waits for its parent only and holds nothing.
function isAlive(pid: number): boolean {
  const stat = text(`/proc/${pid}/stat`);
  return stat !== '' && stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) !== 'Z';
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function text(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
