// A cluster of the test's own on this machine, under a home directory of its own.
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mainScript } from '../bin/entry.js';
import { systemClock } from '../src/base/clock.ts';
import { findProgram } from '../src/cri/command.ts';
import { hostArchitecture, ociArchive } from '../src/cri/oci-image.ts';

export interface Outcome {
  /** -1 when a signal ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly input?: string;
  readonly timeoutMs?: number;
}

export interface Lab {
  readonly name: string;
  /** HOME of everything it runs; gone after dispose. */
  readonly home: string;
  readonly env: NodeJS.ProcessEnv;
  run(program: string, args: readonly string[], options?: RunOptions): Promise<Outcome>;
  /** Its output; rejects when it fails. */
  k8ts(...args: string[]): Promise<string>;
  /** Idempotent; also after a failed start. */
  dispose(): Promise<void>;
}

const main = mainScript();

/** `enter` is put before every command line, as `nsenter --net=…`. */
export function newLab(prefix: string, enter: readonly string[] = []): Lab {
  const name = `${prefix}${process.pid}`;
  const home = mkdtempSync(join(tmpdir(), `k8ts-${prefix}-`));
  const { K8TS_STATE_DIR: _, ...rest } = process.env;
  const env = { ...rest, HOME: home, KUBECONFIG: join(home, 'config'), TZ: 'UTC', LC_ALL: 'C' };
  const run = (program: string, args: readonly string[], options: RunOptions = {}) =>
    new Promise<Outcome>(done => {
      const { cwd = home, input, timeoutMs = 120_000 } = options;
      const settings = { env, cwd, timeout: timeoutMs, maxBuffer: 64 << 20 };
      const [command = program, ...rest] = [...enter, program, ...args];
      const child = execFile(command, rest, settings, (error, stdout, stderr) =>
        done({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr }),
      );
      child.stdin?.on('error', () => {});
      child.stdin?.end(input);
    });
  const k8ts = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(process.execPath, [main, ...args, '--name', name]);
    if (code !== 0) throw new Error(`k8ts ${args.join(' ')}: exit ${code}: ${stderr}${stdout}`);
    return stdout;
  };
  const dispose = async () => {
    try {
      await k8ts('down');
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  };
  return { name, home, env, run, k8ts, dispose };
}

/** Rejects when the look finds nothing in that time; failures of the look count as nothing. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  timeoutMs = 30_000,
): Promise<T> {
  for (let last: unknown = 'nothing', endMs = systemClock.monotonic() + timeoutMs; ; ) {
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found;
    } catch (error) {
      last = error;
    }
    if (systemClock.monotonic() > endMs) throw new Error(`waited ${timeoutMs / 1000} s for ${what}: ${last}`);
    await systemClock.sleep(50);
  }
}

/** Debian's busybox-static with a link for each of its programs, loaded on every node of the lab. */
export async function loadBusybox(lab: Lab, reference: string): Promise<void> {
  const program = findProgram('busybox') ?? '/bin/busybox';
  const { stdout } = await lab.run(program, ['--list']);
  const links = stdout.split('\n').filter(applet => applet && applet !== 'busybox');
  const files = [
    { name: 'bin/' },
    { name: 'bin/busybox', content: readFileSync(program), mode: 0o755 },
    ...links.map(applet => ({ name: `bin/${applet}`, link: 'busybox' })),
    { name: 'etc/' },
    { name: 'etc/passwd', content: Buffer.from('root:x:0:0:root:/:/bin/sh\n') },
    { name: 'etc/group', content: Buffer.from('root:x:0:\n') },
    { name: 'tmp/', mode: 0o1777 },
    { name: 'www/' },
  ];
  const config = { Cmd: ['sh'], Env: ['PATH=/bin'] };
  const archive = join(lab.home, 'busybox.tar');
  writeFileSync(archive, ociArchive({ reference, architecture: hostArchitecture(), files, config }));
  await lab.k8ts('image', 'load', archive);
}
