// A control plane in a process of its own that tests may kill, and bare HTTP/2 requests to it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type ClientHttp2Session, connect } from 'node:http2';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { mainScript } from '../../bin/entry.js';
import { systemClock } from '../../src/base/clock.ts';
import { freePort } from '../../src/base/test-free-port.ts';

const compileCache = resolve(import.meta.dirname, '../../.cache/compile');
const main = mainScript();

export interface Reply {
  readonly code: number;
  readonly body: any;
}

/** Rejects when the server goes before it has answered in full. */
export function request(session: ClientHttp2Session, method: string, path: string, body?: unknown): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const stream = session.request(
      { ':method': method, ':path': path, 'content-type': 'application/json' },
      { endStream: body === undefined },
    );
    let code = 0;
    let text = '';
    let ended = false;
    stream.setEncoding('utf8');
    stream.on('response', headers => {
      code = Number(headers[':status']);
    });
    stream.on('data', chunk => {
      text += chunk;
    });
    stream.on('end', () => {
      ended = code !== 0;
    });
    stream.on('error', () => {});
    stream.on('close', () => {
      if (!ended || stream.rstCode !== 0) return reject(new Error(`${method} ${path}: the server went away`));
      try {
        resolve({ code, body: text === '' ? undefined : JSON.parse(text) });
      } catch (error) {
        reject(error);
      }
    });
    if (body !== undefined) stream.end(JSON.stringify(body));
  });
}

export interface ServerProcess {
  readonly directory: string;
  readonly storeDirectory: string;
  readonly config: string;
  readonly url: string;
  /** What the last run said on standard error. */
  readonly said: string;
  spawn(): ChildProcess;
  /** Waits for what was spawned. */
  whenReady(): Promise<void>;
  /** Spawns and waits until it is ready; milliseconds that took. */
  start(): Promise<number>;
  connect(): Promise<ClientHttp2Session>;
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Hands over the running process, so that another one can be started beside it. */
  detach(): { kill(): Promise<void> };
  dispose(): Promise<void>;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill(signal);
  await exit;
}

export interface ServerProcessOptions {
  /** Flags behind `k8ts server --config FILE`. */
  readonly flags?: readonly string[];
  /** Of another one, whose keys it shares; that one must have been ready once. */
  readonly pkiDirectory?: string;
  /** Where it says it can be reached. */
  readonly advertise?: string;
}

/** API server, controllers and scheduler as `k8ts server` runs them, without nodes. Its data outlives its runs. */
export async function serverProcess(
  directory = mkdtempSync(join(tmpdir(), 'k8ts-crash-')),
  options: ServerProcessOptions = {},
): Promise<ServerProcess> {
  const port = await freePort();
  const url = `https://127.0.0.1:${port}`;
  const config = join(directory, 'server.json');
  const { flags = [], pkiDirectory = join(directory, 'pki') } = options;
  const storeDirectory = join(directory, 'store');
  const address = { host: '127.0.0.1', port };
  writeFileSync(
    config,
    JSON.stringify({
      cluster: 'crash',
      pkiDirectory,
      storeDirectory,
      listen: address,
      advertise: { address: options.advertise ?? address.host, port },
      serverNames: [],
      serverAddresses: [address.host],
      podCidr: '10.244.0.0/16',
      serviceCidr: '10.96.0.0/12',
      clusterDomain: 'cluster.local',
      simulatedNodes: 0,
      maxPods: 110,
    }),
  );
  let child: ChildProcess | undefined;
  let said = '';
  let identity: { ca: Buffer; cert: Buffer; key: Buffer } | undefined;
  const readIdentity = () => ({
    ca: readFileSync(join(pkiDirectory, 'ca.crt')),
    cert: readFileSync(join(pkiDirectory, 'admin.crt')),
    key: readFileSync(join(pkiDirectory, 'admin.key')),
  });

  const self: ServerProcess = {
    directory,
    storeDirectory,
    config,
    url,
    get said() {
      return said;
    },
    spawn() {
      const started = spawn(process.execPath, [main, 'server', '--config', config, ...flags], {
        env: { NODE_COMPILE_CACHE: compileCache, ...process.env },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      said = '';
      started.stderr.on('data', chunk => {
        said += chunk;
      });
      child = started;
      return started;
    },
    async whenReady() {
      const endMs = systemClock.monotonic() + 60_000;
      while (!(await isReady())) {
        if (child?.exitCode !== null) throw new Error(`the control plane ended with ${child?.exitCode}: ${said}`);
        if (systemClock.monotonic() > endMs) throw new Error(`the control plane does not get ready: ${said}`);
        await systemClock.sleep(5);
      }
    },
    async start() {
      const began = systemClock.monotonic();
      self.spawn();
      await self.whenReady();
      return systemClock.monotonic() - began;
    },
    async connect() {
      identity ??= readIdentity();
      const session = connect(url, identity);
      session.on('error', () => {});
      await once(session, 'connect');
      return session;
    },
    async kill(signal = 'SIGKILL') {
      const dying = child;
      child = undefined;
      if (dying) await end(dying, signal);
    },
    detach() {
      const running = child!;
      child = undefined;
      return { kill: () => end(running, 'SIGKILL') };
    },
    async dispose() {
      await self.kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };

  async function isReady(): Promise<boolean> {
    let session: ClientHttp2Session | undefined;
    try {
      session = await self.connect();
      return (
        (await new Promise<number>((resolve, reject) => {
          const stream = session!.request({ ':path': '/readyz' });
          stream.on('response', headers => resolve(Number(headers[':status'])));
          stream.on('error', reject);
          stream.on('close', () => reject(new Error('closed')));
          stream.resume();
        })) === 200
      );
    } catch {
      return false;
    } finally {
      session?.destroy();
    }
  }
  return self;
}
