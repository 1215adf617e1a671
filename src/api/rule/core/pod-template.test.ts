// Templates of pods: what they may not hold, what they are given, what is warned of.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../meta.ts';
import type { Strategy } from '../../strategy.ts';
import { deploymentStrategy } from '../apps/deployment.ts';
import { create, ruleContext } from '../testing.ts';
import { podStrategy } from './pod.ts';
import { podTemplateStrategy } from './pod-template.ts';
import { replicationControllerStrategy } from './replication-controller.ts';
import { causes, podOf } from './test-pod.ts';

const metadata = { name: 'x', namespace: 'default' };
const labels = { a: 'b' };
const spec = { containers: [{ name: 'c', image: 'x' }] };

test('a workload selects the pods of its template, which run on', () => {
  const wrong = (more: object, podSpec: object = {}, own: object = labels) =>
    create(deploymentStrategy, {
      metadata,
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels: own }, spec: { ...spec, ...podSpec } },
        ...more,
      },
    }).errors;
  assert.deepEqual(wrong({}), []);
  assert.deepEqual(wrong({}, {}, { a: 'c' }), [
    'spec.template.metadata.labels: Invalid value: {"a":"c"}: `selector` does not match template `labels`',
  ]);
  const odd = { matchExpressions: [{ key: 'a', operator: 'Is' }] };
  assert.deepEqual(wrong({ selector: odd }), [
    'spec.selector.matchExpressions[0].operator: Invalid value: "Is": not a valid selector operator',
    'spec.selector: Invalid value: {"matchExpressions":[{"key":"a","operator":"Is"}]}: invalid label selector',
  ]);
  assert.deepEqual(wrong({}, { restartPolicy: 'Never' }), [
    'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
  ]);
  assert.deepEqual(wrong({}, { activeDeadlineSeconds: 1 }), [
    'spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported',
  ]);
});

test('several pods share a disk that they only read', () => {
  const of = (replicas: number, readOnly: boolean) =>
    create(replicationControllerStrategy, {
      metadata,
      spec: {
        replicas,
        selector: labels,
        template: {
          metadata: { labels },
          spec: { ...spec, volumes: [{ name: 'v', gcePersistentDisk: { pdName: 'd', readOnly } }] },
        },
      },
    }).errors;
  assert.deepEqual(of(1, false), []);
  assert.deepEqual(of(2, true), []);
  assert.deepEqual(of(2, false), [
    'spec.template.spec.volumes[0].gcePersistentDisk.readOnly: Invalid value: false: must be true for replicated pods > 1; GCE PD can only be mounted on multiple machines if it is read-only',
  ]);
});

test('debug containers come to pods, not to templates', () => {
  const { errors } = create(podTemplateStrategy, {
    metadata,
    template: { spec: { ...spec, ephemeralContainers: [{ name: 'd', image: 'x' }] } },
  });
  assert.deepEqual(errors, [
    'template.spec.ephemeralContainers: Forbidden: ephemeral containers not allowed in pod template',
  ]);
});

/** As a pod that passed by the defaults would be judged. */
function undefaulted(take: (spec: Record<string, unknown>) => void, podSpec: object = {}): string[] {
  const bare: Strategy<KubeObject> = {
    ...(podStrategy as unknown as Strategy<KubeObject>),
    default(object) {
      podStrategy.default!(object as never);
      take((object as unknown as { spec: Record<string, unknown> }).spec);
    },
  };
  return create(bare, podOf(podSpec)).errors;
}

test('what defaults give is required', () => {
  const without = (field: string) => undefaulted(s => delete s[field]);
  for (const field of ['restartPolicy', 'dnsPolicy'])
    assert.deepEqual(without(field), [`spec.${field}: Required value`]);
  const probe = { livenessProbe: { httpGet: { port: 80 } } };
  const blank = (field: string) =>
    undefaulted(
      s => {
        const [c] = s.containers as { livenessProbe: { httpGet: Record<string, unknown> } }[];
        c!.livenessProbe.httpGet[field] = '';
      },
      { containers: [{ name: 'c', image: 'x', ...probe }] },
    );
  assert.deepEqual(blank('path'), ['spec.containers[0].livenessProbe.httpGet.path: Required value']);
});

test('amounts below a thousandth are rounded up; files of the pod itself get their mode', () => {
  const { object } = create(
    podStrategy,
    podOf(
      { volumes: [{ name: 'v', downwardAPI: { items: [{ path: 'n', fieldRef: { fieldPath: 'metadata.name' } }] } }] },
      { resources: { requests: { cpu: '1100u', memory: '1n' }, limits: { cpu: '2' } } },
    ),
  );
  assert.deepEqual(object.spec.containers[0]!.resources!.requests, { cpu: '2m', memory: '1m' });
  assert.deepEqual(object.spec.volumes![0]!.downwardAPI, {
    defaultMode: 420,
    items: [{ path: 'n', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } }],
  });
});

test('selectors that select nothing, old labels and parts of bytes are warned of', () => {
  const term = { topologyKey: 'z' };
  const preferred = { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, podAffinityTerm: term }] };
  const { object, errors } = create(
    podStrategy,
    podOf(
      {
        affinity: { podAntiAffinity: preferred },
        topologySpreadConstraints: [
          { maxSkew: 1, topologyKey: 'failure-domain.beta.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway' },
        ],
      },
      { resources: { requests: { memory: '1500m' }, limits: { memory: '2' } } },
    ),
  );
  assert.deepEqual(errors, []);
  const nothing = 'a null labelSelector results in matching no pod';
  const spread = 'spec.topologySpreadConstraints[0]';
  assert.deepEqual(podStrategy.warnings!(object, undefined, ruleContext()), [
    `spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.labelSelector: ${nothing}`,
    `${spread}.topologyKey: failure-domain.beta.kubernetes.io/zone is deprecated since v1.17; use "topology.kubernetes.io/zone" instead`,
    `${spread}.labelSelector: ${nothing}`,
    'spec.containers[0].resources.requests[memory]: fractional byte value "1500m" is invalid, must be an integer',
  ]);
});

test('credentials of a Windows container have their size', () => {
  const gmsaCredentialSpec = 'x'.repeat(64 * 1024 + 1);
  const told = causes({ os: { name: 'windows' }, securityContext: { windowsOptions: { gmsaCredentialSpec } } });
  assert.equal(told.length, 1);
  assert.match(
    told[0]!,
    /^spec\.securityContext\.windowsOptions\.gmsaCredentialSpec: Invalid value: "x+": gmsaCredentialSpec size must be under 64 KiB$/,
  );
});
