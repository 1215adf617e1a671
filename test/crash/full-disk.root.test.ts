// The disk of a control plane's store runs full: writes are refused with words, reads go on, and what was answered stays.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { request, serverProcess } from './server-process.ts';

const path = '/api/v1/namespaces/default/configmaps';
const server = await serverProcess();
mkdirSync(server.storeDirectory);
execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'k8ts-full', server.storeDirectory]);
after(async () => {
  await server.kill();
  // Lazily: nothing may keep the test's directory.
  execFileSync('umount', ['-l', server.storeDirectory]);
  await server.dispose();
});

test('a full disk', async () => {
  const ballast = join(server.storeDirectory, 'ballast');
  writeFileSync(ballast, Buffer.alloc(4 << 20));
  await server.start();
  let session = await server.connect();
  const object = (i: number) => ({ metadata: { name: `c-${i}` }, data: { text: `${i}`.padEnd(200_000, 'x') } });
  const answered: number[] = [];
  let refusal: { code: number; body: any } | undefined;
  for (let i = 0; !refusal; i++) {
    assert.ok(i < 1000, 'the disk never got full');
    const reply = await request(session, 'POST', path, object(i));
    if (reply.code === 201) answered.push(i);
    else refusal = reply;
  }
  assert.deepEqual([refusal.code, refusal.body.kind], [507, 'Status']);
  assert.match(
    refusal.body.message,
    /^the cluster's store is full: .*its disk is full .*; make room there, then write again/,
  );
  assert.ok(refusal.body.message.includes(server.storeDirectory));
  assert.ok(answered.length > 5);

  const names = async () => (await request(session, 'GET', path)).body.items.map((o: any) => o.metadata.name);
  const expected = answered.map(i => `c-${i}`);
  const ours = (all: string[]) => all.filter(n => n.startsWith('c-')).sort();
  assert.deepEqual(ours(await names()), expected.toSorted());
  assert.equal((await request(session, 'GET', '/api/v1/namespaces/default')).code, 200);

  rmSync(ballast);
  assert.equal((await request(session, 'POST', path, object(9999))).code, 201);
  session.destroy();
  await server.kill();
  await server.start();
  session = await server.connect();
  assert.deepEqual(ours(await names()), [...expected, 'c-9999'].sort());
  session.destroy();
});
