// A control plane with one simulated node for stock clients, and what runs their programs and reads their reports.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CreateClusterOptions, createCluster, simulated } from '../../src/cluster/index.ts';

export interface ControlPlane {
  readonly url: string;
  /** A file, and its text. */
  readonly kubeconfig: string;
  readonly kubeconfigText: string;
  stop(): Promise<void>;
}

/** In this process, on loopback, its objects in memory. */
export async function startControlPlane(options: CreateClusterOptions = {}): Promise<ControlPlane> {
  const cluster = await createCluster({ nodes: simulated(1), ...options });
  const { url, kubeconfig } = await cluster.listen();
  const home = mkdtempSync(join(tmpdir(), 'k8ts-clients-'));
  const file = join(home, 'kubeconfig');
  writeFileSync(file, kubeconfig, { mode: 0o600 });
  return {
    url,
    kubeconfig: file,
    kubeconfigText: kubeconfig,
    async stop() {
      await cluster.stop();
      rmSync(home, { recursive: true });
    },
  };
}

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  /** Beside those of this process. */
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Default two minutes; then it is ended, and its code is -1. */
  readonly timeoutMs?: number;
}

/** Runs a program to its end without blocking this process, which may serve it. */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return new Promise(resolve => {
    const { cwd, input, timeoutMs = 120_000 } = options;
    const env = { ...process.env, ...options.env };
    const child = spawn(program, args, { cwd, env, timeout: timeoutMs, stdio: ['pipe', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    child.stdout.on('data', chunk => {
      stdout += chunk;
    });
    child.stderr.on('data', chunk => {
      stderr += chunk;
    });
    child.on('error', error => resolve({ code: -1, stdout, stderr: stderr + error.message }));
    const late = `\n${program} was ended: it took longer than ${timeoutMs / 1000} s`;
    child.on('close', code => resolve({ code: code ?? -1, stdout, stderr: child.killed ? stderr + late : stderr }));
  });
}

/** One check of a client program: a JSON line of its output. */
export interface Check {
  readonly name: string;
  readonly seconds: number;
  readonly error?: string;
}

/** The checks a program reports; throws when it ended without a report. */
export function checksOf({ code, stdout, stderr }: Outcome): Check[] {
  const lines = stdout.split('\n').filter(line => line.startsWith('{'));
  if (lines.length === 0 || code > 1 || code < 0) throw new Error(`the client ended with ${code}: ${stderr}${stdout}`);
  return lines.map(line => JSON.parse(line) as Check);
}
