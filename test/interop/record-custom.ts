// Asks apiextensions-apiserver again what is in the record of src/apiserver/custom/testdata, and writes its answers down:
// `node bin/node26.js test/interop/record-custom.ts`. A new case is a line without an answer.
import { writeFileSync } from 'node:fs';
import { ask, casesOf, files, kinds, testdata } from '../../src/apiserver/custom/test-answers.ts';
import { establish } from '../../src/apiserver/custom/test-definition.ts';
import { startTestServer } from '../../src/apiserver/test-server.ts';
import { startEtcd } from '../../src/store/test-etcd.ts';
import { startRealServer } from './real-server.ts';
import { storageProgram } from './storage-process.ts';

const program = await storageProgram();
if ('missing' in program) throw new Error(program.missing);
const etcd = await startEtcd();
const home = await startTestServer();
const real = await startRealServer({ program: program.path, name: 'definitions', etcd: etcd.url, home });
try {
  for (const kind of kinds()) await establish(real.api, kind);
  for (const file of files) {
    const lines: string[] = [];
    for (const { answer: _, ...asked } of casesOf(file)) {
      const answer = await ask(real.api, asked);
      // Not served yet.
      if (answer.code === 404 || answer.code === 429) throw new Error(`${JSON.stringify(asked)}: ${answer.code}`);
      lines.push(JSON.stringify({ ...asked, answer }));
    }
    writeFileSync(testdata(file), `[\n${lines.join(',\n')}\n]\n`);
  }
} finally {
  await real.stop();
  await home.stop();
  await etcd.remove();
}
