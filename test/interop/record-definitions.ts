// Has apiextensions-apiserver and kube-aggregator make and change what they keep in etcd, and writes down what lies there:
// `node bin/node26.js test/interop/record-definitions.ts`. For src/apiserver/registry/testdata.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  definition,
  definitions,
  established,
  specSchema,
  widget,
  widgets,
} from '../../src/apiserver/custom/test-definition.ts';
import { mergePatch } from '../../src/apiserver/test-caller.ts';
import { startTestServer } from '../../src/apiserver/test-server.ts';
import { systemClock } from '../../src/base/clock.ts';
import { freePort } from '../../src/base/test-free-port.ts';
import { startEtcd } from '../../src/store/test-etcd.ts';
import { services } from './aggregators.ts';
import { startRealServer } from './real-server.ts';
import { storageProgram } from './storage-process.ts';

const schema = specSchema({
  a: { type: 'string', default: 'x' },
  n: { type: 'integer', maximum: 5, description: '<&>' },
});
const other = specSchema({ b: { 'x-kubernetes-int-or-string': true } });
const scale = { specReplicasPath: '.spec.n', statusReplicasPath: '.status.n', labelSelectorPath: '.status.s' };
const columns = [
  { name: 'A', type: 'string', jsonPath: '.spec.a', priority: 1, description: 'a', format: 'byte' },
  { name: 'N', type: 'integer', jsonPath: '.spec.n' },
];
const selectable = [{ jsonPath: '.spec.a' }];
const full = { subresources: { status: {}, scale }, additionalPrinterColumns: columns, selectableFields: selectable };
const webhook = (clientConfig: object) => ({
  strategy: 'Webhook',
  webhook: { clientConfig, conversionReviewVersions: ['v1', 'v1beta1'] },
});
const two = (first: object, second: object) => [
  { name: 'v1', schema, ...first },
  { name: 'v2', schema, storage: false, ...second },
];
const service = { namespace: 'lab', name: 'hook', path: '/c' };

const cases: object[] = [
  definition('plain.example.com', [{ schema }]),
  definition('full.example.com', [{ schema, more: full }]),
  definition('alike.example.com', two({ more: full }, { more: full })),
  definition('columns.example.com', two({ more: { additionalPrinterColumns: columns } }, {})),
  definition(
    'status.example.com',
    two({ more: { subresources: { status: {} } } }, { more: { subresources: { scale } } }),
  ),
  definition(
    'differs.example.com',
    two({}, { schema: other, more: { deprecated: true, deprecationWarning: 'no more' } }),
  ),
  definition('selects.example.com', two({ more: { selectableFields: selectable } }, { schema: other })),
  definition('service.example.com', two({}, { schema: other }), { conversion: webhook({ service }) }),
  definition('url.example.com', two({}, { schema: other }), { conversion: webhook({ url: 'https://hook.lab/c' }) }),
  definition('keeps.example.com', [{ schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } }]),
];

const remote = {
  apiVersion: 'apiregistration.k8s.io/v1',
  kind: 'APIService',
  metadata: { name: 'v1.remote.example.com', annotations: { a: '<&>' } },
  spec: {
    ...{ group: 'remote.example.com', version: 'v1', groupPriorityMinimum: 10, versionPriority: 20 },
    ...{ insecureSkipTLSVerify: true, service: { namespace: 'lab', name: 'remote' } },
  },
};

const program = await storageProgram();
if ('missing' in program) throw new Error(program.missing);
const etcd = await startEtcd();
const home = await startTestServer();
const directory = mkdtempSync(join(tmpdir(), 'k8ts-record-'));
const file = (name: string, text: string) => {
  writeFileSync(join(directory, name), text, { mode: 0o600 });
  return join(directory, name);
};
const real = await startRealServer({
  program: program.path,
  name: 'aggregator',
  etcd: etcd.url,
  home,
  flags: {
    'proxy-client-cert-file': file('proxy.crt', home.admin.certificatePem),
    'proxy-client-key-file': file('proxy.key', home.admin.keyPem),
    'definitions-port': String(await freePort()),
  },
});

/** Everything below a prefix, as it lies there. */
async function stored(prefix: string): Promise<string[]> {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const range = { key: base64(prefix), range_end: base64(`${prefix}~`) };
  const answer = await fetch(`${etcd.url}/v3/kv/range`, { method: 'POST', body: JSON.stringify(range) });
  const { kvs = [] } = (await answer.json()) as { kvs?: { value: string }[] };
  return kvs.map(({ value }) => Buffer.from(value, 'base64').toString());
}

try {
  for (const one of cases) await real.api.expect(201, 'POST', definitions, one);
  await real.api.expect(201, 'POST', services, remote);
  const marked = { metadata: { finalizers: ['example.com/mine'], labels: { b: 'c' } } };
  await real.api.expect(200, 'PATCH', `${definitions}/widgets.plain.example.com`, marked, mergePatch);
  await real.api.expect(200, 'DELETE', `${definitions}/widgets.plain.example.com`);
  await established(real.api, 'widgets.full.example.com');
  const one = widget('full.example.com', 'one', { spec: { n: 1, a: '<&>' }, more: 'left out' });
  for (let code = 0; code !== 201; ) ({ code } = await real.api.send('POST', widgets('full.example.com'), one));
  // Conditions come by themselves, and change nothing any more at last.
  let texts: string[] = [];
  for (let last = ''; last !== texts.join() || texts.length === 0; ) {
    last = texts.join();
    await systemClock.sleep(3000);
    texts = [
      ...(await stored('/registry/apiextensions.k8s.io/customresourcedefinitions/')),
      ...(await stored('/registry/apiregistration.k8s.io/apiservices/v1.remote')),
      ...(await stored('/registry/full.example.com/')),
    ];
  }
  const target = new URL('../../src/apiserver/registry/testdata/stored-definitions.txt', import.meta.url);
  writeFileSync(target, texts.join(''));
} finally {
  await real.stop();
  await home.stop();
  await etcd.remove();
  rmSync(directory, { recursive: true, force: true });
}
