import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, Pod } from '../../api/type/core-v1.ts';
import { containerHash } from './container-hash.ts';
import type { ObservedContainer, ObservedPod, ObservedState } from './observed.ts';
import { type PlanInput, planPod } from './pod-actions.ts';

const container = (name: string, more: object = {}) => ({ name, image: 'i', ...more }) as Container;
const pod = (spec: object): Pod =>
  ({
    metadata: { name: 'p', namespace: 'n', uid: 'u' },
    spec: { containers: [container('a')], ...spec },
    status: {},
  }) as unknown as Pod;

const sandbox = { id: 's1', attempt: 0, ready: true, createdAtMs: 1, ips: ['10.0.0.1'], hostNetwork: false };

/** `name:state:exitCode`, the newest first. */
function observed(list: string, sandboxes = [sandbox]): ObservedPod {
  const containers = list
    .split(' ')
    .filter(t => t)
    .map((text, i): ObservedContainer => {
      const [name = '', state, code] = text.split(':');
      return {
        id: `${name}-${i}`,
        sandboxId: 's1',
        name,
        state: state as ObservedState,
        createdAtMs: 1000 - i,
        startedAtMs: 1000,
        finishedAtMs: state === 'exited' ? 2000 : 0,
        exitCode: Number(code ?? 0),
        reason: '',
        message: '',
        hash: containerHash({ name, image: 'i' }),
        restartCount: 0,
        image: 'i',
        imageRef: 'i',
        logPath: '',
        terminationMessagePath: '',
        terminationMessagePolicy: 'File',
      };
    });
  return { uid: 'u', name: 'p', namespace: 'n', sandboxes, containers };
}

function plan(p: Pod, o: ObservedPod, more: Partial<PlanInput> = {}): string {
  const { actions } = planPod({
    pod: p,
    observed: o,
    nowMs: 3000,
    verdicts: new Map(),
    backOff: new Map(),
    killedToRestart: new Set(),
    ...more,
  });
  return actions
    .map(a => {
      if (a.type === 'start') return `start ${a.container.name}#${a.restartCount}`;
      if (a.type === 'kill') return `kill ${a.observed.name} (${a.message})`;
      if (a.type === 'back-off') return `wait ${a.container.name} ${a.remainingMs}`;
      if (a.type === 'resize') return `resize ${a.container.name}`;
      return a.type === 'create-sandbox' ? `sandbox ${a.attempt}` : a.type;
    })
    .join(', ');
}

const two = { containers: [container('a'), container('b')] };
const init = { initContainers: [container('i'), container('j')] };
const sidecar = { initContainers: [container('s', { restartPolicy: 'Always' }), container('j')] };
const never = { restartPolicy: 'Never' };
const onFailure = { restartPolicy: 'OnFailure' };
const dead = [{ ...sandbox, ready: false }];

const cases: readonly (readonly [title: string, spec: object, state: ObservedPod, want: string])[] = [
  ['nothing yet', {}, observed('', []), 'sandbox 0'],
  ['sandbox ready', two, observed(''), 'start a#0, start b#0'],
  ['all run', two, observed('a:running b:running'), ''],
  ['one exited, Always', two, observed('a:exited b:running'), 'start a#1'],
  ['one exited, Never', { ...two, ...never }, observed('a:exited:1 b:running'), ''],
  ['all exited, Never', { ...two, ...never }, observed('a:exited:1 b:exited'), 'kill-pod'],
  ['all done, OnFailure', onFailure, observed('a:exited:0'), 'kill-pod'],
  ['failed, OnFailure', onFailure, observed('a:exited:2'), 'start a#1'],
  ['first init', init, observed(''), 'start i#0'],
  ['init runs', init, observed('i:running'), ''],
  ['next init', init, observed('i:exited:0'), 'start j#0'],
  ['inits done', init, observed('j:exited:0 i:exited:0'), 'start a#0'],
  ['init failed, Always', init, observed('i:exited:1'), 'start i#1'],
  ['init failed, Never', { ...init, ...never }, observed('i:exited:1'), 'kill-pod'],
  ['sidecar first', sidecar, observed(''), 'start s#0'],
  ['after the sidecar', sidecar, observed('s:running'), 'start j#0'],
  ['sidecar died while another init runs', sidecar, observed('j:running s:exited:1'), 'start s#1'],
  ['sidecar died while the pod runs', sidecar, observed('a:running j:exited:0 s:exited:1'), 'start s#1'],
  ['only the sidecar is left', { ...sidecar, ...never }, observed('a:exited:0 j:exited:0 s:running'), 'kill-pod'],
  ['sandbox died', {}, observed('a:exited:137', dead), 'sandbox 1'],
  ['sandbox died under running container', {}, observed('a:running', dead), 'kill-pod, sandbox 1'],
  ['sandbox died, Never', never, observed('a:exited:137', dead), ''],
  ['sandbox died after success, OnFailure', onFailure, observed('a:exited:0', dead), ''],
  [
    'own policy Never in an Always pod',
    { containers: [container('a', never), container('b')] },
    observed('a:exited:1 b:running'),
    '',
  ],
  [
    'a rule restarts in a Never pod',
    {
      ...never,
      containers: [
        container('a', {
          ...never,
          restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }],
        }),
      ],
    },
    observed('a:exited:42'),
    'start a#1',
  ],
  ['ephemeral', { ephemeralContainers: [container('e')] }, observed('a:running'), 'start e#0'],
  ['ephemeral containers run once', { ephemeralContainers: [container('e')] }, observed('e:exited:1 a:running'), ''],
];
for (const [title, spec, state, want] of cases) test(title, () => assert.equal(plan(pod(spec), state), want));

test('liveness, startup and definition end a container', () => {
  const probed = pod({ containers: [container('a', { livenessProbe: {}, startupProbe: {} })] });
  const o = observed('a:running');
  const say = (v: object) => plan(probed, o, { verdicts: new Map([['a-0', v]]) });
  assert.equal(say({ liveness: 'failure' }), 'kill a (Container a failed liveness probe, will be restarted)');
  assert.equal(say({ startup: 'failure' }), 'kill a (Container a failed startup probe, will be restarted)');
  assert.equal(say({ liveness: 'success', startup: 'success' }), '');
  const changed = pod({ containers: [container('a', { image: 'other' })] });
  assert.equal(plan(changed, o), 'kill a (Container a definition changed, will be restarted)');
  const other = pod({ initContainers: [container('i', { image: 'other' })] });
  assert.equal(plan(other, observed('i:running')), '', 'an init container comes to its end');
});

test('a sidecar with a startup probe holds back what follows until it has started', () => {
  const p = pod({ initContainers: [container('s', { restartPolicy: 'Always', startupProbe: {} })] });
  assert.equal(plan(p, observed('s:running')), '');
  assert.equal(plan(p, observed('s:running'), { verdicts: new Map([['s-0', { startup: 'success' }]]) }), 'start a#0');
});

test('back-off counts from the exit, not for containers killed to restart', () => {
  const backOff = new Map([[containerHash(container('a')), { delayMs: 10_000, atMs: 500 }]]);
  assert.equal(plan(pod({}), observed('a:exited:1'), { backOff }), 'wait a 9000');
  const killedToRestart = new Set(['a-0']);
  assert.equal(plan(pod({}), observed('a:exited:1'), { killedToRestart }), 'start a#1');
  // It ran too short after the failure before its own.
  assert.equal(plan(pod({}), observed('a:exited:1'), { backOff, killedToRestart }), 'wait a 7500');
  assert.equal(plan(pod({}), observed('a:exited:1'), { backOff, killedToRestart, nowMs: 10_500 }), 'start a#1');
  const changed = pod({ containers: [container('a', { image: 'another' })] });
  assert.equal(plan(changed, observed('a:exited:1'), { backOff }), 'start a#1');
});

test('what was killed to restart starts again whatever its exit code and the policy', () => {
  const killedToRestart = new Set(['a-0', 'i-0']);
  for (const spec of [onFailure, never]) {
    assert.equal(plan(pod(spec), observed('a:exited:0'), { killedToRestart }), 'start a#1');
    assert.equal(plan(pod({ ...spec, ...init }), observed('i:exited:0'), { killedToRestart }), 'start i#1');
  }
  assert.equal(plan(pod(onFailure), observed('a:exited:0', dead), { killedToRestart }), 'sandbox 1');
});

test('RestartAllContainers begins the pod again', () => {
  const rule = { action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [9] } };
  const p = pod({ ...init, containers: [container('a', { restartPolicyRules: [rule] }), container('b')] });
  const message = 'Container b is being killed because all containers of the pod restart';
  assert.equal(plan(p, observed('a:exited:9 b:running j:exited i:exited')), `kill b (${message})`);
  assert.equal(plan(p, observed('a:exited:9 b:exited j:exited i:exited')), 'start i#1');
});

test('resources: resized in place or by a restart', () => {
  const resources = { limits: { memory: '64Mi' } };
  const actualResources = new Map([['a', { limits: { memory: '32Mi' } }]]);
  const o = observed('a:running');
  assert.equal(plan(pod({ containers: [container('a', { resources })] }), o, { actualResources }), 'resize a');
  const resizePolicy = [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }];
  const restart = pod({ containers: [container('a', { resources, resizePolicy })] });
  assert.match(plan(restart, o, { actualResources }), /^kill a \(Container a resize requires restart/);
  const same = new Map([['a', { limits: { memory: '65536Ki' } }]]);
  assert.equal(plan(restart, o, { actualResources: same }), '');
});
