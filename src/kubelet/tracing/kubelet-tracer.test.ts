import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { Draft } from '../../api/meta.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { systemRandom } from '../../base/random.ts';
import { exportMethod } from '../../base/trace/otlp.ts';
import type { Span } from '../../base/trace/span.ts';
import { startTestNode } from '../test-node.ts';
import { KubeletTracer } from './kubelet-tracer.ts';

const pod = { metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'i' }] } } as Draft<Pod>;

async function spansOf(samplingRatePerMillion: number): Promise<readonly Span[]> {
  const spans: Span[] = [];
  const exporter = { add: (some: readonly Span[]) => void spans.push(...some), close: async () => {} };
  const node = await startTestNode({ tracing: { endpoint: '', samplingRatePerMillion, exporter } });
  await node.createPod(pod);
  await node.pass(1000);
  await node.stop();
  return spans;
}

test("what is done for a pod is a trace, and the runtime's calls are parts of it", async () => {
  const spans = await spansOf(1_000_000);
  const created = spans.find(s => s.name === 'runtime.v1.RuntimeService/CreateContainer')!;
  const sync = spans.find(s => s.spanId === created.parentId)!;
  assert.deepEqual([sync.name, sync.kind, sync.traceId, sync.parentId], ['syncPod', 'internal', created.traceId, '']);
  const { 'k8s.pod.uid': uid, ...attributes } = sync.attributes;
  assert.ok(uid);
  assert.deepEqual(attributes, {
    ...{
      'k8s.pod': 'default/p',
      'k8s.pod.name': 'p',
      'k8s.pod.update_type': 'create',
      'k8s.namespace.name': 'default',
    },
  });
  assert.deepEqual([created.kind, created.attributes['rpc.method']], ['client', 'CreateContainer']);
  const version = spans.find(s => s.name === 'runtime.v1.RuntimeService/Version')!;
  assert.equal(version.parentId, '');
  assert.notEqual(version.traceId, created.traceId);
});

test('what is not sampled is not told, in whole', async () => {
  assert.deepEqual(await spansOf(0), []);
  const spans = await spansOf(500_000);
  const ids = new Set(spans.map(s => s.spanId));
  assert.ok(spans.length > 0);
  for (const span of spans) assert.ok(!span.parentId || ids.has(span.parentId), span.name);
});

test('a collector gets what was done, in the name of the kubelet', async t => {
  const got = Promise.withResolvers<string>();
  const collector = new Server();
  const pass = (message: Buffer) => message;
  const method = { path: exportMethod, requestStream: false, responseStream: false };
  const codec = {
    requestSerialize: pass,
    requestDeserialize: pass,
    responseSerialize: pass,
    responseDeserialize: pass,
  };
  collector.addService({ Export: { ...method, ...codec } }, {
    Export(call: { request: Buffer }, answer: (error: null, message: Buffer) => void) {
      got.resolve(call.request.toString('latin1'));
      answer(null, Buffer.alloc(0));
    },
  } as never);
  const port = await new Promise<number>((resolve, reject) =>
    collector.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, at) =>
      error ? reject(error) : resolve(at),
    ),
  );
  t.after(() => collector.forceShutdown());
  const endpoint = `127.0.0.1:${port}`;
  const options = { endpoint, samplingRatePerMillion: 1_000_000, random: systemRandom, log: silentLog };
  const tracer = new KubeletTracer({ ...options, clock: systemClock });
  await tracer.syncPod(undefined, 'kill', async () => {});
  await tracer.close();
  assert.match(await got.promise, /service\.name.*kubelet.*k8ts\/kubelet.*syncPod.*k8s\.pod\.update_type.*kill/s);
});
