// The API server beside the raw limit: start, durable creates by 64 streams, a list of 10,000 pods, memory.
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type ClientHttp2Session, connect } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mainScript } from '../bin/entry.js';
import { freePort } from '../src/base/test-free-port.ts';
import { cpuSeconds, type Identity, memoryMb, start, untilOk } from './process.ts';
import { report } from './report.ts';

const streams = 64;
const pods = 10_000;

const podOf = (i: number) =>
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

export async function benchApi(): Promise<void> {
  const base = mkdtempSync(join(process.env.K8TS_BENCH_DIR ?? tmpdir(), 'k8ts-bench-api-'));
  try {
    const k8ts = await benchServer(base);
    const raw = await benchRaw(base);
    report({
      bench: 'api',
      what: 'start to /readyz, empty store',
      value: k8ts.startMs,
      unit: 'ms',
      aim: '≤ 400',
    });
    report({ bench: 'api', what: 'control plane, idle: resident', value: k8ts.idle.rss, unit: 'MB', aim: '≤ 150' });
    report({ bench: 'api', what: 'control plane, idle: of its own', value: k8ts.idle.own, unit: 'MB' });
    report({
      bench: 'api',
      what: 'create 4 KB pods, 64 streams, durable',
      value: k8ts.creates,
      raw: raw.creates,
      unit: '/s',
      aim: '≥ 0.4 ×',
    });
    report({
      bench: 'api',
      what: `list ${pods} pods`,
      value: k8ts.list,
      raw: raw.list,
      unit: 'MB/s',
      aim: '≥ 0.7 ×',
    });
    report({ bench: 'api', what: `control plane with ${pods} pods: resident`, value: k8ts.full.rss, unit: 'MB' });
    report({ bench: 'api', what: 'control plane, idle: processor', value: k8ts.idleCpu, unit: '% of a core' });
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
}

async function benchServer(base: string) {
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
  const run = (store: string) => {
    const file = join(base, `${store}.json`);
    writeFileSync(file, JSON.stringify(config(store)));
    return start(mainScript(), ['server', '--config', file]);
  };
  // The first run makes the keys.
  const first = run('warm-up');
  await untilFile(join(pkiDirectory, 'admin.crt'));
  const identity = {
    ca: readFileSync(join(pkiDirectory, 'ca.crt'), 'utf8'),
    cert: readFileSync(join(pkiDirectory, 'admin.crt'), 'utf8'),
    key: readFileSync(join(pkiDirectory, 'admin.key'), 'utf8'),
  };
  await untilOk(url, '/readyz', identity);
  await first.stop();
  const from = performance.now();
  const server = run('store');
  await untilOk(url, '/readyz', identity);
  const startMs = performance.now() - from;
  try {
    await untilOk(url, '/api/v1/namespaces/default/serviceaccounts/default', identity);
    await new Promise(resolve => setTimeout(resolve, 10_000));
    const cpu = cpuSeconds(server.child.pid!);
    await new Promise(resolve => setTimeout(resolve, 5000));
    const idleCpu = ((cpuSeconds(server.child.pid!) - cpu) / 5) * 100;
    const idle = memoryMb(server.child.pid!);
    return { startMs, idle, idleCpu, ...(await load(url, identity)), full: memoryMb(server.child.pid!) };
  } finally {
    await server.stop();
  }
}

async function benchRaw(base: string) {
  const pki = join(base, 'pki');
  const server = start(
    join(import.meta.dirname, 'raw-server.ts'),
    [join(base, 'raw'), join(pki, 'apiserver.crt'), join(pki, 'apiserver.key')],
    true,
  );
  const [{ port }] = (await once(server.child, 'message')) as [{ port: number }];
  const identity = { ca: readFileSync(join(pki, 'ca.crt'), 'utf8') };
  try {
    return await load(`https://127.0.0.1:${port}`, identity);
  } finally {
    await server.stop();
  }
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

async function load(url: string, identity: Identity): Promise<{ creates: number; list: number }> {
  const session = connect(url, { ...identity, settings: { initialWindowSize: 4 << 20 } });
  await once(session, 'connect');
  session.setLocalWindowSize(64 << 20);
  const bodies = Array.from({ length: pods }, (_, i) => podOf(i));
  let next = 0;
  const from = performance.now();
  const worker = async () => {
    while (next < pods) {
      const { status } = await call(session, 'POST', '/api/v1/namespaces/default/pods', bodies[next++]);
      if (status !== 201) throw new Error(`create answered ${status}`);
    }
  };
  await Promise.all(Array.from({ length: streams }, worker));
  const creates = pods / ((performance.now() - from) / 1000);
  const rates: number[] = [];
  for (let i = 0; i < 7; i++) {
    const began = performance.now();
    const { bytes } = await call(session, 'GET', '/api/v1/namespaces/default/pods');
    rates.push(bytes / 1e6 / ((performance.now() - began) / 1000));
  }
  session.close();
  return { creates, list: rates.sort((a, b) => a - b)[rates.length >> 1]! };
}

function call(session: ClientHttp2Session, method: string, path: string, body?: string) {
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
