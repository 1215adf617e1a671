import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../../base/random.ts';
import { path } from '../../field-error.ts';
import type { ContainerPort, PodSpec } from '../../type/core-v1.ts';
import { portWarnings } from './pod-port-warning.ts';

const warningsOf = (ports: readonly ContainerPort[]) =>
  portWarnings({ containers: [{ name: 'c', ports }] } as PodSpec, path('spec'));

function relationOf(a: ContainerPort, b: ContainerPort): string | undefined {
  const [host, otherHost] = [a.hostPort ?? 0, b.hostPort ?? 0];
  const [ip, otherIp] = [a.hostIP ?? '', b.hostIP ?? ''];
  if (a.containerPort !== b.containerPort || a.protocol !== b.protocol) return undefined;
  if (host === otherHost && ip === otherIp) return 'duplicate';
  if (host === 0 || otherHost === 0) return 'overlapping';
  return host === otherHost && (ip === '') !== (otherIp === '') ? 'dangerously ambiguous' : undefined;
}

test('each port is told of with those before it', () => {
  const random = seededRandom(13);
  const one = <T>(...of: readonly T[]): T => of[Math.floor(random.next() * of.length)]!;
  const any = (): ContainerPort => {
    const hostPort = one(0, 80, 81);
    const hostIP = hostPort ? one('', '10.0.0.1', '10.0.0.2') : '';
    return {
      ...{ containerPort: one(1, 2), protocol: one('TCP', 'UDP') },
      ...(hostPort ? { hostPort } : {}),
      ...(hostIP ? { hostIP } : {}),
    };
  };
  const at = (i: number) => `spec.containers[0].ports[${i}]`;
  for (let n = 0; n < 1000; n++) {
    const ports = Array.from({ length: Math.floor(random.next() * 8) }, any);
    const expected = ports.flatMap((port, i) =>
      ports.slice(0, i).flatMap((other, j) => {
        const relation = relationOf(port, other);
        return relation ? [`${at(i)}: ${relation} port definition with ${at(j)}`] : [];
      }),
    );
    assert.deepEqual(warningsOf(ports), expected, JSON.stringify(ports));
  }
});

test('of countless ports no more is told than an answer has room for', () => {
  const many = (more: (i: number) => Partial<ContainerPort>) =>
    warningsOf(Array.from({ length: 10_000 }, (_, i) => ({ containerPort: 80, ...more(i) })));
  assert.equal(many(() => ({})).length, 100);
  assert.deepEqual(
    many(i => ({ hostPort: i + 1 })),
    [],
  );
  assert.deepEqual(
    many(i => ({ hostPort: 80, hostIP: `ip-${i}` })),
    [],
  );
});
