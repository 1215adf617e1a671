// Asks apiextensions-apiserver again what histories of writes by several managers come to, and writes that down:
// `node bin/node26.js test/interop/record-histories.ts`; with `--from SEED --count N` compares that many others, and prints
// the first step of each in which k8ts differs.
import { writeFileSync } from 'node:fs';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { establish, widgets } from '../../src/apiserver/custom/test-definition.ts';
import { superuserOf } from '../../src/apiserver/test-api.ts';
import { group, historyDefinition, historyOf } from '../../src/apiserver/test-histories.ts';
import { play, testdata } from '../../src/apiserver/test-play.ts';
import { startTestServer } from '../../src/apiserver/test-server.ts';
import { systemClock } from '../../src/base/clock.ts';
import { startEtcd } from '../../src/store/test-etcd.ts';
import { startRealServer } from './real-server.ts';
import { storageProgram } from './storage-process.ts';

const { values } = parseArgs({ options: { from: { type: 'string' }, count: { type: 'string', default: '60' } } });
const program = await storageProgram();
if ('missing' in program) throw new Error(program.missing);
const etcd = await startEtcd();
const home = await startTestServer();
const ours = superuserOf(home);
const real = await startRealServer({ program: program.path, name: 'definitions', etcd: etcd.url, home });

async function nextSecond(): Promise<number> {
  await systemClock.sleep(1001 - (systemClock.now() % 1000));
  return Math.floor(systemClock.now() / 1000) * 1000;
}

try {
  for (const api of [real.api, ours]) await establish(api, historyDefinition);
  for (const version of ['v1', 'v2']) while ((await real.api.send('GET', widgets(group, version))).code !== 200);
  const first = Number(values.from ?? 1);
  const histories = Array.from({ length: Number(values.count) }, (_, i) => historyOf(first + i));
  const expected = await play(real.api, histories, nextSecond);
  if (values.from === undefined) {
    const lines = histories.map(({ seed }, i) => JSON.stringify({ seed, answers: expected[i] }));
    writeFileSync(testdata, `${lines.join('\n')}\n`);
  } else {
    const got = await play(ours, histories, nextSecond);
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
} finally {
  await real.stop();
  ours.close();
  await home.stop();
  await etcd.remove();
}
