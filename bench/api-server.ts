// An API server with its controllers in a process of its own, as `k8ts server` runs it.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mainScript } from '../bin/entry.js';
import { freePort } from '../src/base/test-free-port.ts';
import { type Identity, start, untilOk } from './process.ts';

export interface ApiServer {
  readonly url: string;
  readonly identity: Identity;
  readonly pkiDirectory: string;
  /** Starts it on a store of that name, new or as it was left; how long until it is ready. */
  run(store: string): Promise<{ pid: number; readyMs: number; stop(): Promise<void> }>;
}

export async function prepareApiServer(base: string): Promise<ApiServer> {
  const port = await freePort();
  const pkiDirectory = join(base, 'pki');
  const config = (store: string) => ({
    cluster: 'bench',
    pkiDirectory,
    storeDirectory: join(base, store),
    listen: { host: '127.0.0.1', port },
    advertise: { address: '127.0.0.1', port },
    serverNames: ['localhost'],
    serverAddresses: ['127.0.0.1'],
    podCidr: '10.244.0.0/16',
    serviceCidr: '10.96.0.0/12',
    clusterDomain: 'cluster.local',
    simulatedNodes: 0,
    maxPods: 110,
  });
  const url = `https://127.0.0.1:${port}`;
  const launch = (store: string) => {
    const file = join(base, `${store}.json`);
    writeFileSync(file, JSON.stringify(config(store)));
    return start(mainScript(), ['server', '--config', file]);
  };
  // The first run makes the keys.
  const first = launch('warm-up');
  await untilFile(join(pkiDirectory, 'admin.crt'));
  const identity = {
    ca: readFileSync(join(pkiDirectory, 'ca.crt'), 'utf8'),
    cert: readFileSync(join(pkiDirectory, 'admin.crt'), 'utf8'),
    key: readFileSync(join(pkiDirectory, 'admin.key'), 'utf8'),
  };
  await untilOk(url, '/readyz', identity);
  await first.stop();
  return {
    ...{ url, identity, pkiDirectory },
    async run(store) {
      const from = performance.now();
      const { child, stop } = launch(store);
      await untilOk(url, '/readyz', identity);
      return { pid: child.pid!, readyMs: performance.now() - from, stop };
    },
  };
}

async function untilFile(file: string): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    try {
      readFileSync(file);
      return;
    } catch {
      await new Promise(resolve => setTimeout(resolve, 25));
    }
  }
  throw new Error(`${file} was not written within 10 s`);
}
