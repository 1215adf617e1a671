// Which plugins are asked, and in which order: as kube-apiserver says at its start.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createLog } from '../../base/log.ts';
import { superuserOf } from '../test-api.ts';
import { mergePatch } from '../test-caller.ts';
import { startTestServer } from '../test-server.ts';
import { offByDefault } from './off-by-default.ts';

const directory = mkdtempSync(join(tmpdir(), 'plugins-'));
after(() => rmSync(directory, { recursive: true }));

async function started(options: Parameters<typeof startTestServer>[0]) {
  const lines: string[] = [];
  const server = await startTestServer({ ...options, log: createLog('x', { write: line => void lines.push(line) }) });
  const orderOf = (phase: string) => {
    const said = lines
      .join('')
      .match(
        new RegExp(`Loaded (\\d+) ${phase} admission controller\\(s\\) successfully in the following order: (.*)\\.\n`),
      )!;
    const names = said[2]!.split(',');
    assert.equal(names.length, Number(said[1]));
    return names;
  };
  return { server, api: superuserOf(server), mutating: orderOf('mutating'), validating: orderOf('validating') };
}

const mutatingByDefault = [
  ...['NamespaceLifecycle', 'LimitRanger', 'ServiceAccount', 'NodeRestriction', 'TaintNodesByCondition', 'Priority'],
  ...['DefaultTolerationSeconds', 'DefaultStorageClass', 'StorageObjectInUseProtection', 'RuntimeClass'],
  ...['DefaultIngressClass', 'PodTopologyLabels', 'MutatingAdmissionPolicy', 'MutatingAdmissionWebhook'],
];
const validatingByDefault = [
  ...['LimitRanger', 'ServiceAccount', 'PodSecurity', 'Priority', 'PersistentVolumeClaimResize', 'RuntimeClass'],
  ...['CertificateApproval', 'CertificateSigning', 'ClusterTrustBundleAttest', 'CertificateSubjectRestriction'],
  ...['NodeDeclaredFeatureValidator', 'ValidatingAdmissionPolicy', 'ValidatingAdmissionWebhook', 'ResourceQuota'],
];

test('plugins that are on by default, in order', async () => {
  const { server, api, mutating, validating } = await started({});
  api.close();
  await server.stop();
  assert.deepEqual([mutating, validating], [mutatingByDefault, validatingByDefault]);
});

test('all of them, in order', async () => {
  const kubeConfigFile = join(directory, 'kubeconfig');
  const cluster = { name: 'c', cluster: { server: 'https://127.0.0.1:1' } };
  const contexts = [{ name: 'x', context: { cluster: 'c' } }];
  writeFileSync(kubeConfigFile, JSON.stringify({ clusters: [cluster], contexts, 'current-context': 'x' }));
  const imagePolicy = { kubeConfigFile, allowMs: 1, denyMs: 1, retryMs: 1, defaultAllow: true };
  const { server, api, mutating, validating } = await started({
    enableAdmissionPlugins: [...offByDefault].reverse(),
    admission: { eventLimits: [{ type: 'Server', qps: 1, burst: 1 }], imagePolicy },
    // Nothing can be written.
    whenReady: false,
  });
  api.close();
  await server.stop();
  const joined = (names: readonly string[], added: Readonly<Record<string, readonly string[]>>) => [
    ...(added[''] ?? []),
    ...names.flatMap(name => [name, ...(added[name] ?? [])]),
  ];
  assert.deepEqual(
    mutating,
    joined(mutatingByDefault, {
      '': ['AlwaysAdmit', 'NamespaceAutoProvision'],
      TaintNodesByCondition: ['AlwaysPullImages', 'PodNodeSelector'],
      DefaultTolerationSeconds: ['PodTolerationRestriction', 'ExtendedResourceToleration'],
      MutatingAdmissionWebhook: ['AlwaysDeny'],
    }),
  );
  assert.deepEqual(
    validating,
    joined(validatingByDefault, {
      '': ['AlwaysAdmit', 'NamespaceExists', 'LimitPodHardAntiAffinityTopology'],
      ServiceAccount: ['AlwaysPullImages', 'ImagePolicyWebhook'],
      PodSecurity: ['PodNodeSelector'],
      Priority: ['PodTolerationRestriction', 'EventRateLimit', 'OwnerReferencesPermissionEnforcement'],
      CertificateSubjectRestriction: ['DenyServiceExternalIPs'],
      ResourceQuota: ['AlwaysDeny'],
    }),
  );
});

test('the order is seen in what pods get and are told', async () => {
  const { server, api } = await started({ enableAdmissionPlugins: ['PodTolerationRestriction'] });
  try {
    const at = '/api/v1/namespaces/default';
    await api.expect(201, 'POST', `${at}/serviceaccounts`, { metadata: { name: 'default' } });
    const notReady = { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' };
    await api.expect(201, 'POST', '/apis/node.k8s.io/v1/runtimeclasses', {
      metadata: { name: 'r' },
      handler: 'r',
      scheduling: { tolerations: [{ ...notReady, tolerationSeconds: 60 }] },
    });
    const pod = (name: string, more: object = {}) => ({
      metadata: { name },
      spec: { containers: [{ name: 'c', image: 'x' }], ...more },
    });
    // RuntimeClass comes after DefaultTolerationSeconds, which would have added nothing to the class's 60 seconds.
    const made = await api.expect(201, 'POST', `${at}/pods`, pod('a', { runtimeClassName: 'r' }));
    assert.deepEqual(
      made.spec.tolerations.filter((t: { key: string }) => t.key === notReady.key),
      [{ ...notReady, tolerationSeconds: 300 }],
    );
    // A policy refuses before anything is counted.
    const hard = { secrets: '0' };
    await api.expect(201, 'POST', `${at}/resourcequotas`, { metadata: { name: 'q' }, spec: { hard } });
    await api.expect(200, 'PATCH', `${at}/resourcequotas/q/status`, { status: { hard, used: hard } }, mergePatch);
    const policies = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies';
    const rule = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['secrets'] };
    const validations = [{ expression: 'false', message: 'no secrets' }];
    const spec = { matchConstraints: { resourceRules: [rule] }, validations, failurePolicy: 'Fail' };
    await api.expect(201, 'POST', policies, { metadata: { name: 'v' }, spec });
    const secret = () => api.expect(403, 'POST', `${at}/secrets`, { metadata: { name: 's' } });
    assert.match((await secret()).message, /secrets "s" is forbidden: exceeded quota/);
    await api.expect(201, 'POST', policies.replace('policies', 'policybindings'), {
      metadata: { name: 'v' },
      spec: { policyName: 'v', validationActions: ['Deny'] },
    });
    assert.match((await api.expect(422, 'POST', `${at}/secrets`, { metadata: { name: 's' } })).message, /no secrets$/);
    // PodTolerationRestriction comes after DefaultTolerationSeconds: what that adds must be on the list too.
    const whitelist = JSON.stringify([{ key: 'team', operator: 'Exists' }]);
    const annotations = { 'scheduler.alpha.kubernetes.io/tolerationsWhitelist': whitelist };
    await api.expect(200, 'PATCH', '/api/v1/namespaces/default', { metadata: { annotations } }, mergePatch);
    assert.match(
      (await api.send('POST', `${at}/pods`, pod('b'))).object.message,
      /pod tolerations .*conflict with its namespace whitelist/,
    );
  } finally {
    api.close();
    await server.stop();
  }
});
