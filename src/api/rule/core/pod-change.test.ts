// Changes of pods that are refused, one by one; statuses too.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Mutable } from '../../meta.ts';
import type { NodeAffinity, NodeSelectorTerm, Pod, PodStatus } from '../../type/core-v1.ts';
import { ruleContext, update } from '../testing.ts';
import { podStrategy } from './pod.ts';
import { changed, type Loose, stored } from './test-pod.ts';

const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution';

const specTo =
  (spec: object) =>
  (p: Mutable<Pod>): void => {
    Object.assign(p.spec, spec);
  };

test('images and deadlines', () => {
  const image = (text: string) =>
    changed(stored(), p => {
      p.spec.containers[0]!.image = text;
    });
  const at = 'spec.containers[0].image';
  // Told of the pod as it is, and of the change.
  assert.deepEqual(image(''), [`${at}: Required value`, `${at}: Required value`]);
  const padded = `${at}: Invalid value: "a ": must not have leading or trailing whitespace`;
  assert.deepEqual(image('a '), [padded, padded]);
  const deadline = (was: number | undefined, now: number | undefined) =>
    changed(stored(was === undefined ? {} : { activeDeadlineSeconds: was }), specTo({ activeDeadlineSeconds: now }));
  assert.deepEqual(deadline(1, undefined), [
    'spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value',
  ]);
  assert.deepEqual(deadline(1, -1), [
    'spec.activeDeadlineSeconds: Invalid value: -1: must be between 1 and 2147483647, inclusive',
    'spec.activeDeadlineSeconds: Invalid value: -1: must be between 0 and 2147483647, inclusive',
  ]);
});

test('of a toleration its seconds change', () => {
  const old = { key: 'k', operator: 'Equal', value: 'v', effect: 'NoExecute', tolerationSeconds: 1 };
  const to = (...tolerations: object[]) => changed(stored({ tolerations: [old] }), specTo({ tolerations }));
  assert.deepEqual(to({ ...old, tolerationSeconds: 2 }, { key: 'new', operator: 'Exists' }), []);
  for (const change of [{ key: 'l' }, { value: 'w' }, { effect: 'NoSchedule', tolerationSeconds: undefined }])
    assert.deepEqual(to({ ...old, ...change }), [
      'spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds',
    ]);
});

test('a grace that is negative may become one', () => {
  const old = stored({ terminationGracePeriodSeconds: -5 });
  assert.deepEqual(changed(old, specTo({ terminationGracePeriodSeconds: 1 })), []);
  assert.match(changed(old, specTo({ terminationGracePeriodSeconds: 2 })).join(), /^spec: Forbidden: pod updates may/);
});

test('a gated pod goes to fewer nodes, not to others', () => {
  const match = (...keys: string[]): NodeSelectorTerm => ({
    matchExpressions: keys.map(key => ({ key, operator: 'Exists' as const })),
  });
  const field = { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n'] }] } as NodeSelectorTerm;
  const affinityOf = (...nodeSelectorTerms: NodeSelectorTerm[]): { nodeAffinity: NodeAffinity } => ({
    nodeAffinity: { [REQUIRED]: { nodeSelectorTerms } },
  });
  const gated = { schedulingGates: [{ name: 'a/b' }] };
  const to = (was: object | undefined, now: object | undefined) =>
    changed(stored({ ...gated, ...(was ? { affinity: was } : {}) }), p => {
      if (now) p.spec.affinity = now as never;
      else delete (p.spec as { affinity?: unknown }).affinity;
    });
  assert.deepEqual(to(undefined, affinityOf(match('a'))), []);
  assert.deepEqual(to(affinityOf(match('a')), affinityOf({ ...match('a', 'b'), ...field })), []);
  const at = `spec.affinity.nodeAffinity.${REQUIRED}.nodeSelectorTerms`;
  const added = 'only additions are allowed (no mutations or deletions)';
  for (const [was, now] of [
    [match('a', 'b'), match('a')],
    [match('a'), match('b')],
    [{ ...match('a'), ...field }, match('b')],
    [{}, match('a')],
  ] as const) {
    const told = to(affinityOf(was), affinityOf(now));
    assert.equal(told.length, 1, told.join('\n'));
    assert.ok(told[0]!.startsWith(`${at}[0]: Invalid value: {`) && told[0]!.endsWith(`}: ${added}`), told.join());
  }
  const shrunk = to(affinityOf(match('a'), match('b')), affinityOf(match('a')));
  assert.equal(shrunk.length, 1);
  assert.ok(shrunk[0]!.startsWith(`${at}: Invalid value: [`));
  assert.ok(shrunk[0]!.endsWith(']: no additions/deletions to non-empty NodeSelectorTerms list are allowed'));
  assert.deepEqual(changed(stored({ ...gated, nodeSelector: { a: '1' } }), specTo({ nodeSelector: { b: '1' } })), [
    'spec.nodeSelector: Invalid value: {"b":"1"}: only additions to spec.nodeSelector are allowed (no mutations or deletions)',
  ]);
});

test('debug containers', () => {
  const old = stored();
  const add = (more: object, pod = old) =>
    changed(pod, specTo({ ephemeralContainers: [{ name: 'd', image: 'x', ...more }] }), 'ephemeralcontainers');
  const volumes = [{ name: 'v' }];
  const no = 'Forbidden: cannot be set for an Ephemeral Container';
  const at = 'spec.ephemeralContainers[0]';
  const mounted = (more: object) =>
    add({ volumeMounts: [{ name: 'v', mountPath: '/v', ...more }] }, stored({ volumes }));
  assert.deepEqual(mounted({ subPath: 'a' }), [`${at}.volumeMounts[0].subPath: ${no}`]);
  assert.deepEqual(mounted({ subPathExpr: 'a' }), [`${at}.volumeMounts[0].subPathExpr: ${no}`]);
  for (const [field, value] of Object.entries({
    livenessProbe: { exec: { command: ['x'] } },
    readinessProbe: { exec: { command: ['x'] } },
    startupProbe: { exec: { command: ['x'] } },
    lifecycle: {},
    resources: { requests: { cpu: '1' } },
    resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'NotRequired' }],
    restartPolicy: 'Always',
  }))
    assert.deepEqual(add({ [field]: value }), [`${at}.${field}: ${no}`], field);
  const mirror = { annotations: { 'kubernetes.io/config.mirror': 'm' } };
  assert.deepEqual(add({}, stored({ nodeName: 'n' }, {}, { metadata: mirror })), [
    'Forbidden: static pods do not support ephemeral containers',
  ]);
  const first = { name: 'd', image: 'x' };
  const with1 = update(
    podStrategy,
    { ...old, spec: { ...old.spec, ephemeralContainers: [first] } },
    old,
    ruleContext('ephemeralcontainers'),
  ).object;
  const told = add({ image: 'y' }, with1);
  assert.equal(told.length, 1);
  assert.match(
    told[0]!,
    /^spec\.ephemeralContainers: Forbidden: existing ephemeral containers "d" may not be changed\n/,
  );
});

test('statuses', () => {
  const to = (status: Loose<PodStatus>, old = stored(), spec: object = {}) =>
    changed(
      old,
      p => {
        Object.assign(p.status, status);
        Object.assign(p.spec, spec);
      },
      'status',
    );
  assert.deepEqual(to({ nominatedNodeName: 'N' }), [`status.nominatedNodeName: Invalid value: "N": ${SUBDOMAIN}`]);
  assert.deepEqual(to({}, stored(), { nodeName: 'n' }), ['status.nodeName: Forbidden: may not be changed directly']);
  assert.deepEqual(to({ observedGeneration: -1 }), [
    'status.observedGeneration: Invalid value: -1: must be greater than or equal to 0',
  ]);
  const user = { user: { linux: { uid: 0, gid: 2 ** 31 } } };
  assert.deepEqual(to({ containerStatuses: [{ name: 'c', ...user }] }), [
    'status.containerStatuses[0].linux.gid: Invalid value: 2147483648: must be between 0 and 2147483647, inclusive',
  ]);
  assert.equal(to({ conditions: [{ type: 'a/b/c', status: 'True' }] }).length, 1);
  assert.deepEqual(
    to({
      conditions: [
        { type: 'a.io/b', status: 'True' },
        { type: 'Ready', status: 'True' },
      ],
    }),
    [],
  );
  for (const list of ['podIPs', 'hostIPs']) {
    const twice = [{ ip: '1.1.1.1' }, { ip: '1.1.1.1' }];
    assert.deepEqual(to({ [list]: twice }), [
      `status.${list}: Invalid value: ${JSON.stringify(twice)}: may specify no more than one IP for each IP family`,
      `status.${list}[1]: Duplicate value: "1.1.1.1"`,
    ]);
    assert.deepEqual(to({ [list]: [{ ip: '1.1.1.1' }, { ip: '::1' }] }), []);
  }
  const claimed = stored({ resourceClaims: [{ name: 'a', resourceClaimName: 'x' }] });
  const at = 'status.resourceClaimStatuses';
  const claims = (...list: object[]) => to({ resourceClaimStatuses: list }, claimed);
  assert.deepEqual(claims({ name: 'b' }), [
    `${at}[0].name: Invalid value: "b": must match the name of an entry in \`spec.resourceClaims\``,
  ]);
  assert.deepEqual(claims({ name: 'a' }, { name: 'a' }), [`${at}[1].name: Duplicate value: "a"`]);
  assert.deepEqual(claims({ name: 'a', resourceClaimName: 'X' }), [`${at}[0].name: Invalid value: "X": ${SUBDOMAIN}`]);
});

test('what has ended stays so, where nothing starts it again', () => {
  const ended = (exitCode: number) => [{ name: 'x', state: { terminated: { exitCode } } }];
  const again = (list: string, restartPolicy: string, exitCode: number, of: object = {}) =>
    changed(
      stored(
        { restartPolicy, initContainers: list === 'initContainerStatuses' ? [{ name: 'x', image: 'x', ...of }] : [] },
        {},
        { status: { [list]: ended(exitCode) } as Pod['status'] },
      ),
      p => {
        (p.status as Record<string, unknown>)[list] = [{ name: 'x', state: { running: {} } }];
      },
      'status',
    );
  const refused = (list: string) => [
    `status.${list}[0].state: Forbidden: may not be transitioned to non-terminated state`,
  ];
  for (const list of ['containerStatuses', 'initContainerStatuses']) {
    assert.deepEqual(again(list, 'Always', 0), [], list);
    assert.deepEqual(again(list, 'OnFailure', 1), [], list);
    assert.deepEqual(again(list, 'OnFailure', 0), refused(list));
    assert.deepEqual(again(list, 'Never', 1), refused(list));
  }
  assert.deepEqual(again('initContainerStatuses', 'Never', 1, { restartPolicy: 'Always' }), []);
  // The kubelet starts no debug container twice.
  for (const policy of ['Always', 'OnFailure', 'Never'])
    assert.deepEqual(again('ephemeralContainerStatuses', policy, 1), refused('ephemeralContainerStatuses'));
});
