import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtinResources } from '../../../api/resource.ts';
import { createMetrics } from '../../../base/metrics.ts';
import type { AdmissionAttributes } from '../admission.ts';
import { EvaluationCounts } from './evaluation-counts.ts';
import { podSecurity } from './pod-security.ts';
import type { PodSecuritySettings } from './settings.ts';

const mode = (m: string) => `pod-security.kubernetes.io/${m}`;
const namespaces: Record<string, object> = {
  strict: { [mode('enforce')]: 'baseline', [mode('audit')]: 'restricted', [mode('audit-version')]: 'v1.99' },
  watched: { [mode('audit')]: 'restricted', [mode('warn')]: 'restricted' },
  free: {},
};
const privilegedPod = (name: string, runtimeClassName?: string) => ({
  metadata: { name },
  spec: { runtimeClassName, containers: [{ name: 'c', securityContext: { privileged: true } }] },
});
const cache = {
  latest: (name: string) => ({ object: { metadata: { labels: namespaces[name] } } }),
  snapshot: () => ({
    scan: (_prefix: string, _from: unknown, visit: (stored: object) => void) => {
      for (const object of [privilegedPod('a'), privilegedPod('b', 'vm')]) visit({ object });
    },
  }),
};

interface Asked {
  readonly user?: string;
  readonly old?: object;
  readonly settings?: PodSecuritySettings;
}

function review(namespace: string, id: string, object: object, counts: EvaluationCounts, more: Asked = {}) {
  const seen = { annotations: {} as Record<string, string>, warnings: [] as string[], error: '' };
  const attributes = {
    operation: more.old ? 'UPDATE' : 'CREATE',
    resource: builtinResources().byId(id),
    subresource: '',
    namespace,
    name: id === '/v1/namespaces' ? namespace : 'p',
    object,
    old: more.old,
    user: { name: more.user ?? 'adam', groups: [] },
    warn: (m: string) => void seen.warnings.push(m),
    annotate: (k: string, v: string) => {
      seen.annotations[k] = v;
    },
  } as unknown as AdmissionAttributes;
  try {
    podSecurity({ namespaces: cache, pods: cache, counts, settings: more.settings } as never).validate!(attributes);
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

test('who is exempt is let be, and counted; what a namespace does not say the configuration says', async () => {
  const metrics = createMetrics();
  const counts = new EvaluationCounts(metrics);
  const settings: PodSecuritySettings = {
    defaults: {
      enforce: { level: 'baseline', version: 'v1.30' },
      audit: { level: 'restricted', version: 'latest' },
      warn: { level: 'restricted', version: 'v1.31' },
    },
    exemptions: { usernames: ['eve'], namespaces: ['exempt'], runtimeClasses: ['vm'] },
  };
  const pod = '/v1/pods';
  const ask = (namespace: string, id: string, object: object, more: Asked = {}) =>
    review(namespace, id, object, counts, { settings, ...more });
  const template = (runtimeClassName?: string) => ({ spec: { template: privilegedPod('p', runtimeClassName) } });
  assert.match(ask('free', pod, privilegedPod('p')).error, /violates PodSecurity "baseline:v1.30": privileged/);
  assert.match(ask('strict', pod, privilegedPod('p')).error, /violates PodSecurity "baseline:v1.30": privileged/);
  const let_ = (exempt: string) => ({ annotations: { [mode('exempt')]: exempt }, warnings: [], error: '' });
  assert.deepEqual(ask('exempt', pod, privilegedPod('p')), let_('namespace'));
  assert.deepEqual(ask('free', pod, privilegedPod('p'), { user: 'eve' }), let_('user'));
  assert.deepEqual(ask('free', pod, privilegedPod('p', 'vm')), let_('runtimeClass'));
  assert.deepEqual(ask('free', 'apps/v1/deployments', template('vm')), let_('runtimeClass'));
  assert.deepEqual(ask('free', 'apps/v1/deployments', template(), { user: 'eve' }), let_('user'));
  assert.match(
    ask('free', 'apps/v1/deployments', template()).warnings[0]!,
    /^would violate PodSecurity "restricted:v1.31"/,
  );

  const namespace = (labels: object) => ({ metadata: { name: 'n', labels } });
  const labels = { [mode('enforce')]: 'baseline', [mode('warn')]: 'restricted', [mode('warn-version')]: 'v1.20' };
  assert.deepEqual(ask('exempt', '/v1/namespaces', namespace(labels)).warnings, [
    'namespace "exempt" is exempt from Pod Security, and the policy (enforce=baseline:v1.30, warn=restricted:v1.20) will be ignored',
  ]);
  const restricted = namespace({ [mode('enforce')]: 'restricted' });
  assert.deepEqual(ask('y', '/v1/namespaces', restricted, { old: namespace({}) }).warnings, [
    'existing pods in namespace "y" violate the new PodSecurity enforce level "restricted:v1.30"',
    'a: privileged, allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, seccompProfile',
  ]);
  const relaxed = namespace({ [mode('enforce')]: 'baseline' });
  assert.deepEqual(ask('y', '/v1/namespaces', relaxed, { old: restricted }).warnings, []);

  const lines = (await metrics.text()).split('\n').filter(l => l.startsWith('pod_security_exemptions_total'));
  const line = (kind: string, n: number) =>
    `pod_security_exemptions_total{request_operation="create",resource="${kind}",subresource=""} ${n}`;
  assert.deepEqual(lines.sort(), [line('controller', 2), line('pod', 3)]);
});
