// An API server that gets requests nobody should send: each is answered, none with 500, and it goes on.
import { type ClientHttp2Session, connect } from 'node:http2';
import { encodeProtobuf } from '../../src/api/protobuf.ts';
import { builtinResources, type Resource } from '../../src/api/resource.ts';
import { samples } from '../../src/apiserver/test-samples.ts';
import { startTestServer, type TestServer } from '../../src/apiserver/test-server.ts';
import { createLog } from '../../src/base/log.ts';
import { type Chance, oddTexts } from './chance.ts';
import { mutateBytes, mutateJson } from './mutate.ts';
import type { Target } from './target.ts';
import { typedObject } from './typed-value.ts';
import { jsonPatchOf, mergePatchOf } from './value-targets.ts';

const answerMs = 10_000;

/** One server for all targets, started by the first that asks. */
export class FuzzedServer {
  /** What it logged as errors. */
  readonly errors: string[] = [];
  #starting: Promise<TestServer> | undefined;
  #session: ClientHttp2Session | undefined;

  start(): Promise<TestServer> {
    const log = createLog('apiserver', { level: 'error', write: line => void this.errors.push(line) });
    this.#starting ??= startTestServer({ log });
    return this.#starting;
  }

  async session(): Promise<ClientHttp2Session> {
    if (this.#session && !this.#session.destroyed && !this.#session.closed) return this.#session;
    const { url, ca, admin } = await this.start();
    const session = connect(url, { ca, cert: admin.certificatePem, key: admin.keyPem });
    session.on('error', () => {});
    this.#session = session;
    return session;
  }

  /** Throws when the server does not answer that it is well, or has logged an error. */
  async check(): Promise<void> {
    const { code } = await this.send({ ':method': 'GET', ':path': '/readyz' });
    if (code !== 200) throw new Error(`/readyz answers ${code}`);
    const [error] = this.errors.splice(0);
    if (error) throw new Error(`logged: ${error}`);
  }

  async send(headers: Record<string, string>, body?: Uint8Array): Promise<{ code: number; text: string }> {
    const session = await this.session();
    return new Promise((resolve, reject) => {
      const stream = session.request(headers, { endStream: body === undefined });
      let code = 0;
      let text = '';
      const timer = setTimeout(() => {
        stream.close();
        reject(new Error(`no answer within ${answerMs} ms`));
      }, answerMs);
      stream.on('response', head => {
        code = Number(head[':status']);
      });
      stream.setEncoding('utf8');
      stream.on('data', (piece: string) => {
        if (text.length < 4000) text += piece;
      });
      stream.on('error', () => {});
      stream.on('close', () => {
        clearTimeout(timer);
        resolve({ code, text });
      });
      if (body) stream.end(body);
    });
  }

  async close(): Promise<void> {
    this.#session?.destroy();
    await (await this.#starting)?.stop();
  }
}

// What speaks to nodes and pods that are not there, or never ends.
const streamed = new Set(['exec', 'attach', 'portforward', 'proxy', 'log']);
const resources = builtinResources().resources.filter(r => r.onByDefault);
const objectNames = ['fuzz', 'one', 'two', 'x'];
const patchTypes = [
  ...['application/json-patch+json', 'application/merge-patch+json', 'application/strategic-merge-patch+json'],
  'application/apply-patch+yaml',
];
const accepts = [
  ...['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf', '*/*', 'text/html', ',;=,q=x'],
  ...['application/json;as=Table;v=v1;g=meta.k8s.io', 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io'],
  'application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io',
];
const parameters = [
  ...['limit', 'continue', 'resourceVersion', 'resourceVersionMatch', 'labelSelector', 'fieldSelector', 'pretty'],
  ...['dryRun', 'fieldManager', 'fieldValidation', 'force', 'propagationPolicy', 'gracePeriodSeconds', 'includeObject'],
  ...[
    'orphanDependents',
    'sendInitialEvents',
    'timeout',
    'container',
    'ignoreStoreReadErrorWithClusterBreakingPotential',
  ],
];
const fitting = ['All', 'Strict', 'true', '1', '0', 'Exact', 'NotOlderThan', 'Foreground', 'a=b', 'metadata.name=x'];

/** A request that may well succeed, and one that is far from it, and all between. */
function requestOf(c: Chance): { headers: Record<string, string>; body: Buffer | undefined } {
  const resource = c.pick(resources);
  const method = c.pick(['POST', 'POST', 'POST', 'PUT', 'PATCH', 'PATCH', 'GET', 'GET', 'DELETE']);
  const name = c.once(12) ? encodeURIComponent(c.pick(oddTexts).toWellFormed()) : c.pick(objectNames);
  let path = resource.group ? `/apis/${resource.group}/${resource.version}` : `/api/${resource.version}`;
  if (resource.namespaced) path += `/namespaces/${c.once(30) ? 'none' : 'default'}`;
  path += `/${resource.resource}`;
  const subresources = [...resource.subresources.keys()].filter(s => !streamed.has(s));
  const subresource = subresources.length && c.once(4) ? c.pick(subresources) : '';
  const collection = method === 'POST' ? !subresource : method !== 'PUT' && method !== 'PATCH' && c.once(4);
  if (!collection) path += `/${name}`;
  if (!collection && subresource) path += `/${subresource}`;
  const query = new URLSearchParams();
  for (let i = c.below(4) - 1; i > 0; i--)
    query.append(c.pick(parameters), c.once(3) ? c.pick(oddTexts) : c.pick(fitting));
  const { body, type } = bodyOf(c, resource, subresource, method, name);
  const headers = { ':method': method, ':path': query.size ? `${path}?${query}` : path, 'content-type': type };
  return { headers: c.once(3) ? { ...headers, accept: c.pick(accepts) } : headers, body };
}

function bodyOf(c: Chance, resource: Resource, subresource: string, method: string, name: string) {
  if (method === 'GET' || (method === 'DELETE' && c.once(2))) return { body: undefined, type: 'application/json' };
  const object = objectOf(c, resource, subresource, name);
  if (method === 'PATCH') {
    const type = c.pick(patchTypes);
    const patch = type.includes('json-patch')
      ? jsonPatchOf(c)
      : type.includes('apply')
        ? object
        : mergePatchOf(c, object);
    return { body: bytesOf(c, patch), type };
  }
  if (c.once(5) && resource.typeName && !subresource)
    try {
      const bytes = Buffer.from(encodeProtobuf(resource.typeName, object as never));
      return { body: c.once(3) ? mutateBytes(c, bytes) : bytes, type: 'application/vnd.kubernetes.protobuf' };
    } catch {
      // It has values that no message can hold.
    }
  return { body: bytesOf(c, object), type: c.once(6) ? 'application/yaml' : 'application/json' };
}

function objectOf(c: Chance, resource: Resource, subresource: string, name: string): unknown {
  const { group, version, kind, typeName } = resource;
  const sub = resource.subresources.get(subresource);
  const typeMeta = {
    apiVersion: sub?.apiVersion ?? (group ? `${group}/${version}` : version),
    kind: sub?.kind ?? kind,
    metadata: { name },
  };
  const sample = samples[`${group}/${version}/${resource.resource}`];
  const own = sample && !c.once(4) ? structuredClone(sample('one', 'default')) : typedObject(c, typeName, 6, 3);
  const object = { ...typeMeta, ...own, metadata: { ...own.metadata, name } };
  if (c.once(3)) return object;
  // Of a good object one part that the schema allows.
  if (c.once(2)) return { ...object, ...pickOne(c, typedObject(c, typeName, 7, 2)), metadata: object.metadata };
  return mutateJson(c, object);
}

function pickOne(c: Chance, fields: Record<string, unknown>): Record<string, unknown> {
  const keys = Object.keys(fields).filter(k => k !== 'metadata');
  if (keys.length === 0) return {};
  const key = c.pick(keys);
  return { [key]: fields[key] };
}

function bytesOf(c: Chance, value: unknown): Buffer {
  const bytes = Buffer.from(JSON.stringify(value) ?? '');
  return c.once(10) ? mutateBytes(c, bytes) : bytes;
}

/** Kubernetes takes these faults of clients for its own, so they are answered alike. */
const isKubernetesFault = (code: number, text: string): boolean =>
  code === 500 &&
  /resourceVersion should not be set on objects to be created|strconv.ParseUint: parsing|failed to create typed patch object|no preferred addresses found/.test(
    text,
  );

export function requestTarget(server: FuzzedServer): Target {
  return {
    name: 'request',
    async run(c, note) {
      const { headers, body } = requestOf(c);
      note({ ...headers, body: body?.toString('utf8') });
      const { code, text } = await server.send(headers, body);
      // 501, 503 and 504 say what they are; 507 that a limit is reached.
      const [error] = server.errors.splice(0);
      if (error) throw new Error(`logged: ${error.slice(0, 1500)}`);
      if (isKubernetesFault(code, text)) return;
      if (code === 500 || code === 502 || code === 0) throw new Error(`answered ${code}: ${text.slice(0, 500)}`);
    },
    check: () => server.check(),
    close: () => server.close(),
  };
}
