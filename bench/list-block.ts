// How long the server's loop is held at most while somebody lists.
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { startTestServer } from '../src/apiserver/test-server.ts';
import { call, connectTo, createPods } from './api-load.ts';
import { start } from './process.ts';

const times = 5;

/** The server is in this process, where its loop can be watched; the client in another. */
export async function longestBlockMs(pods: number): Promise<number> {
  const { url, ca, admin, stop } = await startTestServer();
  const folder = mkdtempSync(join(tmpdir(), 'k8ts-bench-list-'));
  const identity = { ca, cert: admin.certificatePem, key: admin.keyPem };
  for (const [name, text] of Object.entries(identity)) writeFileSync(join(folder, name), text, { mode: 0o600 });
  try {
    const session = await connectTo(url, identity);
    // No controllers run here.
    const account = JSON.stringify({ metadata: { name: 'default' } });
    await call(session, 'POST', '/api/v1/namespaces/default/serviceaccounts', account);
    await createPods(session, pods, 64);
    session.close();
    const loop = monitorEventLoopDelay({ resolution: 1 });
    loop.enable();
    const { child } = start(join(import.meta.dirname, 'list-client.ts'), [url, folder, String(times)]);
    const [code] = await once(child, 'exit');
    loop.disable();
    if (code !== 0) throw new Error(`the client that lists ended with ${code}`);
    return loop.max / 1e6;
  } finally {
    await stop();
    rmSync(folder, { recursive: true });
  }
}
