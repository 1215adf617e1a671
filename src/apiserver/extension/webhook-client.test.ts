import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../base/clock.ts';
import { createMetrics } from '../../base/metrics.ts';
import { seededRandom } from '../../base/random.ts';
import type { ApiContext } from '../context.ts';
import { ServerCounts } from '../observe/server-counts.ts';
import { startTestExtension } from './test-extension.ts';
import { WebhookClient } from './webhook-client.ts';

const contextWith = (clock: VirtualClock, metrics = createMetrics()) =>
  ({
    ...{ clock, random: seededRandom(1), onShutdown: new Set() },
    counts: new ServerCounts(metrics),
  }) as unknown as ApiContext & {
    onShutdown: Set<() => void>;
  };

// Admission webhook, honor timeout.
test('a webhook that takes too long is given up', async () => {
  const clock = new VirtualClock();
  const context = contextWith(clock);
  const extension = await startTestExtension(() => void clock.advance(1000));
  const client = new WebhookClient({ context, userAgent: 'test' });
  try {
    await assert.rejects(client.post({ url: `${extension.url}/slow`, caBundle: extension.caBundle }, {}, 1000), {
      message: `Post "${extension.url}/slow?timeout=1s": context deadline exceeded`,
    });
  } finally {
    for (const end of context.onShutdown) end();
    await extension.stop();
  }
});

test('an authority that did not sign the certificate is not believed', async () => {
  const metrics = createMetrics();
  const context = contextWith(new VirtualClock(), metrics);
  const extension = await startTestExtension((_request, response) => void response.end('{}'));
  const other = await startTestExtension(() => {});
  const client = new WebhookClient({ context, userAgent: 'test' });
  try {
    assert.deepEqual(await client.post({ url: extension.url, caBundle: extension.caBundle }, {}, 1000), {});
    await assert.rejects(
      client.post({ url: extension.url, caBundle: other.caBundle }, {}, 1000),
      /tls: failed to verify certificate: x509: certificate signed by unknown authority$/,
    );
    const text = await metrics.text();
    const { host } = new URL(extension.url);
    for (const line of [
      `rest_client_requests_total{code="200",host="${host}",method="POST"} 1`,
      `rest_client_requests_total{code="<error>",host="${host}",method="POST"} 1`,
      `rest_client_request_duration_seconds_count{host="${host}",verb="POST"} 2`,
      `rest_client_request_size_bytes_sum{host="${host}",verb="POST"} 4`,
      `rest_client_response_size_bytes_sum{host="${host}",verb="POST"} 2`,
    ])
      assert.ok(text.includes(`\n${line}\n`), line);
  } finally {
    for (const end of context.onShutdown) end();
    await extension.stop();
    await other.stop();
  }
});

// What envtest hands out as authority.
test('a certificate that is its own authority is believed; the path is tidied', async () => {
  const context = contextWith(new VirtualClock());
  const paths: string[] = [];
  const extension = await startTestExtension((request, response) => {
    paths.push(request.url ?? '');
    response.end('{}');
  });
  const client = new WebhookClient({ context, userAgent: 'test' });
  try {
    const caBundle = Buffer.from(extension.certificatePem).toString('base64');
    for (const path of ['//a//b/', '', '/c?d=e']) await client.post({ url: extension.url + path, caBundle }, {}, 1000);
    assert.deepEqual(paths, ['/a/b?timeout=1s', '/?timeout=1s', '/c?timeout=1s']);
  } finally {
    for (const end of context.onShutdown) end();
    await extension.stop();
  }
});
