// `npm run bench scheduler`: pods a second that the scheduler places, in the shapes of upstream's scheduler_perf, on the
// fake client, each in a process of its own. `node bench/scheduler.ts NAME …` runs some; SCALE=0.1 makes them smaller,
// PROFILE=FILE writes a processor profile of what is measured.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import type { Draft, KubeObject } from '../src/api/meta.ts';
import { coreV1 } from '../src/api/refs.ts';
import { systemClock } from '../src/base/clock.ts';
import { silentLog } from '../src/base/log.ts';
import { seededRandom } from '../src/base/random.ts';
import { type FakeClient, fakeClient, resourceOf } from '../src/client/fake-client.ts';
import { createInformerFactory } from '../src/client/informer-factory.ts';
import { livePods } from '../src/scheduler/live-pods.ts';
import { createScheduler } from '../src/scheduler/scheduler.ts';
import { report } from './report.ts';
import { churning, nodeObjects, podsOf, type Workload, workloads } from './scheduler-workload.ts';

const scale = Number(process.env.SCALE ?? 1);
const timeLimitMs = 180_000;

const turn = () => new Promise<void>(resolve => setImmediate(resolve));
const put = (client: FakeClient, object: Draft<KubeObject>) => client.set(resourceOf(object), object);
const keyOf = ({ metadata }: Draft<KubeObject>) =>
  metadata?.namespace ? `${metadata.namespace}/${metadata.name}` : metadata!.name!;

/** Every second something new, and what there was before goes. */
function churn(client: FakeClient): () => void {
  let round = 0;
  const next = () => {
    for (const o of round ? churning(round) : []) client.remove(resourceOf(o), keyOf(o));
    for (const o of churning(++round)) put(client, o);
  };
  const timer = setInterval(next, 1000);
  next();
  return () => clearInterval(timer);
}

async function profiling(file: string | undefined): Promise<() => Promise<void>> {
  if (!file) return async () => {};
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.start');
  return async () => writeFileSync(file, JSON.stringify((await session.post('Profiler.stop')).profile));
}

function scaled(w: Workload): Workload {
  const { nodes, init, measured } = w;
  const some = (n: number) => Math.ceil(n * scale);
  return { ...w, nodes: some(nodes), init: some(init), measured: some(measured) };
}

async function run(name: string): Promise<void> {
  const w = scaled(workloads[name]!);
  const { init, measured } = podsOf(w);
  const objects = [
    ...(w.objects ?? []),
    ...nodeObjects(w),
    ...(w.perNode ? Array.from({ length: w.nodes }, (_, i) => w.perNode!(i)).flat() : []),
    ...(w.perPod ? Array.from({ length: w.init + w.measured }, (_, i) => w.perPod!(i)).flat() : []),
  ];
  const client = fakeClient(objects, { clock: systemClock });
  const random = seededRandom(1);
  const informers = createInformerFactory(client, { clock: systemClock, random, log: silentLog });
  const scheduler = createScheduler({ client, informers, clock: systemClock, random, log: silentLog });
  const abort = new AbortController();
  const bound = new Set<string>();
  const note = (pod: { metadata: { uid: string }; spec: { nodeName?: string } }) =>
    pod.spec.nodeName && bound.add(pod.metadata.uid);
  informers.informer(coreV1.pods, livePods).addHandler({ onAdd: note, onUpdate: note });
  const running = Promise.all([scheduler.run(abort.signal), informers.run(abort.signal)]);
  await informers.whenSynced();

  const startMs = performance.now();
  const until = async (done: () => boolean) => {
    while (!done() && performance.now() - startMs < timeLimitMs) await turn();
  };
  for (const pod of init) put(client, pod);
  await until(() => (w.initWaits ? scheduler.queue.sizes.unschedulable === w.init : bound.size === w.init));
  bound.clear();
  await turn();

  const stopChurn = w.churns ? churn(client) : () => {};
  const profiled = await profiling(process.env.PROFILE);
  const [fromMs, cpu] = [performance.now(), process.cpuUsage()];
  for (const pod of measured) put(client, pod);
  await until(() => bound.size >= w.measured);
  const seconds = (performance.now() - fromMs) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  stopChurn();
  await profiled();
  const { floor } = w;
  const missing = w.measured - bound.size;
  report({
    bench: 'scheduler',
    what: `${name}: ${w.nodes} nodes, ${w.init} pods, ${w.measured} more${missing > 0 ? `, ${missing} MISSING` : ''}`,
    value: bound.size / seconds,
    unit: 'pods/s',
    ...(floor ? { aim: `≥ ${10 * floor}` } : {}),
  });
  report({
    bench: 'scheduler',
    what: `${name}: by processor time alone`,
    value: bound.size / ((user + system) / 1e6),
    unit: 'pods/s',
  });
  abort.abort();
  await running;
}

async function inChild(name: string): Promise<void> {
  const child = spawn(process.execPath, [import.meta.filename, name], { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', text => (out += text));
  await once(child, 'close');
  for (const line of out.split('\n')) if (line.startsWith('{')) report(JSON.parse(line));
}

export async function benchScheduler(): Promise<void> {
  for (const name of Object.keys(workloads)) await inChild(name);
}

if (import.meta.main) {
  const [...names] = process.argv.slice(2);
  if (names.length === 1 && workloads[names[0]!]) {
    await run(names[0]!);
    // Timers of informers would keep the process for a while.
    process.exit(0);
  }
  for (const name of names.length ? names : Object.keys(workloads)) await inChild(name);
}
