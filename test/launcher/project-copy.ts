// A copy of the project for tests of what sets it up: its packages stand by for a fake npm, and the PATH holds nothing
// but fakes, so that nothing is fetched or installed.
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';

const project = resolve(import.meta.dirname, '..', '..');
const isRoot = process.getuid?.() === 0;
/** Whom a test that is root runs things as that are not for root. */
const nobody = 65_534;

/** An older Node that the launcher hands over from; undefined when there is none on the PATH. */
export const olderNode: string | undefined = (process.env.PATH ?? '')
  .split(delimiter)
  .map(folder => join(folder, 'node'))
  .find(node => {
    const major = Number(/^v(\d+)/.exec(spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1]);
    return major >= 20 && major < 26;
  });

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProjectCopy {
  readonly root: string;
  /** The only folder on the PATH. */
  readonly programs: string;
  readonly home: string;
  /** Calls of fake programs so far, `npm ci …`, and forgets them. */
  calls(): string[];
  /** A program that notes its call and runs `then`, the body of a script of Node; `args` are its arguments. */
  fake(name: string, then?: string): void;
  /** Runs a script of the copy, as nobody unless `root`. */
  run(script: string, args?: readonly string[], how?: RunOptions): Promise<Outcome>;
  [Symbol.dispose](): void;
}

export interface RunOptions {
  readonly root?: boolean;
  readonly env?: NodeJS.ProcessEnv;
  /** Default: the Node that this test runs in. */
  readonly node?: string;
  /** On a terminal, where this is typed. */
  readonly typed?: string;
}

export interface CopyOptions {
  /** The source and tools too; else stubs that print their arguments. */
  readonly whole?: boolean;
  /** Only the fake npm brings the packages. */
  readonly withoutPackages?: boolean;
}

/** Hard links where they can be made: nobody writes into these files. */
function link(from: string, to: string): void {
  if (spawnSync('cp', ['-al', from, to], { stdio: 'ignore' }).status !== 0) execFileSync('cp', ['-a', from, to]);
}

const says = (name: string) => `console.log(['${name}', ...process.argv.slice(2)].join(' '));`;

export function copyProject({ whole = false, withoutPackages = false }: CopyOptions = {}): ProjectCopy {
  const top = mkdtempSync(join(tmpdir(), 'k8ts-launcher-'));
  const [root, programs, home] = ['project', 'programs', 'home'].map(name => join(top, name)) as [
    string,
    string,
    string,
  ];
  const log = join(top, 'calls');
  for (const folder of [root, programs, home]) mkdirSync(folder);
  for (const name of ['bin', 'package.json', 'package-lock.json'])
    cpSync(join(project, name), join(root, name), { recursive: true });
  if (whole) for (const name of ['src', 'tools']) link(join(project, name), join(root, name));
  else {
    mkdirSync(join(root, 'src', 'cluster'), { recursive: true });
    mkdirSync(join(root, 'tools'));
    writeFileSync(
      join(root, 'src', 'cluster', 'main.ts'),
      `${says('k8ts')} process.exitCode = Number(process.env.STUB_EXIT ?? 0);`,
    );
    for (const name of ['bundle', 'run-tests']) writeFileSync(join(root, 'tools', `${name}.ts`), says(name));
  }
  const stock = join(root, '.stock');
  link(join(project, 'node_modules'), stock);
  if (!withoutPackages) renameSync(stock, join(root, 'node_modules'));
  const fake = (name: string, then = '') => {
    const file = join(programs, name);
    const note = `const args = process.argv.slice(2); const fs = require('node:fs');
fs.appendFileSync(${JSON.stringify(log)}, ['${name}', ...args].join(' ') + '\\n');`;
    writeFileSync(file, `#!${process.execPath}\n${note}\n${then}\n`);
    chmodSync(file, 0o755);
  };
  writeFileSync(log, '');
  chmodSync(log, 0o666);
  fake('npm', "if (args[0] === 'ci') fs.renameSync('.stock', 'node_modules');");
  if (isRoot) {
    chmodSync(top, 0o755);
    const own = [root, home, stock, join(root, 'node_modules')];
    for (const path of own) if (existsSync(path)) chownSync(path, nobody, nobody);
  }
  return {
    root,
    programs,
    home,
    fake,
    calls() {
      const calls = readFileSync(log, 'utf8').split('\n').slice(0, -1);
      writeFileSync(log, '');
      return calls;
    },
    run(script, args = [], { root: asRoot = false, env = {}, node = process.execPath, typed } = {}) {
      const line = [node, join(root, script), ...args];
      const [command, ...rest] = typed === undefined ? line : onTerminal(line);
      const state = {
        HOME: home,
        KUBECONFIG: join(home, 'config'),
        K8TS_STATE_DIR: join(home, 'state'),
        K8TS_RUN_DIR: join(home, 'run'),
      };
      const options = {
        cwd: root,
        env: { PATH: programs, TERM: 'dumb', ...state, ...env },
        ...(isRoot && !asRoot ? { uid: nobody, gid: nobody } : {}),
      };
      return new Promise(done => {
        const child = execFile(command!, rest, options, (error, stdout, stderr) =>
          done({ code: typeof error?.code === 'number' ? error.code : error ? 1 : 0, stdout, stderr }),
        );
        child.stdin!.end(typed);
      });
    },
    [Symbol.dispose]() {
      rmSync(top, { recursive: true, force: true });
    },
  };
}

/** What runs `line` on a terminal of its own, its exit code the program's. */
function onTerminal(line: readonly string[]): string[] {
  const quoted = line.map(word => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  return [scriptProgram!, '-qec', quoted, '/dev/null'];
}

/** Of util-linux; undefined where terminals cannot be had. */
export const scriptProgram: string | undefined = ['/usr/bin/script', '/bin/script'].find(existsSync);

/** Of an executable that lies in a folder nobody else may enter, a test as nobody makes no sense. */
export const nobodyCanRun: boolean =
  !isRoot || spawnSync(process.execPath, ['--version'], { uid: nobody, gid: nobody, cwd: dirname('/') }).status === 0;
