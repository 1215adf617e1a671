// The API server beside the raw limit: start, durable creates by 64 streams, a list of 10,000 pods, memory.
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { call, connectTo, createPods, podsPath } from './api-load.ts';
import { type ApiServer, prepareApiServer } from './api-server.ts';
import { longestBlockMs } from './list-block.ts';
import { cpuSeconds, type Identity, memoryMb, start, untilOk } from './process.ts';
import { report } from './report.ts';

const streams = 64;
const pods = 10_000;

export async function benchApi(): Promise<void> {
  const base = mkdtempSync(join(process.env.K8TS_BENCH_DIR ?? tmpdir(), 'k8ts-bench-api-'));
  try {
    const api = await prepareApiServer(base);
    const k8ts = await benchServer(api);
    const raw = await benchRaw(base, api);
    const blockMs = await longestBlockMs(pods);
    report({
      bench: 'api',
      what: 'start to /readyz, empty store',
      value: k8ts.startMs,
      unit: 'ms',
      aim: '≤ 400',
    });
    report({
      bench: 'api',
      what: `start to /readyz, ${pods} pods`,
      value: k8ts.fullStartMs,
      unit: 'ms',
      aim: '≤ 1000',
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
    report({
      bench: 'api',
      what: `the loop held while ${pods} pods are listed`,
      value: blockMs,
      unit: 'ms',
      aim: '≤ 10',
    });
    report({ bench: 'api', what: `control plane with ${pods} pods: resident`, value: k8ts.full.rss, unit: 'MB' });
    report({ bench: 'api', what: 'control plane, idle: processor', value: k8ts.idleCpu, unit: '% of a core' });
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
}

async function benchServer({ url, identity, run }: ApiServer) {
  const server = await run('store');
  const startMs = server.readyMs;
  let figures: Awaited<ReturnType<typeof measured>>;
  try {
    figures = await measured(url, identity, server.pid);
  } finally {
    await server.stop();
  }
  const again = await run('store');
  await again.stop();
  return { startMs, fullStartMs: again.readyMs, ...figures };
}

async function measured(url: string, identity: Identity, pid: number) {
  await untilOk(url, '/api/v1/namespaces/default/serviceaccounts/default', identity);
  await new Promise(resolve => setTimeout(resolve, 10_000));
  const cpu = cpuSeconds(pid);
  await new Promise(resolve => setTimeout(resolve, 5000));
  const idleCpu = ((cpuSeconds(pid) - cpu) / 5) * 100;
  const idle = memoryMb(pid);
  return { idle, idleCpu, ...(await load(url, identity)), full: memoryMb(pid) };
}

async function benchRaw(base: string, { pkiDirectory: pki }: ApiServer) {
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

async function load(url: string, identity: Identity): Promise<{ creates: number; list: number }> {
  const session = await connectTo(url, identity);
  const creates = await createPods(session, pods, streams);
  const rates: number[] = [];
  for (let i = 0; i < 7; i++) {
    const began = performance.now();
    const { bytes } = await call(session, 'GET', podsPath);
    rates.push(bytes / 1e6 / ((performance.now() - began) / 1000));
  }
  session.close();
  return { creates, list: rates.sort((a, b) => a - b)[rates.length >> 1]! };
}
