import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, PodStatus } from '../../api/type/core-v1.ts';
import { statusPatch } from './status-patch.ts';

const pod = { metadata: { name: 'p', namespace: 'a', uid: 'u' }, spec: { containers: [] } } as unknown as Pod;
const status = (times: object, exitCode = 137) =>
  ({
    phase: 'Running',
    containerStatuses: [
      { name: 'c', lastState: { terminated: { exitCode, reason: 'ContainerStatusUnknown', ...times } } },
    ],
  }) as unknown as PodStatus;

test('times that are not known are no change, though the server stores them as null', () => {
  const stored = status({ startedAt: null, finishedAt: null });
  assert.equal(statusPatch(pod, stored, status({})), undefined);
  assert.deepEqual(Object.keys((statusPatch(pod, stored, status({}, 1)) as { status: object }).status), [
    'containerStatuses',
  ]);
});
