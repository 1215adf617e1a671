// The API server that is fuzzed, and how it is asked.
import { type ClientHttp2Session, connect, constants } from 'node:http2';
import { startTestServer, type TestServer } from '../../src/apiserver/test-server.ts';
import { createLog } from '../../src/base/log.ts';
import { customGroup, definitions } from './custom-kinds.ts';
import { policed } from './valid-objects.ts';

const answerMs = 10_000;
// Of an answer that goes on, as that of a watch, so much is heard.
const listenMs = 15;
const mostText = 1 << 20;

export interface Answer {
  readonly code: number;
  readonly text: string;
  readonly contentType: string;
  /** The answer ended by itself. */
  readonly whole: boolean;
}

/** One server for all targets, started by the first that asks. */
export class FuzzedServer {
  /** What it logged as errors. */
  readonly errors: string[] = [];
  #starting: Promise<TestServer> | undefined;
  #session: ClientHttp2Session | undefined;
  #prepared: Promise<void> | undefined;

  start(): Promise<TestServer> {
    const log = createLog('apiserver', { level: 'error', write: line => void this.errors.push(line) });
    this.#starting ??= startTestServer({ log });
    return this.#starting;
  }

  /** The namespace and the custom kinds that requests are about. */
  prepare(): Promise<void> {
    this.#prepared ??= this.#prepare();
    return this.#prepared;
  }

  async #prepare(): Promise<void> {
    await this.#make('/api/v1/namespaces', { metadata: { name: policed } });
    await this.define();
    const served = async (path: string) => (await this.send({ ':method': 'GET', ':path': path })).code === 200;
    const last = `/apis/${customGroup}/v1/${definitions.at(-1)!.spec.names.plural}`;
    while (!(await served(last))) await new Promise(resolve => setTimeout(resolve, 20));
  }

  /** Makes those of the custom kinds that are not there: all may have been deleted. */
  async define(): Promise<void> {
    for (const definition of definitions)
      await this.#make('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition);
  }

  async #make(path: string, object: object): Promise<void> {
    const headers = { ':method': 'POST', ':path': path, 'content-type': 'application/json' };
    const { code, text } = await this.send(headers, Buffer.from(JSON.stringify(object)));
    if (code !== 201 && code !== 409) throw new Error(`POST ${path} answers ${code}: ${text}`);
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

  /** Rejects when there is no answer in time. `endless`: the answer need not end. */
  async send(headers: Record<string, string>, body?: Uint8Array, endless = false): Promise<Answer> {
    const session = await this.session();
    return new Promise((resolve, reject) => {
      const stream = session.request(headers, { endStream: body === undefined });
      let code = 0;
      let contentType = '';
      let text = '';
      let whole = false;
      const timer = setTimeout(() => {
        stream.destroy();
        reject(new Error(`no answer within ${answerMs} ms`));
      }, answerMs);
      stream.on('response', head => {
        code = Number(head[':status']);
        contentType = String(head['content-type'] ?? '');
        if (endless) setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), listenMs);
      });
      stream.setEncoding('utf8');
      stream.on('data', (piece: string) => {
        if (text.length < mostText) text += piece;
      });
      stream.on('error', () => {});
      stream.on('end', () => {
        whole = true;
      });
      stream.on('close', () => {
        clearTimeout(timer);
        resolve({ code, text, contentType, whole: whole && text.length < mostText });
      });
      if (body) stream.end(body);
    });
  }

  async close(): Promise<void> {
    this.#session?.destroy();
    await (await this.#starting)?.stop();
  }
}
