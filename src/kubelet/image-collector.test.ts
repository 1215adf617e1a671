import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestNode, type TestNode } from './test-node.ts';

const minute = 60_000;

const imagesOf = async (t: TestNode) =>
  ((await t.runtime.ListImages({})).images ?? []).flatMap(i => i.repo_tags ?? []).sort();

async function runOnce(t: TestNode, name: string): Promise<void> {
  await t.createPod({ metadata: { name }, spec: { containers: [{ name: 'c', image: `example.com/${name}:1` }] } });
}

test('an image that nobody has used for too long goes, counted from its last use', async () => {
  const t = await startTestNode({ imageMaximumGcAgeMs: 60 * minute, upkeepMs: minute });
  try {
    await runOnce(t, 'short');
    await runOnce(t, 'long');
    await t.deletePod('short');
    await t.pass(50 * minute);
    assert.deepEqual(await imagesOf(t), ['example.com/long:1', 'example.com/short:1']);
    await t.deletePod('long');
    await t.pass(20 * minute);
    assert.deepEqual(await imagesOf(t), ['example.com/long:1']);
    await t.pass(50 * minute);
    assert.deepEqual(await imagesOf(t), []);
    assert.match(await t.kubelet.metrics.own.text(), /^kubelet_image_garbage_collected_total\{reason="age"\} 2$/m);
  } finally {
    await t.stop();
  }
});

test('without an age, and with room on the disk, images stay', async () => {
  const t = await startTestNode({ upkeepMs: minute });
  try {
    await runOnce(t, 'short');
    await t.deletePod('short');
    await t.pass(120 * minute);
    assert.deepEqual(await imagesOf(t), ['example.com/short:1']);
  } finally {
    await t.stop();
  }
});
