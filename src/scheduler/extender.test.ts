import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { readConfiguration } from './configuration.ts';
import { durationMs, type ExtenderConfig, fetchJson, type PostJson } from './extender.ts';
import { schedulerBench, testNode, testPod } from './test-cluster.ts';

const nodes = ['a', 'b', 'c'].map(n => testNode(n, { allocatable: { 'example.com/gpu': '1' } }));

function bench(config: Partial<ExtenderConfig>, answers: Record<string, (body: any) => unknown>) {
  const asked: string[] = [];
  const postJson: PostJson = async (url, body) => {
    const verb = url.slice('http://x/'.length);
    asked.push(verb);
    return answers[verb]!(body);
  };
  const settings = readConfiguration({ extenders: [{ urlPrefix: 'http://x/', ...config }] });
  return schedulerBench({ objects: nodes, ...settings, postJson }).then(b => ({ b, asked }));
}

test('filters, scores and binds', async () => {
  const bound: object[] = [];
  const verbs = { filterVerb: 'filter', prioritizeVerb: 'score', bindVerb: 'bind', weight: 2, nodeCacheCapable: true };
  const { b, asked } = await bench(verbs, {
    filter: body => ({ nodenames: body.nodenames.filter((n: string) => n !== 'c'), failedNodes: { c: 'no' } }),
    score: body => body.nodenames.map((host: string) => ({ host, score: host === 'b' ? 10 : 0 })),
    bind: body => {
      bound.push(body);
      return {};
    },
  });
  await using _ = b;
  await b.place(testPod('p'));
  assert.deepEqual(asked, ['filter', 'score', 'bind']);
  assert.deepEqual(bound, [{ podName: 'p', podNamespace: 'default', podUID: 'uid-p', node: 'b' }]);
  assert.deepEqual(b.events('p'), ['Normal Scheduled: Successfully assigned default/p to b']);
});

test('its reasons are told; what it cannot resolve, preemption cannot either', async () => {
  const { b } = await bench(
    { filterVerb: 'filter' },
    {
      filter: () => ({
        nodes: { items: [] },
        failedNodes: { a: 'busy', b: 'busy' },
        failedAndUnresolvableNodes: { c: 'never' },
      }),
    },
  );
  await using _ = b;
  await b.place(testPod('p'));
  assert.equal(
    b.condition('p')?.message,
    '0/3 nodes are available: 1 never, 2 busy. no new claims to deallocate, preemption: 0/3 nodes are available: ' +
      '1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod.',
  );
});

test('asked only about the resources it manages; ignored when broken, if so configured', async () => {
  const broken = () => {
    throw new Error('down');
  };
  const managed = await bench({ filterVerb: 'f', managedResources: [{ name: 'example.com/gpu' }] }, { f: broken });
  await using b = managed.b;
  assert.notEqual(await b.place(testPod('plain')), '');
  assert.deepEqual(managed.asked, []);
  assert.equal(await b.place(testPod('gpu', { requests: { 'example.com/gpu': '1' } })), '');
  assert.equal(b.condition('gpu')?.message, 'down');
  assert.equal(b.condition('gpu')?.reason, 'SchedulerError');
  const ignorable = await bench({ filterVerb: 'f', ignorable: true }, { f: broken });
  await using c = ignorable.b;
  assert.notEqual(await c.place(testPod('p')), '');
});

test('over HTTP', async () => {
  const server = createServer((request, response) => {
    response.statusCode = request.url === '/ok' ? 200 : 500;
    request.pipe(response);
  }).listen(0, '127.0.0.1');
  try {
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { signal } = new AbortController();
    assert.deepEqual(await fetchJson(`${url}/ok`, { a: 1 }, signal), { a: 1 });
    await assert.rejects(fetchJson(`${url}/no`, {}, signal), /code 500/);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('durations as Go writes them', () => {
  assert.deepEqual([undefined, '100ms', '1m30s', '2s'].map(durationMs), [5000, 100, 90_000, 2000]);
});
