import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Pod } from '../../api/type/core-v1.ts';
import { fakeClient } from '../../client/fake-client.ts';
import { expectedScale } from './expected-scale.ts';

const none = { get: () => undefined, list: () => [], byIndex: () => [], size: 0 };
const pod = (kind: string, apiVersion: string): Pod => ({
  metadata: {
    name: 'p',
    uid: 'uid-p',
    creationTimestamp: '2026-01-01T00:00:00Z',
    resourceVersion: '1',
    namespace: 'a',
    ownerReferences: [{ kind, apiVersion, name: 'x', uid: 'u', controller: true }],
  },
  spec: { containers: [] },
  status: {},
});

it('reads the scale of resources that have one', async () => {
  const client = fakeClient([], {
    raw: {
      '/apis/example.com/v1': {
        resources: [
          { name: 'foos', kind: 'Foo' },
          { name: 'foos/scale', kind: 'Scale' },
        ],
      },
      '/apis/batch/v1': {
        resources: [
          { name: 'jobs', kind: 'Job' },
          { name: 'jobs/status', kind: 'Job' },
        ],
      },
    },
  });
  const asked: unknown[] = [];
  client.getSubresource = async (...args: readonly unknown[]) => {
    asked.push(args);
    return { metadata: { uid: 'u' }, spec: { replicas: 4 }, status: {} } as never;
  };
  const context = { client, lister: () => none };
  assert.deepEqual(await expectedScale(context, [pod('Foo', 'example.com/v1')]), { expected: 4, unmanaged: [] });
  assert.deepEqual(asked, [
    [
      { group: 'example.com', version: 'v1', resource: 'foos', kind: 'Foo', namespaced: true },
      { namespace: 'a', name: 'x' },
      'scale',
    ],
  ]);
  await assert.rejects(expectedScale(context, [pod('Job', 'batch/v1')]), {
    message: 'jobs.batch does not implement the scale subresource',
  });
});
