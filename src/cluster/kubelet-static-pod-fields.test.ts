import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kubeletSettings } from './kubelet-configuration.ts';

const head = { apiVersion: 'kubelet.config.k8s.io/v1beta1', kind: 'KubeletConfiguration' };
const read = (given: object) => kubeletSettings({ ...head, ...given }).options.staticPodUrl;

test('a URL of static pods, with headers and a pace', () => {
  assert.equal(read({ staticPodURL: '', httpCheckFrequency: '5s' }), undefined);
  assert.deepEqual(read({ staticPodURL: 'http://10.0.0.1/pods', httpCheckFrequency: '0s' }), {
    url: 'http://10.0.0.1/pods',
  });
  const headers = { 'X-Cluster': ['a', 'b'] };
  assert.deepEqual(read({ staticPodURL: 'https://a/b', staticPodURLHeader: headers, httpCheckFrequency: '5s' }), {
    ...{ url: 'https://a/b', headers, everyMs: 5000 },
  });
  const cases: [object, RegExp][] = [
    [{ staticPodURL: 'pods.yaml' }, /^staticPodURL: .*must be a URL of http or https$/],
    [{ staticPodURL: 'file:///etc/pods.yaml' }, /must be a URL of http or https$/],
    [{ staticPodURLHeader: { 'a b': ['c'] } }, /^staticPodURLHeader\.a b: .*must be a header$/],
    [{ staticPodURLHeader: { a: 'c' } }, /^staticPodURLHeader\.a: /],
    [{ httpCheckFrequency: 'often' }, /^httpCheckFrequency: /],
  ];
  for (const [given, message] of cases) assert.throws(() => read(given), { message }, JSON.stringify(given));
});
