// API servers made of kube-apiserver's modules, each a process on loopback: they ask a server of k8ts who may do what.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Caller, caller } from '../../src/apiserver/test-caller.ts';
import { kubectlFor } from '../../src/apiserver/test-request.ts';
import type { TestServer } from '../../src/apiserver/test-server.ts';
import { systemClock } from '../../src/base/clock.ts';
import { systemRandom } from '../../src/base/random.ts';
import { freePort } from '../../src/base/test-free-port.ts';
import { createCa, issueCertificate } from '../../src/base/x509.ts';

export interface RealServer {
  readonly url: string;
  readonly ca: string;
  readonly api: Caller;
  /** As who has a token. */
  as(token: string): Caller;
  /** Its audit log so far, an event a line. */
  audit(): string;
  stop(): Promise<void>;
}

export interface RealServerOptions {
  readonly program: string;
  /** `definitions`: apiextensions-apiserver; `flunders`: sample-apiserver; `aggregator`: kube-aggregator before the former. */
  readonly name: 'definitions' | 'flunders' | 'aggregator';
  readonly etcd: string;
  /** Who authenticates, authorizes and has the namespaces. Its superuser is theirs. */
  readonly home: TestServer;
  /** More of its own, without the dashes. */
  readonly flags?: Readonly<Record<string, string>>;
  /** Of an audit policy: where it keeps its log then. */
  readonly auditPolicy?: object;
}

/** Resolves once it says it is ready. */
export async function startRealServer(options: RealServerOptions): Promise<RealServer> {
  const { program, name, etcd, home, flags: more, auditPolicy } = options;
  const directory = mkdtempSync(join(tmpdir(), `k8ts-${name}-`));
  const kubectl = kubectlFor(home);
  const file = (base: string, text: string) => {
    const path = join(directory, base);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const certificates = { nowMs: systemClock.now(), random: systemRandom, days: 1 };
  const ca = await createCa({ commonName: 'real-ca', ...certificates });
  const serving = await issueCertificate(ca, {
    subject: { commonName: name, organizations: [] },
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1'],
    usages: 'server',
    ...certificates,
  });
  const port = await freePort();
  const auditLog = join(directory, 'audit.log');
  const args = {
    'bind-address': '127.0.0.1',
    'secure-port': port,
    'etcd-servers': etcd,
    'etcd-prefix': '/registry',
    'tls-cert-file': file('tls.crt', serving.certificatePem),
    'tls-private-key-file': file('tls.key', serving.keyPem),
    'client-ca-file': file('ca.crt', home.ca),
    kubeconfig: kubectl.config,
    'authentication-kubeconfig': kubectl.config,
    'authorization-kubeconfig': kubectl.config,
    ...more,
    ...(auditPolicy
      ? { 'audit-policy-file': file('audit.json', JSON.stringify(auditPolicy)), 'audit-log-path': auditLog }
      : {}),
  };
  const flags = Object.entries(args).map(([flag, value]) => `--${flag}=${value}`);
  const child = spawn(program, [name, ...flags], { cwd: directory, stdio: ['pipe', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout!, child.stderr!])
    stream.on('data', chunk => {
      output = (output + chunk).slice(-20_000);
    });
  const url = `https://127.0.0.1:${port}`;
  const { certificatePem: cert, keyPem: key } = home.admin;
  const api = caller({ url, ca: ca.certificatePem, cert, key });
  const stop = async () => {
    api.close();
    await end(child);
    kubectl.cleanup();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    for (;;) {
      if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}: ${output}`);
      const code = await api.send('GET', '/readyz').then(
        r => r.code,
        () => 0,
      );
      if (code === 200) {
        const as = (token: string) => caller({ url, ca: ca.certificatePem, token });
        return { url, ca: ca.certificatePem, api, as, audit: () => readFileSync(auditLog, 'utf8'), stop };
      }
      await systemClock.sleep(50);
    }
  } catch (error) {
    await stop();
    throw error;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
