import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Draft } from '../../api/meta.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import type { Span } from '../../base/trace/span.ts';
import { startTestNode } from '../test-node.ts';

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
