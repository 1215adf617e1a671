import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../base/clock.ts';
import { createMetrics } from '../../base/metrics.ts';
import { seededRandom } from '../../base/random.ts';
import type { ApiContext } from '../context.ts';
import { ServerCounts } from '../observe/server-counts.ts';
import { startTestExtension } from './test-extension.ts';
import { WebhookClient } from './webhook-client.ts';
import { readWebhookAdmission, webhookIdentity } from './webhook-identity.ts';

const kubeconfig = (names: readonly string[], current?: string) => ({
  clusters: [],
  users: names.map(name => ({ name, user: { token: name } })),
  contexts: current ? [{ name: 'x', context: { cluster: '', user: current } }] : [],
  ...(current ? { 'current-context': 'x' } : {}),
});

test('a server is known by its name, by its domain, by any, or as the context says', () => {
  const clock = new VirtualClock();
  const names = ['hook.ns.svc', 'hook.ns.svc:8443', '*.ns.svc', '*.example.com', '*.b.example.com:9443'];
  const who = (hostPort: string, all: readonly string[] = names, current?: string) =>
    webhookIdentity(kubeconfig(all, current), clock)(hostPort)?.token;
  assert.equal(who('hook.ns.svc:443'), 'hook.ns.svc');
  assert.equal(who('hook.ns.svc:8443'), 'hook.ns.svc:8443');
  assert.equal(who('other.ns.svc:443'), '*.ns.svc');
  assert.equal(who('other.ns.svc:8443'), undefined);
  assert.equal(who('a.b.example.com:443'), '*.example.com');
  assert.equal(who('a.b.example.com:9443'), '*.b.example.com:9443');
  assert.equal(who('elsewhere:443'), undefined);
  assert.equal(who('elsewhere:443', [...names, '*']), '*');
  assert.equal(who('elsewhere:443', [...names, 'me'], 'me'), 'me');
});

test('a webhook is told who asks', async () => {
  const context = {
    ...{ clock: new VirtualClock(), random: seededRandom(1), onShutdown: new Set<() => void>(), egress: {} },
    counts: new ServerCounts(createMetrics()),
  };
  const seen: (string | undefined)[] = [];
  const extension = await startTestExtension((request, response) => {
    seen.push(request.headers.authorization);
    response.end('{}');
  });
  const { host } = new URL(extension.url);
  const identity = webhookIdentity(kubeconfig([host]), context.clock);
  const client = new WebhookClient({ context: context as unknown as ApiContext, userAgent: 'test', identity });
  const { caBundle } = extension;
  try {
    await client.post({ url: extension.url, caBundle }, {}, 1000);
    await client.post({ url: extension.url.replace('127.0.0.1', 'localhost'), caBundle }, {}, 1000);
    assert.deepEqual(seen, [`Bearer ${host}`, undefined]);
  } finally {
    for (const end of context.onShutdown) end();
    await extension.stop();
  }
});

test('the configuration names a file, in either of its versions', () => {
  const read = (kind: string, version: string) =>
    readWebhookAdmission(
      `# Was apiserver.config.k8s.io/v1alpha1.\nkind: ${kind}\napiVersion: apiserver.config.k8s.io/${version}\nkubeConfigFile: /k\n`,
    );
  assert.equal(read('WebhookAdmissionConfiguration', 'v1'), '/k');
  assert.equal(read('WebhookAdmission', 'v1alpha1'), '/k');
  assert.throws(() => read('WebhookAdmission', 'v1'), /no kind "WebhookAdmission" is registered/);
});

test('an address of version 6 has a port like others', async () => {
  const context = {
    ...{ clock: new VirtualClock(), random: seededRandom(1), onShutdown: new Set<() => void>(), egress: {} },
    counts: new ServerCounts(createMetrics()),
  };
  const hosts: (string | undefined)[] = [];
  const extension = await startTestExtension((request, response) => {
    hosts.push(request.headers.host);
    response.end('{}');
  });
  const { hostname, port } = new URL(extension.url);
  const asked: string[] = [];
  const client = new WebhookClient({
    context: context as unknown as ApiContext,
    userAgent: 'test',
    dial: () => ({ host: hostname, port: Number(port) }),
    identity: hostPort => {
      asked.push(hostPort);
      return undefined;
    },
  });
  const { caBundle } = extension;
  try {
    for (const url of ['https://[::1]/', 'https://[::1]:8443/']) await client.post({ url, caBundle }, {}, 1000);
    assert.deepEqual(hosts, ['[::1]', '[::1]:8443']);
    assert.deepEqual(asked, ['[::1]:443', '[::1]:8443']);
  } finally {
    for (const end of context.onShutdown) end();
    await extension.stop();
  }
});
