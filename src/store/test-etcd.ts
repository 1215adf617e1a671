// A real etcd for tests: started on loopback, on free ports, with a directory of its own.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface EtcdProcess {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** What it wrote so far. */
  readonly output: () => string;
  /** Kills it without warning. */
  kill(): Promise<void>;
  /** Starts it again on the same data and port. */
  start(): Promise<void>;
  /** Kills it and removes its data. */
  remove(): Promise<void>;
}

/** Why there can be none; undefined when there can. */
export async function missingEtcd(): Promise<string | undefined> {
  try {
    await promisify(execFile)('etcd', ['--version']);
    return undefined;
  } catch {
    return 'no etcd on the PATH (Debian: apt-get install etcd-server)';
  }
}

/** `flags` come behind its own. */
export async function startEtcd(flags: readonly string[] = [], scheme = 'http'): Promise<EtcdProcess> {
  const directory = mkdtempSync(join(tmpdir(), 'k8ts-etcd-'));
  const [client, peer] = await freePorts();
  const url = `${scheme}://127.0.0.1:${client}`;
  const peerUrl = `http://127.0.0.1:${peer}`;
  let child: ChildProcess | undefined;
  let output = '';
  const kill = async () => {
    const dying = child;
    child = undefined;
    if (!dying || dying.exitCode !== null || dying.signalCode !== null) return;
    const ended = once(dying, 'exit');
    dying.kill('SIGKILL');
    await ended;
  };
  const start = async () => {
    const args = ['--name', 'test', '--data-dir', directory, '--logger', 'zap', '--log-outputs', 'stderr'];
    args.push('--listen-client-urls', url, '--advertise-client-urls', url, '--listen-peer-urls', peerUrl);
    args.push('--initial-advertise-peer-urls', peerUrl, '--initial-cluster', `test=${peerUrl}`, ...flags);
    const started = spawn('etcd', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    child = started;
    await new Promise<void>((resolve, reject) => {
      started.on('error', reject);
      started.on('exit', code => reject(new Error(`etcd ended with ${code}: ${output.slice(-2000)}`)));
      started.stderr!.on('data', (chunk: Buffer) => {
        output = (output + chunk.toString()).slice(-100_000);
        if (/ready to serve client requests|serving (insecure )?client (requests|traffic)/.test(output)) resolve();
      });
    });
  };
  const remove = async () => {
    await kill();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await start();
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    url,
    output: () => output,
    kill,
    start: () => {
      output = '';
      return start();
    },
    remove,
  };
}

async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()];
  for (const server of servers) await once(server.listen(0, '127.0.0.1'), 'listening');
  const ports = servers.map(server => (server.address() as { port: number }).port);
  for (const server of servers) await once(server.close(), 'close');
  return [ports[0]!, ports[1]!];
}
