import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtinResources } from '../../../api/resource.ts';
import type { Attributes } from '../../authz/authorizer.ts';
import type { AdmissionAttributes } from '../admission.ts';
import { ownerReferencesPermission } from './owner-references-permission.ts';

const pods = builtinResources().byId('/v1/pods')!;
const kinds: Readonly<Record<string, object[]>> = {
  'apps/v1 ReplicaSet': [{ group: 'apps', version: 'v1', resource: 'replicasets', namespaced: true }],
  'v1 Node': [{ group: '', version: 'v1', resource: 'nodes', namespaced: false }],
};

const owner = (kind: string, more: object = {}) => {
  const [apiVersion, name] = kind.split(' ');
  return { apiVersion, kind: name, name: 'o', uid: `u-${name}`, ...more };
};
const blocking = { blockOwnerDeletion: true };

/** The refusal, and what was asked of the authorizer, as `verb resource[/subresource] namespace/name`. */
async function write(
  before: readonly object[] | undefined,
  after: readonly object[],
  may: (question: Attributes) => boolean,
  subresource = '',
) {
  const asked: string[] = [];
  const plugin = ownerReferencesPermission({
    authorizer: {
      authorize(question) {
        const { verb, resource, subresource: sub, namespace, name } = question;
        asked.push(`${verb} ${resource}${sub && `/${sub}`} ${namespace}/${name}`);
        return { decision: may(question) ? 'allow' : 'noOpinion', reason: '' };
      },
    },
    resourcesOf: (apiVersion, kind) => (kinds[`${apiVersion} ${kind}`] ?? []) as never,
  });
  const attributes = {
    operation: before ? 'UPDATE' : 'CREATE',
    resource: pods,
    subresource,
    namespace: 'ns',
    name: 'p',
    user: { name: 'ann', groups: [] },
    object: { metadata: { ownerReferences: after } },
    old: before && { metadata: { ownerReferences: before } },
  } as unknown as AdmissionAttributes;
  if (!plugin.handles(attributes)) return { refused: 'not asked', asked };
  const refused = await Promise.resolve(plugin.validate!(attributes)).then(
    () => '',
    error => String(error.message),
  );
  return { refused, asked };
}

const set = owner('apps/v1 ReplicaSet');
const nobody = () => false;

test('owners are changed by those who may delete what is owned', async () => {
  assert.deepEqual(await write(undefined, [set], nobody), { refused: '', asked: [] });
  assert.equal((await write([set], [set], nobody)).refused, 'not asked');
  assert.equal((await write([], [set], nobody, 'status')).refused, 'not asked');
  assert.deepEqual(await write([], [set], nobody), {
    refused: `pods "p" is forbidden: cannot set an ownerRef on a resource you can't delete: , <nil>`,
    asked: ['delete pods ns/p'],
  });
  assert.equal((await write([set], [], q => q.verb === 'delete')).refused, '');
});

test('the deletion of an owner is held up by those who may change its finalizers', async () => {
  const { refused, asked } = await write(undefined, [{ ...set, ...blocking }, owner('v1 Node', blocking)], q =>
    q.resource.startsWith('replicasets'),
  );
  assert.equal(
    refused,
    `pods "p" is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: , <nil>`,
  );
  assert.deepEqual(asked, ['update replicasets/finalizers ns/o', 'update nodes/finalizers /o']);
  const mayDelete = (q: Attributes) => q.verb === 'delete';
  assert.match((await write([set], [{ ...set, ...blocking }], mayDelete)).refused, /can't set finalizers on/);
  // It did already, or no longer does.
  assert.equal(
    (await write([{ ...set, ...blocking }], [{ ...set, ...blocking, controller: true }], mayDelete)).refused,
    '',
  );
  assert.equal((await write([{ ...set, ...blocking }], [set], mayDelete)).refused, '');
});

test('an owner of a kind nobody serves holds nothing up', async () => {
  assert.match(
    (await write(undefined, [owner('x.io/v1 Mystery', blocking)], () => true)).refused,
    /cannot find RESTMapping for APIVersion x.io\/v1 Kind Mystery: no matches for kind "Mystery" in version "x.io\/v1"$/,
  );
});
