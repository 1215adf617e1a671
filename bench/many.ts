// 150,000 pods in the store: memory, and how long gets and creates take beside each other at a steady rate.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { call, connectTo, createPods, podOf, podsPath } from './api-load.ts';
import { prepareApiServer } from './api-server.ts';
import { memoryMb } from './process.ts';
import { quantile } from './quantile.ts';
import { report } from './report.ts';

const standing = 150_000;
const rate = 500;
const seconds = 30;

export async function benchMany(): Promise<void> {
  const base = mkdtempSync(join(process.env.K8TS_BENCH_DIR ?? tmpdir(), 'k8ts-bench-many-'));
  try {
    const { url, identity, run } = await prepareApiServer(base);
    const server = await run('store');
    try {
      const session = await connectTo(url, identity);
      const creates = await createPods(session, standing, 64);
      report({ bench: 'many', what: `${standing} pods of 4 KB created, 64 streams`, value: creates, unit: '/s' });
      await new Promise(resolve => setTimeout(resolve, 10_000));
      const [gets, puts] = await steady(async i => {
        if (i % 2) return call(session, 'POST', podsPath, podOf(standing + i));
        return call(session, 'GET', `${podsPath}/p-${(i * 7919) % standing}`);
      });
      for (const [name, samples] of [
        ['get', gets],
        ['create', puts],
      ] as const) {
        const what = `${name} beside ${standing} pods, ${rate} requests a second, p99`;
        report({ bench: 'many', what, value: quantile(samples, 0.99), unit: 'ms', aim: '< 20' });
      }
      const { rss } = memoryMb(server.pid);
      report({
        bench: 'many',
        what: `control plane with ${standing} pods: resident`,
        value: rss,
        unit: 'MB',
        aim: '≤ 1500',
      });
      session.close();
    } finally {
      await server.stop();
    }
    const again = await run('store');
    report({ bench: 'many', what: `start to /readyz, ${standing} pods`, value: again.readyMs, unit: 'ms' });
    await again.stop();
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
}

/** Requests at their times, whether the ones before are answered or not: milliseconds of even and of odd ones, in order. */
async function steady(send: (i: number) => Promise<{ status: number }>): Promise<[number[], number[]]> {
  const taken: [number[], number[]] = [[], []];
  const from = performance.now();
  const pending: Promise<void>[] = [];
  for (let i = 0; i < rate * seconds; i++) {
    const due = from + (i * 1000) / rate;
    const early = due - performance.now();
    if (early > 1) await new Promise(resolve => setTimeout(resolve, early));
    pending.push(
      send(i).then(({ status }) => {
        if (status >= 300) throw new Error(`request ${i} answered ${status}`);
        taken[i % 2]!.push(performance.now() - due);
      }),
    );
  }
  await Promise.all(pending);
  for (const samples of taken) samples.sort((a, b) => a - b);
  return taken;
}
