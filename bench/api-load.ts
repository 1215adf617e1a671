// Pods for an API server, and requests to it, by one HTTP/2 connection.
import { once } from 'node:events';
import { type ClientHttp2Session, connect } from 'node:http2';
import type { Identity } from './process.ts';

export const podOf = (i: number) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `p-${i}`, namespace: 'default', labels: { app: `a${i % 100}` } },
    spec: {
      schedulerName: 'nobody',
      containers: [
        {
          name: 'c',
          image: 'registry.example/team/app:1.27.3',
          env: Array.from({ length: 40 }, (_, n) => ({ name: `VARIABLE_${n}`, value: 'x'.repeat(60) })),
        },
      ],
    },
  });

export const podsPath = '/api/v1/namespaces/default/pods';

export async function connectTo(url: string, identity: Identity): Promise<ClientHttp2Session> {
  const session = connect(url, { ...identity, settings: { initialWindowSize: 4 << 20 } });
  await once(session, 'connect');
  session.setLocalWindowSize(64 << 20);
  return session;
}

/** The pods from `first` on, by so many streams at a time; a second. */
export async function createPods(
  session: ClientHttp2Session,
  count: number,
  streams: number,
  first = 0,
): Promise<number> {
  let next = first;
  const from = performance.now();
  const worker = async () => {
    while (next < first + count) {
      const { status } = await call(session, 'POST', podsPath, podOf(next++));
      if (status !== 201) throw new Error(`create answered ${status}`);
    }
  };
  await Promise.all(Array.from({ length: streams }, worker));
  return count / ((performance.now() - from) / 1000);
}

export function call(session: ClientHttp2Session, method: string, path: string, body?: string) {
  return new Promise<{ status: number; bytes: number }>((resolve, reject) => {
    const stream = session.request({
      ':method': method,
      ':path': path,
      accept: 'application/json',
      ...(body ? { 'content-type': 'application/json' } : {}),
    });
    let status = 0;
    let bytes = 0;
    stream.on('response', headers => {
      status = Number(headers[':status']);
    });
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    stream.on('end', () => resolve({ status, bytes }));
    stream.on('error', reject);
    stream.end(body);
  });
}
