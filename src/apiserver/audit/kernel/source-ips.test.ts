import assert from 'node:assert/strict';
import { test } from 'node:test';
import { latencies } from './latency.ts';
import { sourceIps } from './source-ips.ts';

test('addresses of a request: what proxies tell, who asks really, who has connected', () => {
  const from = (forwarded: string, real = '') => sourceIps(forwarded, real, '127.0.0.1');
  assert.deepEqual(from(''), ['127.0.0.1']);
  assert.deepEqual(from('1.2.3.4, 5.6.7.8', '9.9.9.9'), ['1.2.3.4', '5.6.7.8', '9.9.9.9', '127.0.0.1']);
  assert.deepEqual(from('1.2.3.4, 127.0.0.1'), ['1.2.3.4', '127.0.0.1']);
  assert.deepEqual(from('127.0.0.1, 1.2.3.4'), ['127.0.0.1', '1.2.3.4', '127.0.0.1']);
  assert.deepEqual(from('nonsense, 5.6.7.8, 01.2.3.4'), ['5.6.7.8', '127.0.0.1']);
  assert.deepEqual(from('', 'bad'), ['127.0.0.1']);
  assert.deepEqual(from('1.1.1.1,1.1.1.1, ::ffff:2.2.2.2, 2001:DB8::1', '1.1.1.1'), [
    ...['1.1.1.1', '1.1.1.1', '2.2.2.2', '2001:db8::1', '127.0.0.1'],
  ]);
  assert.deepEqual(sourceIps('', '', '::1'), ['::1']);
});

test('what takes longer than half a second tells where the time went', () => {
  const steps = [
    { name: 'store create', startMs: 0, endMs: 100 },
    { name: 'store get', startMs: 100, endMs: 150 },
    { name: 'admission ValidatingAdmissionWebhook', startMs: 200, endMs: 203.5 },
    { name: 'admission ValidatingAdmissionWebhook', startMs: 201, endMs: 202 },
    { name: 'admission MutatingAdmissionWebhook', startMs: 100, endMs: 101 },
    { name: 'admission MutatingAdmissionWebhook', startMs: 100, endMs: 102 },
    { name: 'admission Priority', startMs: 0, endMs: 9 },
  ];
  const outgoing = { transformMs: 0, serializeMs: 4, writeMs: 1 };
  assert.deepEqual(latencies({ totalMs: 500, authenticationMs: 1, steps }), {});
  assert.deepEqual(
    latencies({ totalMs: 1500, authenticationMs: 0.25, authorizationMs: 0, queueMs: 2, ...outgoing, steps }),
    {
      'apiserver.latency.k8s.io/apf-queue-wait': '2ms',
      'apiserver.latency.k8s.io/authentication': '250µs',
      'apiserver.latency.k8s.io/etcd': '150ms',
      'apiserver.latency.k8s.io/mutating-webhook': '3ms',
      'apiserver.latency.k8s.io/response-write': '1ms',
      'apiserver.latency.k8s.io/serialize-response-object': '4ms',
      'apiserver.latency.k8s.io/total': '1.5s',
      'apiserver.latency.k8s.io/validating-webhook': '3.5ms',
    },
  );
});
