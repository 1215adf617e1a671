import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Event, Node, Pod } from '../../../api/type/core-v1.ts';
import type { Facts } from './fact.ts';
import { waitsFor } from './waits-for.ts';

const ready = {
  metadata: { name: 'n' },
  status: { conditions: [{ type: 'Ready', status: 'True' }] },
} as unknown as Node;
const silent = {
  metadata: { name: 'n' },
  status: { conditions: [{ type: 'Ready', status: 'Unknown', message: 'Kubelet stopped posting node status.' }] },
} as unknown as Node;

interface Given {
  readonly metadata?: object;
  readonly spec?: object;
  readonly status?: object;
  readonly node?: Node;
  readonly events?: readonly (readonly [reason: string, message: string])[];
  readonly decisions?: Facts['decisions'];
}

function ask({ metadata, spec, status, node = ready, events = [], decisions }: Given): string {
  const pod = {
    metadata: { name: 'p', namespace: 'a', ...metadata },
    spec: { nodeName: 'n', containers: [{ name: 'c', image: 'x:1' }], ...spec },
    status: { phase: 'Running', ...status },
  } as unknown as Pod;
  return waitsFor({
    pod,
    node,
    events: events.map(([reason, message]) => ({ reason, message }) as Event),
    owners: [],
    claims: [],
    nowMs: 0,
    ...(decisions ? { decisions } : {}),
  });
}

const container = (state: object, more: object = {}) => ({
  phase: 'Pending',
  containerStatuses: [{ name: 'c', image: 'x:1', ready: false, state, ...more }],
});

const cases: readonly (readonly [string, Given, RegExp])[] = [
  ['done', { status: { phase: 'Succeeded' } }, /^It has ended well: it waits for nothing\.$/],
  [
    'failed',
    { status: { phase: 'Failed', reason: 'Evicted', message: 'low on memory.' } },
    /^It has failed \(Evicted: low on memory\) and/,
  ],
  [
    'finalizers',
    { metadata: { deletionTimestamp: 'x', finalizers: ['a/b'] } },
    /waits for its finalizers "a\/b" to be taken away/,
  ],
  [
    'ending on a silent node',
    { metadata: { deletionTimestamp: 'x' }, node: silent },
    /waits for the kubelet of "n", which does not answer/,
  ],
  [
    'a silent node',
    { node: silent },
    /^It waits for its node "n", which is not ready \(Kubelet stopped posting node status\): whoever runs/,
  ],
  [
    'an image',
    {
      status: container({ waiting: { reason: 'ImagePullBackOff', message: 'Back-off' } }),
      events: [['Failed', 'Failed to pull image "x:1": not found']],
    },
    /^It waits for the image "x:1" of its container "c" \(Failed to pull image "x:1": not found\): its owner can name another/,
  ],
  [
    'a missing secret',
    { status: container({ waiting: { reason: 'CreateContainerConfigError', message: 'secret "s" not found' } }) },
    /^It waits for its container "c" to be made \(secret "s" not found\)/,
  ],
  [
    'a container that keeps ending',
    {
      status: container(
        { waiting: { reason: 'CrashLoopBackOff' } },
        { lastState: { terminated: { exitCode: 137, reason: 'OOMKilled' } } },
      ),
    },
    /keeps ending \(exit code 137, OOMKilled\): .* kubectl logs p -c c --previous\.$/,
  ],
  [
    'a mount',
    { status: container({ waiting: { reason: 'ContainerCreating' } }), events: [['FailedMount', 'no such secret']] },
    /^It waits for its volumes to be mounted on "n" \(no such secret\)/,
  ],
  [
    'the start',
    { status: container({ waiting: { reason: 'ContainerCreating' } }) },
    /^It waits for the kubelet of "n" to start its containers: that happens by itself\.$/,
  ],
  [
    'an init container',
    {
      spec: { initContainers: [{ name: 'i' }] },
      status: {
        initContainerStatuses: [{ name: 'i', state: { running: {} } }],
        containerStatuses: [{ name: 'c', state: { waiting: { reason: 'PodInitializing' } } }],
      },
    },
    /^It waits for its init container "i" to end/,
  ],
  [
    'a probe',
    { status: container({ running: {} }, { started: true }), events: [['Unhealthy', 'Readiness probe failed: 503']] },
    /^It waits for its container "c" to pass its readiness probe \(Readiness probe failed: 503\)/,
  ],
  [
    'readiness gates',
    {
      spec: { readinessGates: [{ conditionType: 'lb' }] },
      status: { containerStatuses: [{ name: 'c', ready: true, state: { running: {} } }] },
    },
    /^It waits for its readiness gates "lb"/,
  ],
  [
    'preemption',
    { spec: { nodeName: undefined }, status: { phase: 'Pending', nominatedNodeName: 'n7' } },
    /^It waits for pods of lower priority to leave "n7"/,
  ],
  [
    'its turn',
    { spec: { nodeName: undefined }, decisions: { queue: { place: 'active' } as never } },
    /^It waits for its turn/,
  ],
  [
    'nodes',
    {
      spec: { nodeName: undefined },
      decisions: {
        decisions: [
          {
            firstMs: 0,
            lastMs: 0,
            times: 1,
            scheduler: 's',
            result: 'unschedulable',
            message: 'no nodes available to schedule pods',
          },
        ],
      },
    },
    /^It waits for a node: there is none; whoever runs the cluster can add one\.$/,
  ],
];

for (const [name, given, sentence] of cases)
  test(`says so when it waits for ${name}`, () => assert.match(ask(given), sentence));
