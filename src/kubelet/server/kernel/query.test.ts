import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../../api/type/core-v1.ts';
import { neededAccess } from './access-rule.ts';
import { loggedContainer, readLogQuery } from './log-query.ts';

test('asks for the finest permission first', () => {
  const cases: [string, string, string, string[]][] = [
    ['GET', '/stats/summary', 'get', ['stats']],
    ['GET', '/metrics/cadvisor', 'get', ['metrics']],
    ['GET', '/logs/', 'get', ['log']],
    ['GET', '/pods', 'get', ['pods', 'proxy']],
    ['GET', '/runningpods/', 'get', ['pods', 'proxy']],
    ['GET', '/healthz/syncloop', 'get', ['healthz', 'proxy']],
    ['GET', '/configz', 'get', ['configz', 'proxy']],
    ['GET', '/podsx', 'get', ['proxy']],
    ['POST', '/exec/a/b/c', 'create', ['proxy']],
    ['GET', '/containerLogs/a/b/c', 'get', ['proxy']],
    ['BREW', '/', '', ['proxy']],
  ];
  for (const [method, path, verb, subresources] of cases)
    assert.deepEqual(neededAccess(method, path), { verb, subresources }, path);
});

test('reads the query of logs', () => {
  const read = (query: string) => readLogQuery(new URLSearchParams(query), 10_000);
  assert.deepEqual(read('follow=true&tailLines=0&limitBytes=7&timestamps=true&sinceSeconds=4&stream=Stderr'), {
    follow: true,
    previous: false,
    tailLines: 0,
    filter: { timestamps: true, bytes: 7, sinceNs: 6_000_000_000n, stream: 'stderr' },
  });
  assert.equal(read('tail=all').tailLines, undefined);
  assert.equal(read('tail=3').tailLines, 3);
  for (const bad of ['tailLines=-1', 'limitBytes=0', 'sinceTime=now', 'sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z'])
    assert.throws(() => read(bad), RangeError, bad);
});

test('finds the container whose log is meant, or says why there is none', () => {
  const of = (state: object, lastState: object = {}, containerID = '') =>
    ({
      metadata: { name: 'p' },
      status: { containerStatuses: [{ name: 'c', state, lastState, containerID }] },
    }) as unknown as Pod;
  const ended = (id: string) => ({ terminated: { containerID: id } });
  assert.equal(loggedContainer(of({ running: {} }, ended('x://old'), 'x://now'), 'c', false), 'x://now');
  assert.equal(loggedContainer(of({ running: {} }, ended('x://old'), 'x://now'), 'c', true), 'x://old');
  assert.equal(loggedContainer(of(ended('x://end')), 'c', false), 'x://end');
  assert.equal(
    loggedContainer(of({ waiting: { reason: 'CrashLoopBackOff' } }, ended('x://old')), 'c', false),
    'x://old',
  );
  const waiting = (reason: string) => of({ waiting: { reason } });
  const cases: [Pod, boolean, string][] = [
    [waiting('ContainerCreating'), false, 'container "c" in pod "p" is waiting to start: ContainerCreating'],
    [waiting('ErrImagePull'), false, `container "c" in pod "p" is waiting to start: image can't be pulled`],
    [
      waiting('ImagePullBackOff'),
      false,
      'container "c" in pod "p" is waiting to start: trying and failing to pull image',
    ],
    [of({ running: {} }), true, 'previous terminated container "c" in pod "p" not found'],
    [of({}), false, 'container "c" in pod "p" is waiting to start - no logs yet'],
    [of(ended('')), false, 'container "c" in pod "p" is terminated'],
  ];
  for (const [pod, previous, message] of cases) assert.throws(() => loggedContainer(pod, 'c', previous), { message });
  assert.throws(() => loggedContainer(of({}), 'd', false), { message: 'container "d" in pod "p" is not available' });
});
