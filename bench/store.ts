// Durable writes and lists of the LMDB store, beside what LMDB alone does on this disk in the same run.
// One JSON object a line. Run: node bench/store.ts [seconds a case]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { openLmdbStore } from '../src/store/lmdb-store.ts';

const seconds = Number(process.argv[2] ?? 2);
const value = Buffer.alloc(4096, 'k8ts');
const base = mkdtempSync(join(process.env.K8TS_BENCH_DIR ?? tmpdir(), 'k8ts-bench-'));
const writerCounts = [1, 16, 128];

const print = (line: Record<string, unknown>) => console.log(JSON.stringify(line));

/** Calls `write` again and again from so many writers; gives calls a second, latencies and the loop's own share. */
async function measure(writers: number, write: (n: number) => Promise<unknown>) {
  const latencies: number[] = [];
  let n = 0;
  const cpu = process.threadCpuUsage();
  const start = performance.now();
  const end = start + seconds * 1000;
  const writer = async () => {
    while (performance.now() < end) {
      const from = performance.now();
      await write(n++);
      latencies.push(performance.now() - from);
    }
  };
  await Promise.all(Array.from({ length: writers }, writer));
  const tookMs = performance.now() - start;
  const used = process.threadCpuUsage(cpu);
  latencies.sort((a, b) => a - b);
  return {
    perSecond: Math.round((n / tookMs) * 1000),
    p50Ms: round(latencies[latencies.length >> 1]!),
    p99Ms: round(latencies[Math.floor(latencies.length * 0.99)]!),
    loopBusy: round((used.user + used.system) / 1000 / tookMs),
  };
}

const round = (x: number) => Math.round(x * 1000) / 1000;
const podKey = (n: number) => `/registry/pods/namespace-${n % 100}/pod-${n}`;

for (const writers of writerCounts) {
  const directory = join(base, `raw-${writers}`);
  const options = { encoding: 'binary', keyEncoding: 'binary' } as const;
  const root = open<Buffer, Buffer>({
    ...options,
    path: directory,
    pageSize: 8192,
    overlappingSync: false,
    mapSize: 2 ** 33,
  });
  const result = await measure(writers, n => root.put(Buffer.from(podKey(n)), value));
  print({ bench: 'store', case: 'raw lmdb put', writers, ...result });
  await root.close();
  rmSync(directory, { recursive: true });
}

for (const writers of writerCounts) {
  const directory = join(base, `store-${writers}`);
  const store = await openLmdbStore({ directory });
  print({
    bench: 'store',
    case: 'create',
    writers,
    ...(await measure(writers, n => store.create(podKey(n), () => value))),
  });
  await store.close();
  rmSync(directory, { recursive: true });
}

for (const writers of writerCounts) {
  const directory = join(base, `update-${writers}`);
  const store = await openLmdbStore({ directory });
  const revisions = await Promise.all(Array.from({ length: 1000 }, (_, i) => store.create(podKey(i), () => value)));
  const result = await measure(writers, async n => {
    const i = n % 1000;
    revisions[i] = await store.update(podKey(i), revisions[i]!, () => value);
  });
  print({ bench: 'store', case: 'update, old versions in the log', writers, ...result });
  await store.close();
  rmSync(directory, { recursive: true });
}

for (const count of [10_000, 100_000]) {
  const directory = join(base, `list-${count}`);
  let store = await openLmdbStore({ directory });
  for (let i = 0; i < count; i += 1000) {
    await Promise.all(Array.from({ length: 1000 }, (_, j) => store.create(podKey(i + j), () => value)));
  }
  await store.close();
  let from = performance.now();
  store = await openLmdbStore({ directory });
  print({ bench: 'store', case: 'open', keys: count, ms: round(performance.now() - from) });
  from = performance.now();
  const entries = (await store.list('/registry/pods/')).entries.length;
  let ms = performance.now() - from;
  print({
    bench: 'store',
    case: 'list all',
    keys: entries,
    ms: round(ms),
    perSecond: Math.round((entries / ms) * 1000),
  });
  from = performance.now();
  let after: string | undefined;
  let pages = 0;
  for (let more = true; more; pages++) {
    const page = await store.list('/registry/pods/', { limit: 500, ...(after === undefined ? {} : { after }) });
    after = page.entries.at(-1)?.key;
    more = page.more;
  }
  ms = performance.now() - from;
  print({ bench: 'store', case: 'list in pages of 500', keys: count, pages, ms: round(ms) });
  const key = podKey(7);
  from = performance.now();
  for (let i = 0; i < 20_000; i++) await store.get(key);
  print({ bench: 'store', case: 'get', keys: count, us: round((performance.now() - from) / 20) });
  await store.close();
  rmSync(directory, { recursive: true });
}
rmSync(base, { recursive: true });
