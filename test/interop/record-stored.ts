// Asks apiextensions-apiserver which condition it gives the definitions of src/apiserver/custom/testdata/stored.json, put
// into its etcd, and writes that down: `node bin/node26.js test/interop/record-stored.ts`.
import { writeFileSync } from 'node:fs';
import { definitions, isTrue } from '../../src/apiserver/custom/test-definition.ts';
import {
  cases,
  nonStructural,
  storedDefinition,
  storedKey,
  testdata,
} from '../../src/apiserver/custom/test-stored-definitions.ts';
import { startTestServer } from '../../src/apiserver/test-server.ts';
import { systemClock } from '../../src/base/clock.ts';
import { startEtcd } from '../../src/store/test-etcd.ts';
import { startRealServer } from './real-server.ts';
import { storageProgram } from './storage-process.ts';

const program = await storageProgram();
if ('missing' in program) throw new Error(program.missing);
const etcd = await startEtcd();
const home = await startTestServer();
const base64 = (text: string) => Buffer.from(text).toString('base64');
for (const [i, one] of cases().entries()) {
  const crd = storedDefinition(one, i);
  const put = { key: base64(storedKey(crd)), value: base64(JSON.stringify(crd)) };
  const answer = await fetch(`${etcd.url}/v3/kv/put`, { method: 'POST', body: JSON.stringify(put) });
  if (!answer.ok) throw new Error(await answer.text());
}
const real = await startRealServer({ program: program.path, name: 'definitions', etcd: etcd.url, home });
try {
  // All conditions have been given when nothing changes any more.
  let text = '';
  for (let last = ''; last !== text || text === ''; ) {
    last = text;
    await systemClock.sleep(3000);
    const { items } = await real.api.expect(200, 'GET', definitions);
    text = items.every((crd: object) => isTrue(crd, 'Established')) ? JSON.stringify(items) : '';
    if (text === '')
      console.log(JSON.stringify(items.filter((crd: object) => !isTrue(crd, 'Established'))).slice(0, 2000));
  }
  const lines: string[] = [];
  for (const [i, { schemas }] of cases().entries()) {
    const crd = await real.api.expect(200, 'GET', `${definitions}/${storedDefinition({ schemas }, i).metadata.name}`);
    lines.push(JSON.stringify({ schemas, condition: nonStructural(crd) }));
  }
  writeFileSync(testdata, `[\n${lines.join(',\n')}\n]\n`);
} finally {
  await real.stop();
  await home.stop();
  await etcd.remove();
}
