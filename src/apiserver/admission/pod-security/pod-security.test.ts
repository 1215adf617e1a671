import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtinResources } from '../../../api/resource.ts';
import { createMetrics } from '../../../base/metrics.ts';
import type { AdmissionAttributes } from '../admission.ts';
import { EvaluationCounts } from './evaluation-counts.ts';
import { podSecurity } from './pod-security.ts';

const mode = (m: string) => `pod-security.kubernetes.io/${m}`;
const namespaces: Record<string, object> = {
  strict: { [mode('enforce')]: 'baseline', [mode('audit')]: 'restricted', [mode('audit-version')]: 'v1.99' },
  watched: { [mode('audit')]: 'restricted', [mode('warn')]: 'restricted' },
  free: {},
};
const cache = { latest: (name: string) => ({ object: { metadata: { labels: namespaces[name] } } }) };

function review(namespace: string, id: string, object: object, counts: EvaluationCounts) {
  const seen = { annotations: {} as Record<string, string>, warnings: [] as string[], error: '' };
  const attributes = {
    operation: 'CREATE',
    resource: builtinResources().byId(id),
    subresource: '',
    namespace,
    name: 'p',
    object,
    warn: (m: string) => void seen.warnings.push(m),
    annotate: (k: string, v: string) => {
      seen.annotations[k] = v;
    },
  } as unknown as AdmissionAttributes;
  try {
    podSecurity({ namespaces: cache, pods: cache, counts } as never).validate!(attributes);
  } catch (error) {
    seen.error = (error as Error).message;
  }
  return seen;
}

test('what was decided is annotated for audit, and counted', async () => {
  const metrics = createMetrics();
  const counts = new EvaluationCounts(metrics);
  const spec = { containers: [{ name: 'c', image: 'x' }] };
  const pod = (more: object = {}) => ({ metadata: { name: 'p' }, spec: { ...spec, ...more } });
  const would = /^would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false/;

  const free = review('free', '/v1/pods', pod({ hostPID: true }), counts);
  assert.deepEqual(free, { annotations: { [mode('enforce-policy')]: 'privileged:latest' }, warnings: [], error: '' });
  const refused = review('strict', '/v1/pods', pod({ hostPID: true }), counts);
  assert.match(refused.error, /violates PodSecurity "baseline:latest": host namespaces/);
  assert.equal(refused.annotations[mode('enforce-policy')], 'baseline:latest');
  assert.match(
    refused.annotations[mode('audit-violations')]!,
    /^would violate PodSecurity "restricted:v1.99": .*host namespaces/,
  );
  const watched = review('watched', '/v1/pods', pod(), counts);
  assert.match(watched.annotations[mode('audit-violations')]!, would);
  assert.match(watched.warnings[0]!, would);
  const template = review('watched', 'apps/v1/deployments', { spec: { template: { metadata: {}, spec } } }, counts);
  assert.match(template.annotations[mode('audit-violations')]!, would);
  assert.equal(template.warnings.length, 1);

  const lines = (await metrics.text()).split('\n').filter(l => l.startsWith('pod_security_evaluations_total'));
  const line = (decision: string, m: string, level: string, version: string, kind: string) =>
    `pod_security_evaluations_total{decision="${decision}",mode="${m}",policy_level="${level}",policy_version="${version}",request_operation="create",resource="${kind}",subresource=""} 1`;
  assert.deepEqual(
    lines.sort(),
    [
      line('allow', 'enforce', 'privileged', 'latest', 'pod').replace(/1$/, '2'),
      line('deny', 'enforce', 'baseline', 'latest', 'pod'),
      line('deny', 'audit', 'restricted', 'future', 'pod'),
      line('deny', 'audit', 'restricted', 'latest', 'pod'),
      line('deny', 'warn', 'restricted', 'latest', 'pod'),
      line('deny', 'audit', 'restricted', 'latest', 'controller'),
      line('deny', 'warn', 'restricted', 'latest', 'controller'),
    ].sort(),
  );
});
