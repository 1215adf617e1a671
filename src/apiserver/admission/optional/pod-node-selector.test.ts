import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtinResources } from '../../../api/resource.ts';
import type { WatchCache } from '../../registry/watch-cache.ts';
import type { AdmissionAttributes } from '../admission.ts';
import { podNodeSelector, readPodNodeSelector } from './pod-node-selector.ts';

const pods = builtinResources().byId('/v1/pods')!;
const key = 'scheduler.alpha.kubernetes.io/node-selector';

/** The selector the pod ends with, or the refusal. */
function admitted(selectors: Record<string, string>, annotation: string | undefined, nodeSelector?: object) {
  const annotations = annotation === undefined ? {} : { [key]: annotation };
  const latest = (name: string) => (name === 'ns' ? { object: { metadata: { annotations } } } : undefined);
  const plugin = podNodeSelector(selectors, { latest } as unknown as WatchCache);
  const object = { spec: { containers: [], ...(nodeSelector ? { nodeSelector } : {}) } };
  const attributes = {
    operation: 'CREATE',
    resource: pods,
    subresource: '',
    namespace: 'ns',
    name: 'p',
    object,
  } as unknown as AdmissionAttributes;
  assert.ok(plugin.handles(attributes));
  try {
    plugin.mutate!(attributes);
    plugin.validate!(attributes);
  } catch (error) {
    const { code, message } = error as { code: number; message: string };
    return `${code} ${message}`;
  }
  return (object.spec as { nodeSelector?: object }).nodeSelector;
}

test('pods get the selector of their namespace, or of the cluster', () => {
  const cluster = { clusterDefaultNodeSelector: 'env=dev' };
  assert.deepEqual(admitted(cluster, 'env=prod, disk=ssd', { zone: 'a' }), { env: 'prod', disk: 'ssd', zone: 'a' });
  assert.deepEqual(admitted(cluster, undefined), { env: 'dev' });
  assert.equal(admitted(cluster, ''), undefined);
  assert.equal(admitted({}, undefined), undefined);
});

test('what contradicts it is refused', () => {
  assert.equal(
    admitted({}, 'env=prod', { env: 'dev' }),
    '403 pods "p" is forbidden: pod node label selector conflicts with its namespace node label selector',
  );
});

test('a namespace may have no more than the configuration lists', () => {
  const listed = { ns: 'env=prod,disk=ssd' };
  assert.deepEqual(admitted(listed, 'env=prod'), { env: 'prod' });
  assert.equal(
    admitted(listed, 'env=prod', { zone: 'a' }),
    '403 pods "p" is forbidden: pod node label selector labels conflict with its namespace whitelist',
  );
});

test('an annotation that is no selector is told', () => {
  assert.equal(admitted({}, 'env'), '500 invalid selector: [env]');
  assert.match(admitted({}, 'env=a b') as string, /^500 \[env\]: Invalid value: "a b": a valid label must be/);
});

test('the configuration is read', () => {
  assert.deepEqual(
    readPodNodeSelector('podNodeSelectorPluginConfig: {clusterDefaultNodeSelector: a=b, ns: "c=d,e=f"}'),
    {
      clusterDefaultNodeSelector: 'a=b',
      ns: 'c=d,e=f',
    },
  );
  assert.deepEqual(readPodNodeSelector('{}'), {});
  assert.throws(
    () => readPodNodeSelector('podNodeSelectorPluginConfig: {ns: oops}'),
    /podNodeSelectorPluginConfig.ns: invalid selector/,
  );
});
