// What can be wrong when a control plane starts: it says what and what to do, ends with code 1 and harms nothing.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { request, type ServerProcess, serverProcess } from './server-process.ts';

let server: ServerProcess;

before(async () => {
  server = await serverProcess();
  await server.start();
  const session = await server.connect();
  const object = { metadata: { name: 'kept' } };
  assert.equal((await request(session, 'POST', '/api/v1/namespaces/default/configmaps', object)).code, 201);
  session.destroy();
});
after(() => server.dispose());

/** Starts one that cannot start; what it says on standard error, as the log quotes it. */
async function refused(): Promise<string> {
  const child = server.spawn();
  const [code] = await once(child, 'close');
  assert.equal(code, 1, server.said);
  return server.said.replaceAll('\\"', '"');
}

test('one at a time uses a store; a port in use; the data survives both', async () => {
  const other = createServer();
  const port = Number(new URL(server.url).port);
  const running = server.detach();
  assert.match(await refused(), /opening the store in ".*store": in use by process \d+; stop that one first/);
  await running.kill();
  other.listen(port, '127.0.0.1');
  await once(other, 'listening');
  assert.match(
    await refused(),
    new RegExp(`opening 127\\.0\\.0\\.1:${port} for the API: the port is in use by another`),
  );
  other.close();
  await once(other, 'close');
  await server.start();
  const session = await server.connect();
  assert.equal((await request(session, 'GET', '/api/v1/namespaces/default/configmaps/kept')).code, 200);
  session.destroy();
  await server.kill('SIGTERM');
});

test('a store cut short, one that is none, a configuration that is none, a broken key', async () => {
  const data = join(server.storeDirectory, 'data.mdb');
  const whole = readFileSync(data);
  truncateSync(data, Math.floor(statSync(data).size / 2));
  assert.match(
    await refused(),
    /data\.mdb is damaged: it has \d+ bytes where \d+ were written; put a snapshot in its place/,
  );
  writeFileSync(data, Buffer.alloc(100_000, 'rubbish '));
  assert.match(await refused(), /data\.mdb is damaged: its first page is not one of a store/);
  writeFileSync(data, whole);
  const config = readFileSync(server.config);
  writeFileSync(server.config, '{"cluster":');
  assert.match(await refused(), /reading .*server\.json: .*JSON/);
  writeFileSync(server.config, config);
  const key = join(server.directory, 'pki', 'ca.key');
  const good = readFileSync(key);
  writeFileSync(key, 'rubbish');
  assert.match(await refused(), /ca\.key/);
  writeFileSync(key, good);
  await server.start();
  const session = await server.connect();
  assert.equal((await request(session, 'GET', '/api/v1/namespaces/default/configmaps/kept')).code, 200);
  session.destroy();
});
