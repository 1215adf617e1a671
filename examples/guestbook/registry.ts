/**
 * A registry inside a k8ts cluster's network, with the guestbook's images in it, that its nodes ask for
 * registry.guestbook:5000. `registry.ts NAME` serves cluster NAME until it is interrupted.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/base/clock.ts';
import { defaultClusterName } from '../../src/cluster/config.ts';
import { findProgram } from '../../src/cri/command.ts';
import { registryHosts } from '../../src/cri/containerd-config.ts';
import { buildImages } from './images.ts';
import { unpackPackages } from './packages.ts';

export const registryName = 'registry.guestbook:5000';

export interface Registry {
  /** Idempotent. */
  stop(): Promise<void>;
}

/** Builds the images, starts the registry in the first node's network and pushes. Needs root and a running cluster. */
export async function startRegistry(cluster: string, say: (line: string) => void = () => {}): Promise<Registry> {
  const directory = mkdtempSync(join(tmpdir(), 'k8ts-guestbook-'));
  let child: ChildProcess | undefined;
  const stop = async () => {
    if (child && child.exitCode === null && child.signalCode === null) {
      const gone = new Promise(done => child!.once('exit', done));
      child.kill('SIGKILL');
      await gone;
    }
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    say('building images from Debian packages');
    const images = join(directory, 'images');
    await buildImages(images);
    const namespace = `/run/netns/k8ts-${cluster}-node-1`;
    const { nodes, state } = nodesOf(cluster);
    const address = `${nodes[0]!.address}:5000`;
    const url = `http://${address}`;
    child = await serveRegistry({ directory, namespace, address });
    say(`pushing them to ${registryName}`);
    await pushInside(namespace, images, url);
    for (const { name } of nodes) {
      const mirror = join(state, name, 'registry', registryName);
      mkdirSync(mirror, { recursive: true });
      writeFileSync(join(mirror, 'hosts.toml'), registryHosts(`http://${registryName}`, [url]));
    }
    return { stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface RegistryPlace {
  /** For its configuration, log and images. */
  readonly directory: string;
  /** `/run/netns/NAME` */
  readonly namespace: string;
  /** `HOST:PORT` to listen on there. */
  readonly address: string;
}

/** Debian's docker-registry in a network namespace, in the clear. Resolves when it answers. */
export async function serveRegistry({ directory, namespace, address }: RegistryPlace): Promise<ChildProcess> {
  const config = join(directory, 'registry.json');
  writeFileSync(
    config,
    JSON.stringify({
      version: 0.1,
      log: { level: 'error', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: join(directory, 'storage') } },
      http: { addr: address },
    }),
  );
  const program = await registryProgram(directory);
  // It takes every question for a missing blob as an error of its own.
  const log = openSync(join(directory, 'registry.log'), 'a');
  const child = spawn('nsenter', [`--net=${namespace}`, program, 'serve', config], { stdio: ['ignore', log, log] });
  closeSync(log);
  try {
    await insideNetwork(namespace, ['--input-type=module', '-e', untilListening, `http://${address}`]);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
  return child;
}

/** Pushes what `writeImage` wrote to the registry at `url`. */
export function pushInside(namespace: string, directory: string, url: string): Promise<void> {
  return insideNetwork(namespace, [join(import.meta.dirname, 'images.ts'), directory, url]);
}

const untilListening = `
  const url = process.argv.at(-1);
  for (let i = 0; ; i++) {
    try { await fetch(url + '/v2/'); break; } catch (error) { if (i > 100) throw error; }
    await new Promise(done => setTimeout(done, 50));
  }`;

function insideNetwork(namespace: string, args: readonly string[]): Promise<void> {
  return new Promise((done, reject) => {
    const child = spawn('nsenter', [`--net=${namespace}`, process.execPath, ...args], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    child.once('error', reject);
    child.once('exit', code => (code === 0 ? done() : reject(new Error(`${args.at(-1)}: exit ${code}`))));
  });
}

async function registryProgram(directory: string): Promise<string> {
  const installed = findProgram('docker-registry');
  if (installed) return installed;
  const unpacked = join(directory, 'docker-registry');
  await unpackPackages(['docker-registry'], unpacked);
  return join(unpacked, 'usr', 'bin', 'docker-registry');
}

/** Names and addresses of the cluster's nodes, and the directory theirs lie in. */
function nodesOf(cluster: string): { nodes: { name: string; address: string }[]; state: string } {
  const state = join('/var/lib/k8ts', cluster);
  if (!existsSync(state)) throw new Error(`no cluster "${cluster}": run "k8ts up --name ${cluster}" first`);
  const names = readdirSync(state).filter(name => existsSync(join(state, name, 'agent.json')));
  const nodes = names.sort().map(name => {
    const config = JSON.parse(readFileSync(join(state, name, 'agent.json'), 'utf8'));
    return { name, address: config.nodeAddress as string };
  });
  return { nodes, state };
}

if (import.meta.main) {
  const [cluster = defaultClusterName] = process.argv.slice(2);
  const registry = await startRegistry(cluster, line => console.error(line));
  console.error(`serving cluster ${cluster}; interrupt to end`);
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());
  while (!stop.signal.aborted) await systemClock.sleep(3_600_000, stop.signal).catch(() => {});
  await registry.stop();
}
