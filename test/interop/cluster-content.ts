// Objects of every kind, valid and as a server completes them; and what a cluster has when nobody has used it yet.
import assert from 'node:assert/strict';
import { type Caller, caller, type Json } from '../../src/apiserver/test-caller.ts';
import { samples } from '../../src/apiserver/test-samples.ts';
import { startTestServer, type TestServer } from '../../src/apiserver/test-server.ts';
import { type StoredKind, storedKinds } from './stored-kinds.ts';

/** The namespace they are in. */
export const ns = 'interop';

export const callerOf = ({ url, ca, admin }: TestServer): Caller =>
  caller({ url, ca, cert: admin.certificatePem, key: admin.keyPem });

export function pathOf({ resource, namespaced, served }: StoredKind, version = served[0]!, namespace = ns): string {
  const base = version.includes('/') ? `/apis/${version}` : `/api/${version}`;
  const plural = resource.split('.')[0];
  return namespaced && namespace ? `${base}/namespaces/${namespace}/${plural}` : `${base}/${plural}`;
}

export const nameOf = ({ metadata }: Json): string =>
  metadata.namespace ? `${metadata.namespace}/${metadata.name}` : metadata.name;

/** As it is served: kube-apiserver decodes every version there is in etcd. */
export const shown = (kind: StoredKind, object: Json): Json => ({
  ...object,
  apiVersion: kind.served[0],
  kind: kind.kind,
});

const definitionOf = (name: string): Json => ({
  metadata: { name: `${name}s.interop.example` },
  spec: {
    group: 'interop.example',
    scope: 'Namespaced',
    names: { plural: `${name}s`, kind: name[0]!.toUpperCase() + name.slice(1) },
    versions: ['v1', 'v2'].map((version, i) => ({
      name: version,
      served: true,
      storage: i === 0,
      schema: {
        openAPIV3Schema: {
          type: 'object',
          properties: { size: { type: 'integer', default: i + 1 }, spec: { type: 'object' } },
        },
      },
      subresources: { status: {} },
      additionalPrinterColumns: [{ name: 'Size', type: 'integer', jsonPath: i === 0 ? '.size' : '.spec.size' }],
    })),
  },
});

const more: Readonly<Record<string, (name: string) => Json>> = {
  namespaces: () => ({}),
  // Not of what is made here.
  resourcequotas: () => ({ spec: { hard: { 'count/things.example.com': '7' } } }),
  'apiservices.apiregistration.k8s.io': name => ({
    metadata: { name: `v1.${name}.example` },
    spec: {
      group: `${name}.example`,
      version: 'v1',
      groupPriorityMinimum: 100,
      versionPriority: 10,
      service: { namespace: 'none', name: 'none' },
      insecureSkipTLSVerify: true,
    },
  }),
  'customresourcedefinitions.apiextensions.k8s.io': definitionOf,
};

/** A valid object of the kind. */
export function sampleOf(kind: StoredKind, name: string): Json {
  const version = kind.served[0]!;
  const plural = kind.resource.split('.')[0];
  const make = more[kind.resource] ?? samples[`${version.includes('/') ? version : `/${version}`}/${plural}`];
  assert.ok(make, `no sample of ${kind.resource}`);
  const object = make(name, ns);
  return { ...object, metadata: { name, ...object.metadata, labels: { interop: name } } };
}

/** Everything a cluster has that is made by k8ts alone, with two objects of each kind. */
export async function contentOfCluster(): Promise<Map<StoredKind, Json[]>> {
  const source = await startTestServer();
  const call = callerOf(source);
  const content = new Map<StoredKind, Json[]>();
  try {
    await call.expect(201, 'POST', '/api/v1/namespaces', { metadata: { name: ns } });
    await call.expect(201, 'POST', `/api/v1/namespaces/${ns}/serviceaccounts`, { metadata: { name: 'default' } });
    for (const kind of storedKinds)
      for (const name of ['one', 'two']) await call.expect(201, 'POST', pathOf(kind), sampleOf(kind, name));
    for (const kind of storedKinds)
      content.set(kind, (await call.expect(200, 'GET', pathOf(kind, kind.served[0], ''))).items);
  } finally {
    call.close();
    await source.stop();
  }
  return content;
}
