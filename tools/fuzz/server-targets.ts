// An API server that gets requests nobody should send: each is answered, none with 500, and it goes on.
import type { Chance } from './chance.ts';
import type { Answer, FuzzedServer } from './fuzzed-server.ts';
import { type Course, courseOf, pageRequest, type Request, requestOf } from './request.ts';
import type { Target } from './target.ts';

/** Kubernetes takes these faults of clients for its own, so they are answered alike. */
const isKubernetesFault = (code: number, text: string): boolean =>
  code === 500 &&
  /resourceVersion should not be set on objects to be created|strconv.ParseUint: parsing|failed to create typed patch object|failed to convert new object|no preferred addresses found|failed calling webhook|Object 'apiVersion' is missing in 'object has no|the spec replicas field .* does not exist|accessor error: /.test(
    text,
  );

// Words no answer has unless the request said them: a value was put into a text as JavaScript would, or a bug was told.
const slips =
  /\[object [A-Z]\w*\]|Cannot (read|set|convert|mix)|is not (a function|iterable|defined|a constructor)|call stack/;

// What stops others from being written, or waits for somebody who is not there.
const inTheWay = [
  ...['validatingwebhookconfigurations', 'mutatingwebhookconfigurations', 'validatingadmissionpolicybindings'].map(
    r => `/apis/admissionregistration.k8s.io/v1/${r}`,
  ),
  '/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings',
  '/api/v1/namespaces/policed/resourcequotas',
  '/api/v1/namespaces/policed/limitranges',
];
const sweepEvery = 400;
const mostRead = 50_000;

async function sweep(server: FuzzedServer): Promise<void> {
  for (const path of inTheWay) await server.send({ ':method': 'DELETE', ':path': path });
  await server.define();
}

async function makeRequest(c: Chance, server: FuzzedServer): Promise<Request> {
  if (c.once(25)) return pageRequest(c);
  const course = courseOf(c);
  const current = course.reads ? await currentOf(server, course) : undefined;
  // What is not there to be changed is made.
  const missing = course.reads && !current && !c.once(8);
  return requestOf(c, missing ? { ...course, method: 'POST', path: course.home, subresource: '' } : course, current);
}

async function currentOf(server: FuzzedServer, { path }: Course): Promise<Record<string, unknown> | undefined> {
  const { code, text } = await server.send({ ':method': 'GET', ':path': path });
  // What grew large would grow with every change.
  return code === 200 && text.length < mostRead ? JSON.parse(text) : undefined;
}

const isReadable = (path = ''): boolean => !/%(?![0-9a-f]{2})/i.test(path.split('?')[0]!);

function judge({ headers, body, endless }: Request, { code, text, contentType, whole }: Answer): void {
  // Of a HEAD nobody hears why.
  if (isKubernetesFault(code, text) || (headers[':method'] === 'HEAD' && code === 500)) return;
  // A stream whose path cannot be read is reset, as by Go's server.
  if (code === 0 && !isReadable(headers[':path'])) return;
  // 501, 503 and 504 say what they are; 507 that a limit is reached.
  if (code === 500 || code === 502 || code === 0) throw new Error(`answered ${code}: ${text.slice(0, 500)}`);
  const slip = code >= 400 ? slips.exec(text) : undefined;
  if (slip && !body?.includes(slip[0])) throw new Error(`said ${slip[0]} with ${code}: ${text.slice(0, 500)}`);
  if (whole && text && !endless && contentType.startsWith('application/json') && headers[':method'] !== 'HEAD')
    JSON.parse(text);
}

export function requestTarget(server: FuzzedServer): Target {
  let sent = 0;
  const answered = new Map<number, number>();
  return {
    name: 'request',
    // Where there are most ways to go wrong.
    weight: 8,
    async run(c, note) {
      await server.prepare();
      if (++sent % sweepEvery === 0) await sweep(server);
      const request = await makeRequest(c, server);
      const { headers, body, endless } = request;
      note({ ...headers, body: body?.toString(headers['content-type']?.includes('protobuf') ? 'base64' : 'utf8') });
      const answer = await server.send(headers, body, endless);
      answered.set(answer.code, (answered.get(answer.code) ?? 0) + 1);
      const [error] = server.errors.splice(0);
      if (error) throw new Error(`logged: ${error.slice(0, 1500)}`);
      judge(request, answer);
    },
    check: () => server.check(),
    summary: () =>
      [...answered]
        .sort(([a], [b]) => a - b)
        .map(([code, count]) => `${code}: ${count}`)
        .join(', '),
    close: () => server.close(),
  };
}
