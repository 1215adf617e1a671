import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestNode } from './test-node.ts';

/** The bytes of the last words of a pod's first container, of as many as there are. */
async function lastWords(count: number, written: string): Promise<string> {
  const t = await startTestNode({ simulate: { behaviour: () => ({ exitAfterMs: 1000 }) } });
  try {
    const containers = Array.from({ length: count }, (_, i) => ({ name: `c${i}`, image: 'example.com/app:1' }));
    const { metadata } = await t.createPod({ metadata: { name: 'p' }, spec: { restartPolicy: 'Never', containers } });
    const directory = `/var/lib/kubelet/pods/${metadata.uid}/containers/c0`;
    const [file] = await t.host.list(directory);
    await t.host.writeFile(`${directory}/${file}`, written);
    await t.pass(2000);
    return (await t.getPod('p')).status?.containerStatuses?.[0]?.state?.terminated?.message ?? '';
  } finally {
    await t.stop();
  }
}

test('a message is cut to 4096 bytes, and to an equal share of 12 KiB', async () => {
  assert.equal(await lastWords(1, 'short'), 'short');
  assert.equal((await lastWords(1, 'x'.repeat(9000))).length, 4096);
  assert.equal((await lastWords(12, 'x'.repeat(9000))).length, 1024);
  assert.equal((await lastWords(12, 'x'.repeat(1000))).length, 1000);
  assert.equal(await lastWords(12, 'ä'.repeat(2000)), 'ä'.repeat(512));
  assert.equal(await lastWords(12, `x${'ä'.repeat(1024)}`), `x${'ä'.repeat(511)}`);
});
