import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../base/clock.ts';
import { ManifestReader } from './static-pod-manifest.ts';

const origin = { source: 'file', at: '/manifests/a.json' } as const;
const manifest = (name: string) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: { containers: [{ name: 'c', image: 'i' }] },
  });

test('when a manifest was seen first is remembered while it is there', async () => {
  const clock = new VirtualClock();
  const reader = new ManifestReader({ nodeName: 'n', clock });
  const seenOf = (name: string) =>
    reader.read(manifest(name), origin)[0]!.metadata.annotations?.['kubernetes.io/config.seen'];
  const [a, b] = [seenOf('a'), seenOf('b')];
  assert.equal(a, b);
  await clock.advance(1000);
  reader.retain(reader.read(manifest('a'), origin));
  assert.equal(seenOf('a'), a);
  assert.notEqual(seenOf('b'), b);
});
