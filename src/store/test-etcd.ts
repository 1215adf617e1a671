// A real etcd for tests: started on loopback, on free ports, with a directory of its own.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { systemClock } from '../base/clock.ts';
import { freePorts } from '../base/test-free-port.ts';

export interface EtcdProcess {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** What it wrote so far. */
  readonly output: () => string;
  /** Stops it where it is, or lets it go on: its connections stay. */
  pause(paused: boolean): void;
  /** Kills it without warning. */
  kill(): Promise<void>;
  /** Starts it again on the same data and port. */
  start(): Promise<void>;
  /** Removes the data of one that was killed: it starts anew. */
  empty(): void;
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
  const [client, peer] = await freePorts(2);
  const place = { name: 'test', url: `${scheme}://127.0.0.1:${client}`, peerUrl: `http://127.0.0.1:${peer}` };
  return startMember(place, `test=${place.peerUrl}`, flags);
}

export interface EtcdCluster {
  readonly members: readonly EtcdProcess[];
  /** The member that leads now. Waits until there is one, and all that run agree. */
  leader(): Promise<EtcdProcess>;
  remove(): Promise<void>;
}

/** Members that know each other, all of them running. */
export async function startEtcdCluster(count: number): Promise<EtcdCluster> {
  const ports = await freePorts(2 * count);
  const places = Array.from({ length: count }, (_, i) => ({
    name: `m${i}`,
    url: `http://127.0.0.1:${ports[2 * i]}`,
    peerUrl: `http://127.0.0.1:${ports[2 * i + 1]}`,
  }));
  const cluster = places.map(p => `${p.name}=${p.peerUrl}`).join();
  const started = await Promise.allSettled(places.map(place => startMember(place, cluster, [])));
  const members = started.flatMap(s => (s.status === 'fulfilled' ? [s.value] : []));
  const remove = async () => void (await Promise.all(members.map(m => m.remove())));
  const failed = started.find(s => s.status === 'rejected');
  if (failed) {
    await remove();
    throw failed.reason;
  }
  return { members, leader: () => leaderOf(members), remove };
}

async function leaderOf(members: readonly EtcdProcess[]): Promise<EtcdProcess> {
  for (;;) {
    const told = await Promise.all(members.map(m => statusOf(m.url)));
    const running = told.filter(s => s !== undefined);
    const leader = running[0]?.leader;
    const index = told.findIndex(s => s?.id === leader);
    if (leader && index >= 0 && running.every(s => s.leader === leader)) return members[index]!;
    await systemClock.sleep(50);
  }
}

async function statusOf(url: string): Promise<{ id: string; leader: string } | undefined> {
  try {
    const answer = await fetch(`${url}/v3/maintenance/status`, {
      ...{ method: 'POST', body: '{}' },
      signal: AbortSignal.timeout(1000),
    });
    const { header, leader } = (await answer.json()) as { header: { member_id: string }; leader?: string };
    return { id: header.member_id, leader: leader ?? '' };
  } catch {
    return undefined;
  }
}

interface Place {
  readonly name: string;
  readonly url: string;
  readonly peerUrl: string;
}

async function startMember(
  { name, url, peerUrl }: Place,
  cluster: string,
  flags: readonly string[],
): Promise<EtcdProcess> {
  const directory = mkdtempSync(join(tmpdir(), 'k8ts-etcd-'));
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
    const args = ['--name', name, '--data-dir', directory, '--logger', 'zap', '--log-outputs', 'stderr'];
    args.push('--listen-client-urls', url, '--advertise-client-urls', url, '--listen-peer-urls', peerUrl);
    args.push('--initial-advertise-peer-urls', peerUrl, '--initial-cluster', cluster, ...flags);
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
    pause: paused => void child?.kill(paused ? 'SIGSTOP' : 'SIGCONT'),
    kill,
    empty: () => {
      rmSync(directory, { recursive: true, force: true });
      mkdirSync(directory, { mode: 0o700 });
    },
    start: () => {
      output = '';
      return start();
    },
    remove,
  };
}
