import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTime } from '../../api/meta.ts';
import { printerOf } from './printers.ts';

const now = Date.parse('2026-03-01T12:00:00Z');
const ago = (seconds: number) => formatTime(now - seconds * 1000);
const meta = { name: 'x', namespace: 'ns', creationTimestamp: ago(300) };

const running = { running: { startedAt: ago(100) } };
const container = (over: object) => ({ name: 'c', ready: true, restartCount: 0, state: running, image: '', ...over });
const ended = (exitCode: number, reason?: string, signal?: number) => ({
  terminated: { exitCode, ...(reason ? { reason } : {}), ...(signal ? { signal } : {}) },
});
const ready = { type: 'Ready', status: 'True' };

/** `ready status restarts` of a pod. */
function podLine(spec: object, status: object, metadata: object = {}): string {
  const pod = { metadata: { ...meta, ...metadata }, spec: { containers: [{ name: 'c' }], ...spec }, status };
  return printerOf({ group: '', kind: 'Pod' })
    .cells(pod as never, now)
    .slice(1, 4)
    .join(' ');
}

test('pods: ready, status, restarts', () => {
  const init = { initContainers: [{ name: 'a' }, { name: 'b' }] };
  const sidecar = { initContainers: [{ name: 's', restartPolicy: 'Always' }, { name: 'b' }] };
  const lastState = { terminated: { exitCode: 1, finishedAt: ago(300) } };
  const waiting = (reason?: string) => container({ ready: false, state: { waiting: reason ? { reason } : {} } });
  const lines: [line: string, spec: object, status: object, metadata?: object][] = [
    ['0/1 Pending 0', {}, { phase: 'Pending' }],
    ['1/1 Running 0', {}, { phase: 'Running', containerStatuses: [container({})] }],
    ['0/1 ContainerCreating 0', {}, { phase: 'Pending', containerStatuses: [waiting('ContainerCreating')] }],
    [
      '0/1 CrashLoopBackOff 3 (5m ago)',
      {},
      {
        phase: 'Running',
        containerStatuses: [{ ...waiting('CrashLoopBackOff'), restartCount: 3, lastState }],
      },
    ],
    [
      '0/1 Error 0',
      {},
      { phase: 'Failed', containerStatuses: [container({ ready: false, state: ended(1, 'Error') })] },
    ],
    ['0/1 ExitCode:2 0', {}, { phase: 'Failed', containerStatuses: [container({ ready: false, state: ended(2) })] }],
    [
      '0/1 Signal:9 0',
      {},
      { phase: 'Failed', containerStatuses: [container({ ready: false, state: ended(137, '', 9) })] },
    ],
    ['0/1 Evicted 0', {}, { phase: 'Failed', reason: 'Evicted' }],
    [
      '0/1 SchedulingGated 0',
      {},
      { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }] },
    ],
    [
      '0/1 Completed 0',
      {},
      { phase: 'Succeeded', containerStatuses: [container({ ready: false, state: ended(0, 'Completed') })] },
    ],
    // One of two containers is through.
    [
      '1/2 Running 0',
      { containers: [{ name: 'c' }, { name: 'd' }] },
      {
        phase: 'Running',
        conditions: [ready],
        containerStatuses: [container({ ready: false, state: ended(0, 'Completed') }), container({ name: 'd' })],
      },
    ],
    [
      '1/2 NotReady 0',
      { containers: [{ name: 'c' }, { name: 'd' }] },
      {
        phase: 'Running',
        containerStatuses: [container({ ready: false, state: ended(0, 'Completed') }), container({ name: 'd' })],
      },
    ],
    // Init containers.
    [
      '0/1 Init:0/2 0',
      init,
      { phase: 'Pending', initContainerStatuses: [container({ name: 'a', ready: false }), waiting('PodInitializing')] },
    ],
    [
      '0/1 Init:1/2 1 (5m ago)',
      init,
      {
        phase: 'Pending',
        initContainerStatuses: [
          container({ name: 'a', state: ended(0, 'Completed'), restartCount: 1, lastState }),
          container({ name: 'b', ready: false }),
        ],
      },
    ],
    [
      '0/1 Init:ImagePullBackOff 0',
      init,
      { phase: 'Pending', initContainerStatuses: [waiting('ImagePullBackOff')], containerStatuses: [waiting('X')] },
    ],
    [
      '0/1 Init:Error 0',
      init,
      { phase: 'Pending', initContainerStatuses: [container({ name: 'a', ready: false, state: ended(1, 'Error') })] },
    ],
    [
      '0/1 Init:ExitCode:3 0',
      init,
      { phase: 'Pending', initContainerStatuses: [container({ name: 'a', ready: false, state: ended(3) })] },
    ],
    [
      '0/1 PodInitializing 0',
      init,
      {
        phase: 'Pending',
        initContainerStatuses: ['a', 'b'].map(name => container({ name, state: ended(0, 'Completed') })),
        containerStatuses: [waiting('PodInitializing')],
      },
    ],
    // Init containers that keep running count as containers.
    [
      '1/2 Init:1/2 0',
      sidecar,
      {
        phase: 'Pending',
        initContainerStatuses: [
          container({ name: 's', started: true }),
          container({ name: 'b', ready: false, state: { waiting: {} } }),
        ],
      },
    ],
    [
      '2/2 Running 2 (5m ago)',
      sidecar,
      {
        phase: 'Running',
        initContainerStatuses: [
          container({ name: 's', started: true, restartCount: 2, lastState }),
          container({ name: 'b', restartCount: 7, state: ended(0, 'Completed') }),
        ],
        containerStatuses: [container({})],
      },
    ],
    // On the way out.
    ['1/1 Terminating 0', {}, { phase: 'Running', containerStatuses: [container({})] }, { deletionTimestamp: ago(1) }],
    [
      '0/1 Completed 0',
      {},
      { phase: 'Succeeded', containerStatuses: [container({ ready: false, state: ended(0, 'Completed') })] },
      { deletionTimestamp: ago(1) },
    ],
    ['0/1 Unknown 0', {}, { phase: 'Running', reason: 'NodeLost' }, { deletionTimestamp: ago(1) }],
  ];
  for (const [line, spec, status, metadata] of lines) assert.equal(podLine(spec, status, metadata), line);
});

test('pods: the wide columns and the conditions of finished rows', () => {
  const printer = printerOf({ group: '', kind: 'Pod' });
  const pod = {
    metadata: meta,
    spec: { containers: [], nodeName: 'n1', readinessGates: [{ conditionType: 'a' }, { conditionType: 'b' }] },
    status: { phase: 'Running', podIPs: [{ ip: '10.0.0.1' }], conditions: [{ type: 'a', status: 'True' }] },
  };
  assert.deepEqual(printer.cells(pod as never, now).slice(4), ['5m', '10.0.0.1', 'n1', '<none>', '1/2']);
  assert.equal(printer.conditions!(pod as never), undefined);
  assert.deepEqual(printer.conditions!({ ...pod, status: { phase: 'Failed' } } as never), [
    { type: 'Completed', status: 'True', reason: 'Failed', message: 'The pod failed.' },
  ]);
});
