// The published konnectivity server and agent, as processes on loopback: the server on a unix socket.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { systemClock } from '../../src/base/clock.ts';
import { systemRandom } from '../../src/base/random.ts';
import { freePort } from '../../src/base/test-free-port.ts';
import { createCa, issueCertificate } from '../../src/base/x509.ts';
import { run } from '../clients/control-plane.ts';

const here = import.meta.dirname;
const programs = resolve(here, '../../.cache/konnectivity');
const module = 'sigs.k8s.io/apiserver-network-proxy/cmd';

/** Builds both, which takes minutes the first time; says why where that cannot be. */
export async function buildKonnectivity(): Promise<string | undefined> {
  if ((await run('go', ['version'])).code !== 0) return 'Go is not installed, and konnectivity needs it';
  mkdirSync(programs, { recursive: true });
  const options = { cwd: join(here, 'egress'), timeoutMs: 1_800_000 };
  const fetched = await run('go', ['mod', 'download'], options);
  if (fetched.code !== 0) return `the modules of konnectivity cannot be fetched: ${fetched.stderr.trim()}`;
  const built = await run('go', ['build', '-o', `${programs}/`, `${module}/server`, `${module}/agent`], options);
  if (built.code !== 0) throw new Error(`building konnectivity: ${built.stderr}`);
  return undefined;
}

export interface Konnectivity {
  readonly socket: string;
  stopAgent(): Promise<void>;
  stop(): Promise<void>;
}

/** Resolves once the agent is known to the server. */
export async function startKonnectivity(folder: string, mode: 'grpc' | 'http-connect'): Promise<Konnectivity> {
  const file = (name: string, text: string) => {
    const path = join(folder, `${mode}-${name}`);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const making = { nowMs: systemClock.now(), random: systemRandom, days: 1 };
  const ca = await createCa({ commonName: 'konnectivity', ...making });
  const pair = async (usages: 'server' | 'client') => {
    const names = { subject: { commonName: usages }, ipAddresses: ['127.0.0.1'] };
    const made = await issueCertificate(ca, { ...names, usages, ...making });
    return { cert: file(`${usages}.crt`, made.certificatePem), key: file(`${usages}.key`, made.keyPem) };
  };
  const [server, client, authority] = [await pair('server'), await pair('client'), file('ca.crt', ca.certificatePem)];
  const socket = join(folder, `${mode}.sock`);
  const [agentPort, ...ports] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const serving = start(join(programs, 'server'), {
    ...{ mode, 'uds-name': socket, 'delete-existing-uds-file': true, 'server-port': 0 },
    ...{ 'agent-port': agentPort, 'agent-bind-address': '127.0.0.1', 'admin-bind-address': '127.0.0.1' },
    ...{ 'admin-port': ports[0], 'health-port': ports[1], 'health-bind-address': '127.0.0.1' },
    ...{ 'cluster-cert': server.cert, 'cluster-key': server.key, 'cluster-ca-cert': authority },
  });
  const agent = start(join(programs, 'agent'), {
    ...{ 'proxy-server-host': '127.0.0.1', 'proxy-server-port': agentPort, 'ca-cert': authority },
    ...{ 'agent-cert': client.cert, 'agent-key': client.key, 'sync-interval': '100ms', 'sync-interval-cap': '200ms' },
    ...{ 'admin-bind-address': '127.0.0.1', 'admin-server-port': ports[2] },
    ...{ 'health-server-host': '127.0.0.1', 'health-server-port': ports[3] },
  });
  await serving.says('Register backend for agent');
  return {
    socket,
    stopAgent: agent.stop,
    async stop() {
      await agent.stop();
      await serving.stop();
    },
  };
}

function start(program: string, flags: Readonly<Record<string, unknown>>) {
  const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  const child: ChildProcess = spawn(program, [...args, '--v=2'], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  const ended = new Promise<void>(resolve => child.once('exit', () => resolve()));
  return {
    says: (text: string): Promise<void> =>
      new Promise((resolve, reject) => {
        child.stderr!.on('data', chunk => {
          said += chunk;
          if (said.includes(text)) resolve();
        });
        child.once('exit', () => reject(new Error(`${program} ended: ${said}`)));
        child.once('error', reject);
      }),
    stop: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
