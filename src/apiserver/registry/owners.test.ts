import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dedupeOwners } from './owners.ts';

const owner = (i: number, more: object = {}) => ({ apiVersion: 'v1', kind: 'A', name: `x${i}`, uid: `u${i}`, ...more });

test('an owner given twice is kept once, where it stood first, and told of; one that differs in a flag is another', () => {
  const warnings: string[] = [];
  const [a, b, flagged] = [owner(1), owner(2), owner(1, { controller: true })];
  const metadata = { name: 'n', ownerReferences: [a, b, flagged, owner(1), owner(2)] };
  dedupeOwners({ metadata } as never, message => warnings.push(message), 'sent');
  assert.deepEqual(metadata.ownerReferences, [a, b, flagged]);
  assert.match(warnings.join(), /contains duplicate entries; .* duplicate UID\(s\) observed: u1, u2$/);
});

test('thousands of owners are compared in no time', () => {
  const metadata = { name: 'n', ownerReferences: Array.from({ length: 20_000 }, (_, i) => owner(i)) };
  const before = process.cpuUsage();
  dedupeOwners({ metadata } as never, () => assert.fail('told of an owner that is there once'), 'sent');
  assert.ok(process.cpuUsage(before).user < 2e6);
});
