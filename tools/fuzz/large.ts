// How long each request of nearly 3 MiB holds the server: `node bin/node26.js tools/fuzz/large.ts [KIND…] [--over 300] [--only 'spec.ports alike']`.
// Prints what took more processor time than that many milliseconds.
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { builtinResources } from '../../src/api/resource.ts';
import { superuserOf } from '../../src/apiserver/test-api.ts';
import { samples } from '../../src/apiserver/test-samples.ts';
import { startTestServer } from '../../src/apiserver/test-server.ts';
import { largeBodies } from './large-bodies.ts';

const bytes = 2_900_000;
const args = process.argv.slice(2);
const at = args.indexOf('--over');
const over = at < 0 ? 300 : Number(args.splice(at, 2)[1]);
const onlyAt = args.indexOf('--only');
const only = onlyAt < 0 ? '' : args.splice(onlyAt, 2)[1]!;
const server = await startTestServer();
const api = superuserOf(server);
await api.send('POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
const agent = new Agent({
  keepAlive: true,
  ca: server.ca,
  cert: server.admin.certificatePem,
  key: server.admin.keyPem,
});

/** The answer's code and how it begins; what is in it is not looked at, as that would be counted. */
async function post(path: string, text: string): Promise<{ code: number; head: string }> {
  const sent = request(`${server.url}${path}`, {
    agent,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
  });
  sent.end(text);
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  let head = '';
  answer.on('data', (piece: Buffer) => {
    if (head.length < 220) head += piece.subarray(0, 220).toString();
  });
  await once(answer, 'end');
  return { code: answer.statusCode!, head: head.slice(0, 260) };
}

const seen = new Set<string>();
let count = 0;
for (const [id, sample] of Object.entries(samples)) {
  if (args.length && !args.some(word => id.includes(word))) continue;
  const resource = builtinResources().byId(id)!;
  const folder = resource.group ? `/apis/${resource.group}` : '/api';
  const path = `${folder}/${resource.version}/${resource.namespaced ? 'namespaces/default/' : ''}${resource.resource}?dryRun=All`;
  const made = { ...sample('one', 'default') };
  made.metadata = { name: 'one', ...made.metadata };
  for (const { name, text } of largeBodies(resource, made, bytes, seen)) {
    if (!name.includes(only)) continue;
    count++;
    const { user, system } = process.threadCpuUsage();
    const { code, head } = await post(path, text);
    const now = process.threadCpuUsage();
    const ms = Math.round((now.user - user + now.system - system) / 1000);
    if (ms > over) console.log(`${ms} ms ${code} ${id} ${name} ${head.replace(/^.*"message":"/, '')}`);
  }
}
console.log(`${count} bodies`);
agent.destroy();
api.close();
await server.stop();
