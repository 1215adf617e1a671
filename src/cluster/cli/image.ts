import { existsSync } from 'node:fs';
import { silentLog } from '../../base/log.ts';
import { nodeNameOf } from '../lab/kernel/lab-plan.ts';
import { containerdSocket } from '../role.ts';
import { type ClusterState, nodePaths } from '../state.ts';
import { type CliContext, mustState, pathsOf } from './context.ts';
import { CliError, exitCode } from './exit.ts';
import { isRunning } from './lifecycle.ts';
import { table } from './status.ts';

export interface ImageOptions {
  readonly name?: string;
  readonly node?: string;
  readonly output?: string;
}

/** Brings images of archives onto the nodes. */
export async function loadImages(context: CliContext, files: readonly string[], options: ImageOptions): Promise<void> {
  for (const file of files)
    if (!existsSync(file))
      throw new CliError(`${file}: no such file`, exitCode.usage, 'want a tar made by docker save or skopeo');
  const targets = sockets(context, options);
  const { loadImageArchive } = await import('../../cri/image-archive.ts');
  for (const file of files) {
    const phase = context.talk.phase(`loading ${file}`);
    try {
      const loaded = await Promise.all(targets.map(t => loadImageArchive(t.socket, file)));
      const names = [...new Set(loaded.flat())];
      phase.done(`${names.join(', ')} on ${targets.map(t => t.node).join(', ')}`);
    } catch (error) {
      phase.failed();
      throw error;
    }
  }
}

/** Prints the images of the nodes. */
export async function listImages(context: CliContext, options: ImageOptions): Promise<void> {
  const targets = sockets(context, options);
  const { containerdRuntime } = await import('../../cri/containerd.ts');
  const perNode = await Promise.all(
    targets.map(async ({ node, socket }) => {
      const runtime = containerdRuntime({ socket, clock: context.clock, log: silentLog });
      try {
        const { images = [] } = await runtime.ListImages({});
        return images.map(i => ({ node, tags: i.repo_tags ?? [], id: i.id ?? '', sizeBytes: Number(i.size ?? 0) }));
      } finally {
        runtime.close();
      }
    }),
  );
  const images = perNode.flat();
  if (options.output === 'json') return context.print(`${JSON.stringify(images)}\n`);
  const rows = images.map(i => [i.node, i.tags.join(',') || '<none>', short(i.id), mebibytes(i.sizeBytes)]);
  context.print(table([['NODE', 'IMAGE', 'ID', 'SIZE'], ...rows]));
}

const short = (id: string): string => id.replace(/^sha256:/, '').slice(0, 12);
const mebibytes = (bytes: number): string => `${(bytes / (1 << 20)).toFixed(1)} MiB`;

function sockets(context: CliContext, options: ImageOptions): { node: string; socket: string }[] {
  const paths = pathsOf(options.name, context.env);
  const state = mustState(paths, context.env);
  if (!isRunning(state))
    throw new CliError(`cluster ${paths.name} is not running`, exitCode.notFound, `k8ts start --name ${paths.name}`);
  if (state.config.simulate)
    throw new CliError(`the nodes of cluster ${paths.name} are simulated: they hold no images`);
  return nodesOf(state, options.node).map(node => ({ node, socket: containerdSocket(nodePaths(paths, node).run) }));
}

function nodesOf(state: ClusterState, only: string | undefined): string[] {
  const all = Array.from({ length: state.config.nodes }, (_, i) => nodeNameOf(i));
  if (only === undefined) return all;
  if (!all.includes(only))
    throw new CliError(
      `cluster ${state.config.name} has no node ${JSON.stringify(only)}`,
      exitCode.notFound,
      `there is ${all.join(', ')}`,
    );
  return [only];
}
