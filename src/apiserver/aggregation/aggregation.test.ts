import assert from 'node:assert/strict';
import { request as httpsRequest } from 'node:https';
import { after, before, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import type { KubeObject } from '../../api/meta.ts';
import type { ResourceRef } from '../../api/ref.ts';
import { apiregistrationV1, coreV1, discoveryV1 } from '../../api/refs.ts';
import { StatusError } from '../../api/status.ts';
import type { APIService } from '../../api/type/apiregistration-v1.ts';
import { systemClock } from '../../base/clock.ts';
import { systemRandom } from '../../base/random.ts';
import { createCa, issueCertificate } from '../../base/x509.ts';
import type { Client } from '../../client/client.ts';
import { startTestExtension, type TestExtension } from '../extension/test-extension.ts';
import { startTestServer, type TestServer } from '../test-server.ts';

let server: TestServer;
let extension: TestExtension;
let client: Client;
const seen: { method: string; path: string; headers: NodeJS.Dict<string | string[]>; peer: string; body: string }[] =
  [];
let discoveryCode = 200;

const flunder = {
  group: 'wardle.example.com',
  version: 'v1alpha1',
  resource: 'flunders',
  kind: 'Flunder',
  namespaced: true,
} as unknown as ResourceRef<KubeObject>;
const resourceList = {
  kind: 'APIResourceList',
  apiVersion: 'v1',
  groupVersion: 'wardle.example.com/v1alpha1',
  resources: [
    {
      name: 'flunders',
      singularName: 'flunder',
      namespaced: true,
      kind: 'Flunder',
      verbs: ['create', 'get', 'list', 'watch'],
      shortNames: ['fl'],
    },
    { name: 'flunders/status', singularName: '', namespaced: true, kind: 'Flunder', verbs: ['get'] },
  ],
};
const openApiV3 = {
  openapi: '3.0.0',
  info: { title: 'wardle', version: '1' },
  paths: { '/apis/wardle.example.com/v1alpha1/flunders': { get: { responses: {} } } },
};
const openApiV2 = {
  swagger: '2.0',
  info: { title: 'wardle', version: '1' },
  paths: {
    '/apis/wardle.example.com/v1alpha1/flunders': {
      get: {
        responses: {
          200: { description: 'OK', schema: { $ref: '#/definitions/com.example.wardle.v1alpha1.Flunder' } },
        },
      },
    },
    '/version/': { get: { responses: { 200: { schema: { $ref: '#/definitions/elsewhere' } } } } },
  },
  definitions: {
    'com.example.wardle.v1alpha1.Flunder': { type: 'object' },
    unused: { type: 'string' },
    elsewhere: { type: 'string' },
  },
};

before(async () => {
  const making = { nowMs: systemClock.now(), random: systemRandom, days: 1 };
  const ca = await createCa({ commonName: 'front-proxy-ca', ...making });
  const proxy = await issueCertificate(ca, {
    subject: { commonName: 'front-proxy-client' },
    usages: 'client',
    ...making,
  });
  extension = await startTestExtension(
    (request, response, body) => {
      const path = request.url!;
      const peer = (request.socket as TLSSocket).authorized
        ? String((request.socket as TLSSocket).getPeerCertificate().subject.CN)
        : '';
      seen.push({ method: request.method!, path, headers: request.headers, peer, body });
      const json = (code: number, value: unknown) => {
        response.writeHead(code, { 'content-type': 'application/json' });
        response.end(JSON.stringify(value));
      };
      if (path === '/apis/wardle.example.com/v1alpha1') return json(discoveryCode, resourceList);
      if (path === '/openapi/v3')
        return json(200, {
          paths: {
            'apis/wardle.example.com/v1alpha1': {
              serverRelativeURL: '/openapi/v3/apis/wardle.example.com/v1alpha1?hash=ABC',
            },
          },
        });
      if (path.startsWith('/openapi/v3/apis/wardle')) return json(200, openApiV3);
      if (path === '/openapi/v2') return json(200, openApiV2);
      if (/watch=(true|1)/.test(path)) {
        response.writeHead(200, { 'content-type': 'application/json' });
        response.write(`${JSON.stringify({ type: 'ADDED', object: { kind: 'Flunder', metadata: { name: 'f' } } })}\n`);
        request.on('close', () => response.end());
        return;
      }
      if (request.method === 'POST') return json(201, JSON.parse(body));
      if (path.endsWith('/flunders/gone'))
        return json(404, new StatusError(404, 'NotFound', 'flunders "gone" not found').status);
      return json(200, { kind: 'Flunder', apiVersion: 'wardle.example.com/v1alpha1', metadata: { name: 'f' } });
    },
    {
      dnsNames: ['sample-api.wardle.svc'],
      clientCa: ca.certificatePem,
      onUpgrade(request, socket) {
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: SPDY/3.1\r\n\r\nhello ${request.headers['x-remote-user']}`,
        );
        socket.on('data', data => socket.write(data));
        socket.on('error', () => {});
      },
    },
  );
  server = await startTestServer({
    frontProxyCa: ca.certificatePem,
    frontProxyClient: { cert: proxy.certificatePem, key: proxy.keyPem },
    dialExtension: at => (at.host === '10.9.9.9' ? { host: '127.0.0.1', port: extension.port } : at),
  });
  client = server.server.client({ userAgent: 'test' });
  await client.create(coreV1.namespaces, { metadata: { name: 'wardle' } });
});
after(async () => {
  await server.stop();
  await extension.stop();
});

/** Resolves when the service's Available condition has this reason. */
function availability(name: string, reason: string): Promise<{ status: string; message?: string }> {
  return new Promise((resolve, reject) => {
    const handle = client.watch(
      apiregistrationV1.apiservices,
      { fieldSelector: `metadata.name=${name}` },
      {
        onEvent(_type, object) {
          const condition = (object as APIService).status?.conditions?.find(c => c.type === 'Available');
          if (condition?.reason !== reason) return;
          handle.stop();
          resolve(condition);
        },
        onClose: error => reject(error ?? new Error('closed')),
      },
    );
  });
}

const name = 'v1alpha1.wardle.example.com';

test('the server lists what it serves itself', async () => {
  const { items } = await client.list(apiregistrationV1.apiservices);
  const names = items.map(i => i.metadata.name);
  assert.ok(names.includes('v1.') && names.includes('v1.apps') && names.includes('v2.autoscaling'));
  assert.ok(!names.includes('v1.apiregistration.k8s.io'));
  const apps = items.find(i => i.metadata.name === 'v1.apps')!;
  assert.deepEqual(apps.spec, { group: 'apps', version: 'v1', groupPriorityMinimum: 17800, versionPriority: 15 });
  assert.deepEqual(apps.metadata.labels, { 'kube-aggregator.kubernetes.io/automanaged': 'onstart' });
  const { lastTransitionTime: _, ...condition } = apps.status.conditions![0]!;
  assert.deepEqual(condition, {
    type: 'Available',
    status: 'True',
    reason: 'Local',
    message: 'Local APIServices are always available',
  });
});

test('an APIService becomes available step by step', async () => {
  const spec = {
    group: 'wardle.example.com',
    version: 'v1alpha1',
    service: { namespace: 'wardle', name: 'sample-api', port: 7443 },
    caBundle: extension.caBundle,
    groupPriorityMinimum: 2000,
    versionPriority: 200,
  };
  await client.create(apiregistrationV1.apiservices, { metadata: { name }, spec });
  const missing = await availability(name, 'ServiceNotFound');
  assert.equal(missing.message, 'service/sample-api in "wardle" is not present');
  const http = await server.http();
  await assert.rejects(http.get(flunder, { namespace: 'a', name: 'f' }), (e: StatusError) => e.code === 503);
  await client.create(coreV1.services, {
    metadata: { name: 'sample-api', namespace: 'wardle' },
    spec: { ports: [{ port: 7443, targetPort: 443 }] },
  } as never);
  assert.equal(
    (await availability(name, 'EndpointsNotFound')).message,
    'cannot find endpointslices for service/sample-api in "wardle"',
  );
  const slice = {
    metadata: { name: 'sample-api-1', namespace: 'wardle', labels: { 'kubernetes.io/service-name': 'sample-api' } },
    addressType: 'IPv4',
    ports: [{ name: '', port: 443, protocol: 'TCP' }],
    endpoints: [{ addresses: ['10.9.9.9'], conditions: { ready: false } }],
  };
  const made = await client.create(discoveryV1.endpointslices, slice as never);
  assert.equal(
    (await availability(name, 'MissingEndpoints')).message,
    'endpointslices for service/sample-api in "wardle" have no addresses with port name ""',
  );
  discoveryCode = 403;
  const ready = {
    ...slice,
    metadata: made.metadata,
    endpoints: [{ addresses: ['10.9.9.9'], conditions: { ready: true } }],
  };
  const updated = await client.update(discoveryV1.endpointslices, ready as never);
  assert.equal(
    (await availability(name, 'FailedDiscoveryCheck')).message,
    'failing or missing response from https://10.9.9.9:443/apis/wardle.example.com/v1alpha1: bad status from https://10.9.9.9:443/apis/wardle.example.com/v1alpha1: 403',
  );
  discoveryCode = 200;
  await client.update(discoveryV1.endpointslices, {
    ...ready,
    metadata: { ...updated.metadata, labels: { ...updated.metadata.labels, x: 'y' } },
  } as never);
  const passed = await availability(name, 'Passed');
  assert.equal(passed.status, 'True');
  assert.equal(passed.message, 'all checks passed');
  assert.equal(seen[0]!.peer, 'front-proxy-client');
  assert.equal(seen[0]!.headers['x-remote-user'], 'system:kube-aggregator');
});

// aggregator-supports-the-sample-apiserver.
test('requests reach the server with the identity of their user', async () => {
  const http = await server.http();
  seen.length = 0;
  const made = await http.create(flunder, { metadata: { name: 'f', namespace: 'a' } } as never);
  assert.equal(made.metadata.name, 'f');
  const { headers, path, body, peer } = seen.find(s => s.method === 'POST')!;
  assert.ok(path.startsWith('/apis/wardle.example.com/v1alpha1/namespaces/a/flunders'));
  assert.equal(JSON.parse(body).metadata.name, 'f');
  assert.equal(peer, 'front-proxy-client');
  assert.equal(headers['x-remote-user'], 'kubernetes-admin');
  assert.equal(headers['x-remote-group'], 'system:masters, system:authenticated');
  assert.match(String(headers['x-remote-extra-authentication.kubernetes.io%2fcredential-id']), /^X509SHA256=/);
  assert.equal(headers.authorization, undefined);
  await assert.rejects(http.get(flunder, { namespace: 'a', name: 'gone' }), /flunders "gone" not found/);
  const nobody = await server.http({ name: 'nobody' });
  await assert.rejects(nobody.get(flunder, { namespace: 'a', name: 'f' }), (e: StatusError) => e.code === 403);
});

test('watches and upgrades pass through', async () => {
  const http = await server.http();
  const event = await new Promise(resolve => {
    const handle = http.watch(
      flunder,
      { namespace: 'a' },
      {
        onEvent: type => {
          handle.stop();
          resolve(type);
        },
        onClose: resolve,
      },
    );
  });
  assert.equal(event, 'ADDED');
  const text = await new Promise<string>((resolve, reject) => {
    const request = httpsRequest(`${server.url}/apis/wardle.example.com/v1alpha1/namespaces/a/flunders/f/exec`, {
      ca: server.ca,
      cert: server.admin.certificatePem,
      key: server.admin.keyPem,
      headers: { connection: 'Upgrade', upgrade: 'SPDY/3.1' },
      agent: false,
    });
    request.on('upgrade', (_response, socket, head) => {
      let got = head.toString();
      const check = () => {
        if (got === 'hello kubernetes-admin') socket.write('!');
        if (got !== 'hello kubernetes-admin!') return;
        socket.destroy();
        resolve(got);
      };
      socket.on('data', data => {
        got += data;
        check();
      });
      check();
    });
    request.on('error', reject);
    request.end();
  });
  assert.equal(text, 'hello kubernetes-admin!');
});

test('clients in the process reach the group as well', async () => {
  const own = server.server.client({ userAgent: 'test', serviceAccount: 'namespace-controller' });
  assert.deepEqual(await own.raw('/apis/wardle.example.com/v1alpha1'), resourceList);
  seen.length = 0;
  assert.equal((await own.get(flunder, { namespace: 'a', name: 'f' })).metadata.name, 'f');
  assert.equal(seen[0]!.headers['x-remote-user'], 'system:serviceaccount:kube-system:namespace-controller');
  await assert.rejects(own.get(flunder, { namespace: 'a', name: 'gone' }), /flunders "gone" not found/);
  const event = await new Promise(resolve => {
    const handle = own.watch(
      flunder,
      {},
      {
        onEvent: type => {
          handle.stop();
          resolve(type);
        },
        onClose: resolve,
      },
    );
  });
  assert.equal(event, 'ADDED');
  const other = server.server.client({ userAgent: 'test', user: 'nobody' });
  await assert.rejects(other.list(flunder), (e: StatusError) => e.code === 403);
});

test('discovery shows the group among the others', async () => {
  const http = await server.http();
  const { groups } = (await http.raw('/apis')) as { groups: { name: string; versions: object[] }[] };
  const group = groups.find(g => g.name === 'wardle.example.com')!;
  assert.deepEqual(group.versions, [{ groupVersion: 'wardle.example.com/v1alpha1', version: 'v1alpha1' }]);
  const one = (await http.raw('/apis/wardle.example.com')) as { preferredVersion: { version: string } };
  assert.equal(one.preferredVersion.version, 'v1alpha1');
  assert.deepEqual(await http.raw('/apis/wardle.example.com/v1alpha1'), resourceList);
  const { items } = (await get('/apis', 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList')) as {
    items: {
      metadata: { name: string };
      versions: { freshness: string; resources: { resource: string; subresources: object[] }[] }[];
    }[];
  };
  const [version] = items.find(i => i.metadata.name === 'wardle.example.com')!.versions;
  assert.equal(version!.freshness, 'Current');
  assert.deepEqual(
    version!.resources.map(r => [r.resource, r.subresources.length]),
    [['flunders', 1]],
  );
});

test('OpenAPI shows the group among the others', async () => {
  type Index = { paths: Record<string, { serverRelativeURL: string }> };
  let entry: { serverRelativeURL: string } | undefined;
  while (!entry) entry = ((await get('/openapi/v3')) as Index).paths['apis/wardle.example.com/v1alpha1'];
  const { serverRelativeURL } = entry;
  assert.deepEqual(await get(serverRelativeURL), openApiV3);
  const v2 = (await get('/openapi/v2')) as { paths: Record<string, object>; definitions: Record<string, object> };
  assert.ok(v2.paths['/apis/wardle.example.com/v1alpha1/flunders']);
  assert.ok(v2.paths['/api/v1/pods']);
  assert.deepEqual(v2.definitions['com.example.wardle.v1alpha1.Flunder'], { type: 'object' });
  assert.deepEqual(v2.definitions.unused, { type: 'string' });
  assert.equal(v2.definitions.elsewhere, undefined);
});

test('what aggregated servers need to know is in kube-system', async () => {
  const key = { namespace: 'kube-system', name: 'extension-apiserver-authentication' };
  const { data } = await client.get(coreV1.configmaps, key);
  assert.equal(data?.['requestheader-allowed-names'], '["front-proxy-client"]');
  assert.equal(data?.['requestheader-username-headers'], '["X-Remote-User"]');
  assert.ok(data?.['requestheader-client-ca-file']?.startsWith('-----BEGIN CERTIFICATE'));
});

test('without its service the group is unavailable, and stale in discovery', async () => {
  await client.delete(coreV1.services, { namespace: 'wardle', name: 'sample-api' });
  await availability(name, 'ServiceNotFound');
  const metrics = await server.server.metrics.text();
  assert.match(metrics, new RegExp(`\naggregator_unavailable_apiservice\\{name="${name}"\\} 1\n`));
  assert.match(
    metrics,
    new RegExp(`\naggregator_unavailable_apiservice_total\\{name="${name}",reason="ServiceNotFound"\\} 1\n`),
  );
  const http = await server.http();
  await assert.rejects(http.get(flunder, { namespace: 'a', name: 'f' }), {
    message: /service unavailable|currently unable/,
  });
  const { items } = (await get('/apis', 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList')) as {
    items: { metadata: { name: string }; versions: { freshness: string }[] }[];
  };
  assert.equal(items.find(i => i.metadata.name === 'wardle.example.com')!.versions[0]!.freshness, 'Stale');
  await client.delete(apiregistrationV1.apiservices, { name });
  const { groups } = (await http.raw('/apis')) as { groups: { name: string }[] };
  assert.ok(!groups.some(g => g.name === 'wardle.example.com'));
});

test('APIServices are checked', async () => {
  const create = (over: object, at = 'v1.x.io') =>
    client.create(apiregistrationV1.apiservices, {
      metadata: { name: at },
      spec: { group: 'x.io', version: 'v1', groupPriorityMinimum: 1, versionPriority: 1, ...over },
    } as never);
  await assert.rejects(
    create({}, 'other'),
    /metadata.name: Invalid value: "other": must be `spec.version\+"."\+spec.group`: "v1.x.io"/,
  );
  await assert.rejects(create({ groupPriorityMinimum: 20001 }), /must be positive and less than 20000/);
  await assert.rejects(create({ insecureSkipTLSVerify: true }), /local APIServices may not have insecureSkipTLSVerify/);
});

function get(path: string, accept = 'application/json'): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      server.url + path,
      { ca: server.ca, cert: server.admin.certificatePem, key: server.admin.keyPem, headers: { accept }, agent: false },
      response => {
        let text = '';
        response.on('data', chunk => {
          text += chunk;
        });
        response.on('end', () => resolve(JSON.parse(text)));
      },
    );
    request.on('error', reject);
    request.end();
  });
}
