import { closeSync, existsSync, fstatSync, openSync, readdirSync, readFileSync, readSync, watch } from 'node:fs';
import { join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { aborted } from '../../base/lifecycle.ts';
import type { ClusterPaths } from '../state.ts';
import { type CliContext, pathsOf } from './context.ts';
import { CliError, exitCode } from './exit.ts';

export interface LogsOptions {
  readonly name?: string;
  readonly follow?: boolean;
  readonly tail?: string;
}

/** Prints a component's log, or everybody's with the component's name in front. */
export async function logs(context: CliContext, component: string | undefined, options: LogsOptions): Promise<void> {
  if (options.tail !== undefined && !/^\d+$/.test(options.tail))
    throw new CliError(`--tail ${JSON.stringify(options.tail)}: want a number of lines`, exitCode.usage);
  const tail = options.tail === undefined ? undefined : Number(options.tail);
  const paths = pathsOf(options.name, context.env);
  const known = components(paths);
  if (known.length === 0)
    throw new CliError(
      `no logs of a cluster named ${JSON.stringify(paths.name)}`,
      exitCode.notFound,
      'k8ts list shows which there are',
    );
  if (component !== undefined && !known.includes(component))
    throw new CliError(
      `cluster ${paths.name} has no component ${JSON.stringify(component)}`,
      exitCode.notFound,
      `there is ${known.join(', ')}`,
    );
  const chosen = component === undefined ? known : [component];
  const width = Math.max(...chosen.map(c => c.length));
  const prefix = (name: string) => (component === undefined ? `${name.padEnd(width)} | ` : '');
  const followers = chosen.map(name => new Follower(logFile(paths, name), line => context.print(prefix(name) + line)));
  for (const follower of followers) follower.past(tail);
  if (options.follow) await follow(paths, followers, context.signal);
}

const logFile = (paths: ClusterPaths, name: string): string => join(paths.logs, `${name}.log`);

/** Names of the components that have a log. */
export function components(paths: ClusterPaths): string[] {
  if (!existsSync(paths.logs)) return [];
  return readdirSync(paths.logs)
    .filter(f => f.endsWith('.log'))
    .map(f => f.slice(0, -4))
    .sort();
}

async function follow(paths: ClusterPaths, followers: readonly Follower[], signal: AbortSignal): Promise<void> {
  const watcher = watch(paths.logs, () => {
    for (const follower of followers) follower.more();
  });
  // The directory goes when the cluster does.
  const gone = new Promise<void>(resolve => watcher.once('error', () => resolve()));
  for (const follower of followers) follower.more();
  await Promise.race([aborted(signal), gone]);
  watcher.close();
}

/** Reads a file as it grows; notices when another one has taken its name. */
class Follower {
  readonly #path: string;
  readonly #line: (line: string) => void;
  #inode = 0n;
  #offset = 0;
  #decoder = new StringDecoder('utf8');
  #rest = '';

  constructor(path: string, line: (line: string) => void) {
    this.#path = path;
    this.#line = line;
  }

  /** What is there: the last `count` lines, or with all rotated files everything. */
  past(count: number | undefined): void {
    const old = count === undefined ? [2, 1].map(i => readOrEmpty(`${this.#path}.${i}`)).join('') : '';
    const lines: string[] = old.split('\n').slice(0, -1);
    this.#take(line => lines.push(line));
    for (const line of count === undefined ? lines : lines.slice(Math.max(0, lines.length - count)))
      this.#line(`${line}\n`);
  }

  more(): void {
    this.#take(line => this.#line(`${line}\n`));
  }

  #take(each: (line: string) => void): void {
    let fd: number;
    try {
      fd = openSync(this.#path, 'r');
    } catch {
      return;
    }
    try {
      const { ino, size } = fstatSync(fd, { bigint: true });
      if (ino !== this.#inode || size < this.#offset) {
        this.#inode = ino;
        this.#offset = 0;
        this.#decoder = new StringDecoder('utf8');
      }
      this.#read(fd, each);
    } finally {
      closeSync(fd);
    }
  }

  #read(fd: number, each: (line: string) => void): void {
    const chunk = Buffer.alloc(64 << 10);
    for (let n = 1; n > 0; ) {
      n = readSync(fd, chunk, 0, chunk.length, this.#offset);
      this.#offset += n;
      const lines = (this.#rest + this.#decoder.write(chunk.subarray(0, n))).split('\n');
      this.#rest = lines.pop()!;
      for (const line of lines) each(line);
    }
  }
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
