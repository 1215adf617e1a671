import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { coreV1 } from '../api/refs.ts';
import { systemClock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import { createCa, issueCertificate } from '../base/x509.ts';
import { readConfiguration } from './configuration.ts';
import { durationMs } from './extender.ts';
import type { ExtenderConfig, PostJson } from './extender-config.ts';
import { extenderTransport } from './extender-transport.ts';
import { type SchedulerBench, schedulerBench, testNode, testPod } from './test-cluster.ts';

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
    filter: body => ({ NodeNames: body.NodeNames.filter((n: string) => n !== 'c'), FailedNodes: { c: 'no' } }),
    score: body => body.NodeNames.map((Host: string) => ({ Host, Score: Host === 'b' ? 10 : 0 })),
    bind: body => {
      bound.push(body);
      return {};
    },
  });
  await using _ = b;
  await b.place(testPod('p'));
  assert.deepEqual(asked, ['filter', 'score', 'bind']);
  assert.deepEqual(bound, [{ PodName: 'p', PodNamespace: 'default', PodUID: 'uid-p', Node: 'b' }]);
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
    const post = extenderTransport({ urlPrefix: url });
    assert.deepEqual(await post(`${url}/ok`, { a: 1 }, signal), { a: 1 });
    await assert.rejects(post(`${url}/no`, {}, signal), /code 500/);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('durations as Go writes them', () => {
  assert.deepEqual([undefined, '100ms', '1m30s', '2s'].map(durationMs), [5000, 100, 90_000, 2000]);
});

test('has a say in what is preempted; resources that only it looks at are left to it', async () => {
  const asked: any[] = [];
  const keep = (body: any) => ({ NodeNameToMetaVictims: { b: body.NodeNameToMetaVictims.b } });
  const verbs = { preemptVerb: 'preempt', nodeCacheCapable: true };
  const run = async (answer: (body: any) => unknown, more: Partial<ExtenderConfig> = {}) => {
    const preempt = (body: any) => {
      asked.push(body);
      return answer(body);
    };
    const { b } = await bench({ ...verbs, ...more }, { preempt });
    for (const node of ['a', 'b', 'c'])
      b.client.set(
        coreV1.pods,
        testPod(`low-${node}`, { requests: { cpu: '3' }, spec: { nodeName: node, priority: node === 'b' ? 5 : 0 } }),
      );
    await b.place(testPod('high', { requests: { cpu: '3' }, spec: { priority: 10 } }));
    return b;
  };
  const leaving = ({ client }: SchedulerBench) =>
    client
      .objects(coreV1.pods)
      .filter(p => p.metadata.deletionTimestamp)
      .map(p => p.metadata.name);
  await using b = await run(keep);
  assert.deepEqual(asked[0].NodeNameToMetaVictims.a, { Pods: [{ UID: 'uid-low-a' }], NumPDBViolations: 0 });
  assert.equal(asked[0].Pod.metadata.name, 'high');
  assert.equal(b.client.object(coreV1.pods, 'default/high')?.status?.nominatedNodeName, 'b');
  assert.deepEqual(leaving(b), ['low-b']);
  await using none = await run(() => ({ NodeNameToMetaVictims: {} }));
  assert.deepEqual(leaving(none), [], 'nothing is preempted that it does not want');
  await using wrong = await run(() => ({ nodeNameToMetaVictims: { a: { pods: [{ uid: 'nobody' }] } } }));
  assert.deepEqual(leaving(wrong), []);
  const down = () => {
    throw new Error('down');
  };
  await using ignorable = await run(down, { ignorable: true });
  assert.equal(leaving(ignorable).length, 1);
  const managedResources = [{ name: 'example.com/other', ignoredByScheduler: true }];
  const { b: blind } = await bench({ managedResources, filterVerb: 'f' }, { f: ({ Nodes }) => ({ Nodes }) });
  await using _ = blind;
  assert.notEqual(await blind.place(testPod('p', { requests: { 'example.com/other': '7' } })), '');
});

test('over HTTPS, by the certificates of its configuration', async () => {
  const options = { nowMs: systemClock.now(), random: systemRandom, days: 1 };
  const ca = await createCa({ commonName: 'extender-ca', ...options });
  const issue = (usages: 'server' | 'client') =>
    issueCertificate(ca, {
      subject: { commonName: usages, organizations: [] },
      dnsNames: ['extender.example.com'],
      ipAddresses: [],
      usages,
      ...options,
    });
  const [serving, client] = await Promise.all([issue('server'), issue('client')]);
  const { certificatePem: cert, keyPem: key } = serving;
  const server = createHttpsServer(
    { cert, key, ca: ca.certificatePem, requestCert: true, rejectUnauthorized: false },
    (request, response) => {
      const { subject } = (request.socket as TLSSocket).getPeerCertificate();
      response.end(JSON.stringify({ as: subject?.CN ?? '' }));
    },
  ).listen(0, '127.0.0.1');
  try {
    await once(server, 'listening');
    const urlPrefix = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const base64 = (pem: string) => Buffer.from(pem).toString('base64');
    const call = (tlsConfig: ExtenderConfig['tlsConfig'], enableHTTPS = true) =>
      extenderTransport({ urlPrefix, enableHTTPS, ...(tlsConfig ? { tlsConfig } : {}) })(
        urlPrefix,
        {},
        new AbortController().signal,
      );
    const caData = base64(ca.certificatePem);
    const serverName = 'extender.example.com';
    const mine = { certData: base64(client.certificatePem), keyData: base64(client.keyPem) };
    assert.deepEqual(await call({ caData, serverName, ...mine }), { as: 'client' });
    await assert.rejects(call({ caData }), /does not match certificate/);
    await assert.rejects(call(undefined, false), /certificate/);
    assert.deepEqual(await call(undefined), { as: '' });
    assert.throws(
      () => extenderTransport({ urlPrefix, tlsConfig: { caFile: '/no/such' } }),
      /reading \/no\/such of an extender/,
    );
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
