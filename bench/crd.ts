// 1,000 CustomResourceDefinitions: from creation to served, memory, and what it costs everybody else.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { definition, definitions, isTrue, widget, widgets } from '../src/apiserver/custom/test-definition.ts';
import { type Caller, caller } from '../src/apiserver/test-caller.ts';
import { startTestServer } from '../src/apiserver/test-server.ts';
import { quantile } from './quantile.ts';
import { report } from './report.ts';

const count = 1000;
const parallel = 16;

const heapMb = () => {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed / 1e6;
};

/** A schema as operators ship them: 80 fields, some with rules. */
function schema(of: number) {
  const field = (i: number) => ({
    type: 'object',
    description: `What field ${i} of kind ${of} is good for, at some length, as generated from comments in source code.`,
    properties: {
      name: { type: 'string', maxLength: 63, pattern: '^[a-z0-9-]+$' },
      replicas: { type: 'integer', minimum: 0, default: 1 },
      labels: { type: 'object', additionalProperties: { type: 'string' } },
      ports: { type: 'array', maxItems: 16, items: { type: 'object', properties: { port: { type: 'integer' } } } },
    },
    ...(i === 0 ? { 'x-kubernetes-validations': [{ rule: 'self.replicas < 100' }] } : {}),
  });
  const properties = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`field${i}`, field(i)]));
  return { type: 'object', properties: { spec: { type: 'object', properties }, status: { type: 'object' } } };
}

function tell(what: string, samples: number[], aim?: string): void {
  samples.sort((a, b) => a - b);
  const figure = (name: string, value: number, its?: string) =>
    report({ bench: 'crd', what: `${what}, ${name}`, value, unit: 'ms', ...(its ? { aim: its } : {}) });
  figure('median', quantile(samples, 0.5));
  if (samples.length > 1) figure('p99', quantile(samples, 0.99), aim);
}

async function timed(times: number, what: () => Promise<unknown>): Promise<number[]> {
  const out: number[] = [];
  for (let i = 0; i < times; i++) {
    const startMs = performance.now();
    await what();
    out.push(performance.now() - startMs);
  }
  return out;
}

async function others(call: Caller, when: string): Promise<void> {
  const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { generateName: 'm-' }, data: { a: 'b' } };
  const maps = '/api/v1/namespaces/default/configmaps';
  tell(`${when}: create a ConfigMap`, await timed(300, () => call.expect(201, 'POST', maps, map)));
  tell(`${when}: get a namespace`, await timed(300, () => call.expect(200, 'GET', '/api/v1/namespaces/default')));
}

const groupOf = (i: number) => `g${i}.bench.example.com`;

export async function benchCrd(): Promise<void> {
  const server = await startTestServer();
  const call = caller({ url: server.url, ca: server.ca, cert: server.admin.certificatePem, key: server.admin.keyPem });
  try {
    await others(call, 'before');
    const beforeMb = heapMb();
    const served: number[] = [];
    const startedMs = new Map<string, number>();
    const all = Promise.withResolvers<void>();
    // Seen where it happens: a client that parses every event would take its share of the processor.
    const { cache } = server.server.context.registries.get('apiextensions.k8s.io/customresourcedefinitions')!;
    const stop = cache.listen({
      onEvent({ stored: { object } }) {
        const at = startedMs.get(object.metadata.name);
        if (at === undefined || !isTrue(object, 'Established')) return;
        startedMs.delete(object.metadata.name);
        served.push(performance.now() - at);
        if (served.length === count) all.resolve();
      },
    });
    const loop = monitorEventLoopDelay({ resolution: 1 });
    loop.enable();
    const startMs = performance.now();
    let next = 0;
    await Promise.all(
      Array.from({ length: parallel }, async () => {
        while (next < count) {
          const crd = definition(groupOf(next++), [{ schema: schema(next) }]);
          startedMs.set(crd.metadata.name, performance.now());
          await call.expect(201, 'POST', definitions, crd);
        }
      }),
    );
    await all.promise;
    const tookMs = performance.now() - startMs;
    loop.disable();
    stop();
    const kilobytes = (JSON.stringify(schema(0)).length / 1000).toFixed(1);
    const what = `${count} definitions of ${kilobytes} KB`;
    report({ bench: 'crd', what, value: (count / tookMs) * 1000, unit: '/s' });
    report({ bench: 'crd', what: 'the loop held at most meanwhile', value: loop.max / 1e6, unit: 'ms' });
    tell('a definition, creation to Established', served, '≤ 1000');
    report({ bench: 'crd', what: 'heap a definition', value: (heapMb() - beforeMb) * (1000 / count), unit: 'KB' });
    const some = groupOf(Math.floor(count / 2));
    tell(
      'create a custom resource',
      await timed(200, async () => {
        const one = widget(some, '', { spec: { field0: { name: 'a', replicas: 3 } } });
        one.metadata = { generateName: 'w-' };
        await call.expect(201, 'POST', widgets(some), one);
      }),
    );
    tell('list 200 custom resources', await timed(50, () => call.expect(200, 'GET', widgets(some))));
    const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
    const openApiV2 = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
    const touch = async (i: number) => {
      await call.expect(201, 'POST', definitions, definition(`t${i}.bench.example.com`));
      while ((await call.send('GET', `/apis/t${i}.bench.example.com`)).code !== 200);
    };
    for (const [name, path, headers] of [
      ['discovery, aggregated', '/apis', { accept }],
      ['discovery, plain list of groups', '/apis', {}],
      ['OpenAPI v3, index', '/openapi/v3', {}],
      ['OpenAPI v3, one group', `/openapi/v3/apis/${some}/v1`, {}],
      // As kubectl does: 25 MB of JSON would be the client's time, in this very process.
      ['OpenAPI v2', '/openapi/v2', { 'accept-encoding': 'gzip', accept: openApiV2 }],
    ] as const) {
      await call.expect(200, 'GET', path, undefined, headers);
      await touch(Math.floor(Math.random() * 1e9));
      tell(`${name}, after a change`, await timed(1, () => call.expect(200, 'GET', path, undefined, headers)));
      tell(name, await timed(5, () => call.expect(200, 'GET', path, undefined, headers)));
    }
    await others(call, 'after');
  } finally {
    call.close();
    await server.stop();
  }
}
