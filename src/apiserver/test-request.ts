// Bare requests of the superuser against a test server, and kubectl with a kubeconfig of its own.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestServer } from './test-server.ts';

export interface Answer {
  readonly code: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Ask {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as it is, instead. */
  readonly raw?: string | Uint8Array;
}

/** The head of the answer; the body follows. */
export function open(server: TestServer, path: string, { method = 'GET', headers = {}, body, raw }: Ask = {}) {
  return new Promise<IncomingMessage>((resolve, reject) => {
    const sent = request(
      `${server.url}${path}`,
      {
        method,
        headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        agent: false,
        ca: server.ca,
        cert: server.admin.certificatePem,
        key: server.admin.keyPem,
      },
      resolve,
    );
    sent.on('error', reject);
    sent.end(raw ?? (body === undefined ? undefined : JSON.stringify(body)));
  });
}

export async function ask(server: TestServer, path: string, how: Ask = {}): Promise<Answer> {
  const message = await open(server, path, how);
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return { code: message.statusCode ?? 0, headers: message.headers, body: Buffer.concat(chunks) };
}

/** Runs the stock kubectl against the server; answers with its output, standard error included, and its exit code. */
export function kubectlFor(server: TestServer): {
  run(args: readonly string[], input?: string): Promise<{ code: number; out: string; err: string }>;
  readonly config: string;
  cleanup(): void;
} {
  const folder = mkdtempSync(join(tmpdir(), 'k8ts-kubectl-'));
  const config = join(folder, 'config');
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  writeFileSync(
    config,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 't', cluster: { server: server.url, 'certificate-authority-data': base64(server.ca) } }],
      users: [
        {
          name: 't',
          user: {
            'client-certificate-data': base64(server.admin.certificatePem),
            'client-key-data': base64(server.admin.keyPem),
          },
        },
      ],
      contexts: [{ name: 't', context: { cluster: 't', user: 't' } }],
      'current-context': 't',
    }),
  );
  return {
    run: (args, input) =>
      new Promise(resolve => {
        const child = execFile(
          'kubectl',
          [...args],
          { maxBuffer: 16 << 20, env: { ...process.env, KUBECONFIG: config, KUBECACHEDIR: join(folder, 'cache') } },
          (error, out, err) => resolve({ code: error ? Number(error.code ?? 1) : 0, out, err }),
        );
        child.stdin?.end(input ?? '');
      }),
    config,
    cleanup: () => rmSync(folder, { recursive: true, force: true }),
  };
}
