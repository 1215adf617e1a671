// How long each request of nearly 3 MiB holds the server: `node bin/node26.js tools/fuzz/large.ts [KIND…] [--over 300] [--only 'spec.ports alike']`.
// Prints what took more processor time than that many milliseconds. `--requests [WORD…] [--bytes 300000]` sends patches,
// applies, reads, reviews and more instead, those whose names have one of the words; what takes much at a tenth of the size
// is found sooner so.
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { builtinResources } from '../../src/api/resource.ts';
import { superuserOf } from '../../src/apiserver/test-api.ts';
import { samples } from '../../src/apiserver/test-samples.ts';
import { startTestServer } from '../../src/apiserver/test-server.ts';
import { largeBodies } from './large-bodies.ts';
import type { LargeRequest } from './large-request.ts';
import { largeRequests } from './large-requests.ts';

const args = process.argv.slice(2);
const bytesAt = args.indexOf('--bytes');
const bytes = bytesAt < 0 ? 2_900_000 : Number(args.splice(bytesAt, 2)[1]);
const requestsAt = args.indexOf('--requests');
if (requestsAt >= 0) args.splice(requestsAt, 1);
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

interface Answered {
  /** 0 when there was no answer. */
  readonly code: number;
  readonly head: string;
  readonly ms: number;
}

/** The answer's code and how it begins; what is in it is not looked at, as that would be counted. */
async function send({ method, path, body, headers }: LargeRequest): Promise<Answered> {
  const sent = request(`${server.url}${path}`, { agent, method, headers: headers ?? {} });
  const bytes = body === undefined ? undefined : Buffer.from(body, 'latin1');
  collect();
  const { user, system } = process.threadCpuUsage();
  const answered = (code: number, head: string): Answered => {
    const now = process.threadCpuUsage();
    return { code, head: head.slice(0, 260), ms: Math.round((now.user - user + now.system - system) / 1000) };
  };
  sent.end(bytes);
  let head = '';
  try {
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    answer.on('data', (piece: Buffer) => {
      if (head.length < 220) head += piece.subarray(0, 220).toString();
    });
    await once(answer, 'end');
    return answered(answer.statusCode!, head);
  } catch (error) {
    return answered(0, String(error));
  }
}

// What the bodies were made of is not to be collected while one is answered.
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const seen = new Set<string>();
let count = 0;

function tell({ ms, code, head }: Answered, name: string): void {
  count++;
  if (ms > over) console.log(`${ms} ms ${code} ${name} ${head.replace(/^.*"message":"/s, '')}`);
}

const matches = (name: string) => !args.length || args.some(word => name.includes(word));

async function sendBodies(): Promise<void> {
  for (const [id, sample] of Object.entries(samples)) {
    if (!matches(id)) continue;
    const resource = builtinResources().byId(id)!;
    const folder = resource.group ? `/apis/${resource.group}` : '/api';
    const path = `${folder}/${resource.version}/${resource.namespaced ? 'namespaces/default/' : ''}${resource.resource}?dryRun=All`;
    const made = { ...sample('one', 'default') };
    made.metadata = { name: 'one', ...made.metadata };
    for (const { name, text } of largeBodies(resource, made, bytes, seen)) {
      if (!name.includes(only)) continue;
      const headers = { 'content-type': 'application/json' };
      tell(await send({ method: 'POST', path, body: text, headers }), `${id} ${name}`);
    }
  }
}

async function sendRequests(): Promise<void> {
  for (const { name, before, request } of largeRequests(bytes)) {
    if (!matches(name)) continue;
    for (const each of before ?? []) await send(each);
    tell(await send(request), name);
  }
}

await (requestsAt < 0 ? sendBodies() : sendRequests());
console.log(`${count} ${requestsAt < 0 ? 'bodies' : 'requests'}`);
agent.destroy();
api.close();
await server.stop();
