// Asks apiextensions-apiserver again what recorded histories of writes by several managers come to, and writes that down:
// `node bin/node26.js test/interop/record-histories.ts --world NAME`; with `--from SEED --count N` compares that many others,
// and prints the first step of each in which k8ts differs; `--answers FILE` keeps what the server said for the next time.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { establish, widgets } from '../../src/apiserver/custom/test-definition.ts';
import { superuserOf } from '../../src/apiserver/test-api.ts';
import { historyOf } from '../../src/apiserver/test-histories.ts';
import { play, recorded, recordedIn, testdata } from '../../src/apiserver/test-play.ts';
import { startTestServer } from '../../src/apiserver/test-server.ts';
import { startConverter, worldOf } from '../../src/apiserver/test-worlds.ts';
import { systemClock, VirtualClock } from '../../src/base/clock.ts';
import { startEtcd } from '../../src/store/test-etcd.ts';
import { startRealServer } from './real-server.ts';
import { type Json, storageProgram } from './storage-process.ts';

const { values } = parseArgs({
  options: {
    world: { type: 'string', default: 'one' },
    from: { type: 'string' },
    count: { type: 'string', default: '60' },
    answers: { type: 'string' },
  },
});
const world = worldOf(values.world);
const seeds =
  values.from === undefined
    ? (world.histories ?? recorded(world)).map(({ seed }) => seed)
    : Array.from({ length: Number(values.count) }, (_, i) => Number(values.from) + i);
const histories = seeds.map(seed => historyOf(seed, world));
const hook = await startConverter();
const definition = world.definition(hook);

async function nextSecond(): Promise<number> {
  await systemClock.sleep(1001 - (systemClock.now() % 1000));
  return Math.floor(systemClock.now() / 1000) * 1000;
}

async function askReal(): Promise<readonly (readonly Json[])[]> {
  const program = await storageProgram();
  if ('missing' in program) throw new Error(program.missing);
  const etcd = await startEtcd();
  const home = await startTestServer();
  const real = await startRealServer({ program: program.path, name: 'definitions', etcd: etcd.url, home });
  try {
    await establish(real.api, definition);
    for (const version of world.versions)
      while ((await real.api.send('GET', widgets(world.group, version))).code !== 200);
    return await play(real.api, world, histories, nextSecond);
  } finally {
    await real.stop();
    await home.stop();
    await etcd.remove();
  }
}

async function askOurs(): Promise<readonly (readonly Json[])[]> {
  const clock = new VirtualClock(Math.floor(systemClock.now() / 1000) * 1000);
  const home = await startTestServer({ clock });
  const ours = superuserOf(home);
  try {
    await establish(ours, definition);
    return await play(ours, world, histories, async () => {
      await clock.advance(1000);
      return clock.now();
    });
  } finally {
    ours.close();
    await home.stop();
  }
}

function compare(expected: readonly (readonly Json[])[], got: readonly (readonly Json[])[]): void {
  let differ = 0;
  for (const [i, { seed, steps }] of histories.entries()) {
    const step = steps.findIndex((_, k) => !isDeepStrictEqual(got[i]![k], expected[i]![k]));
    if (step < 0) continue;
    differ++;
    const shown = [expected[i]![step - 1], steps[step], expected[i]![step], got[i]![step]];
    console.log([`seed ${seed}, step ${step}`, ...shown.map(s => JSON.stringify(s) ?? '')].join('\n'));
  }
  console.log(`${differ} of ${histories.length} differ`);
}

try {
  const { answers: file } = values;
  const known = file && existsSync(file);
  const expected = known ? recordedIn(readFileSync(file, 'utf8')).map(({ answers }) => answers) : await askReal();
  const lines = histories.map(({ seed }, i) => `${JSON.stringify({ seed, answers: expected[i] })}\n`);
  if (file && !known) writeFileSync(file, lines.join(''));
  if (values.from === undefined) writeFileSync(testdata(world), lines.join(''));
  else compare(expected, await askOurs());
} finally {
  await hook.stop();
}
