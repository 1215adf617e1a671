// Asks apiextensions-apiserver again what an apply of kubectl on the server's side does after those on its own, and writes
// that down: `node bin/node26.js test/interop/record-upgrade.ts`. A new case is a line without an answer.
import { writeFileSync } from 'node:fs';
import { definition, establish, widgets } from '../../src/apiserver/custom/test-definition.ts';
import { startTestServer } from '../../src/apiserver/test-server.ts';
import { cases, dataSchema, take, testdata } from '../../src/apiserver/test-upgrade.ts';
import { startEtcd } from '../../src/store/test-etcd.ts';
import { startRealServer } from './real-server.ts';
import { storageProgram } from './storage-process.ts';

const program = await storageProgram();
if ('missing' in program) throw new Error(program.missing);
const etcd = await startEtcd();
const home = await startTestServer();
const real = await startRealServer({ program: program.path, name: 'definitions', etcd: etcd.url, home });
try {
  const group = 'upgrade.example.com';
  await establish(real.api, definition(group, [{ schema: dataSchema }]));
  while ((await real.api.send('GET', widgets(group))).code !== 200);
  const lines: string[] = [];
  for (const [at, { answer: _, ...one }] of cases().entries())
    lines.push(
      JSON.stringify({ ...one, answer: await take(real.api, widgets(group), 'Widget', `${group}/v1`, at, one) }),
    );
  writeFileSync(testdata, `[\n${lines.join(',\n')}\n]\n`);
} finally {
  await real.stop();
  await home.stop();
  await etcd.remove();
}
