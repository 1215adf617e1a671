// Components as programs of their own, each with the kubeconfig that kubeadm would give it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { mainScript } from '../../bin/entry.js';

const main = mainScript();
const compileCache = resolve(import.meta.dirname, '../../.cache/compile');

export interface Part {
  readonly name: string;
  readonly child: ChildProcess;
  /** What it said on standard error so far. */
  said(): string;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export interface Identity {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Writes a kubeconfig; its path. */
export function writeKubeconfig(directory: string, name: string, server: string, { ca, cert, key }: Identity): string {
  const path = join(directory, `${name}.kubeconfig`);
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server, 'certificate-authority-data': base64(ca) } }],
    users: [{ name: 'u', user: { 'client-certificate-data': base64(cert), 'client-key-data': base64(key) } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  };
  writeFileSync(path, JSON.stringify(config), { mode: 0o600 });
  return path;
}

export function startPart(name: string, args: readonly string[]): Part {
  const child = spawn(process.execPath, [main, ...args], {
    env: { NODE_COMPILE_CACHE: compileCache, ...process.env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr!.on('data', chunk => {
    said += chunk;
  });
  return {
    name,
    child,
    said: () => said,
    async stop(signal = 'SIGTERM') {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill(signal);
      await ended;
    },
  };
}
