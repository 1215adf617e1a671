// Requests to an aggregated API server: through its service, as the front proxy.

import type { IncomingMessage } from 'node:http';
import { Agent } from 'node:https';
import type { APIService } from '../../api/type/apiregistration-v1.ts';
import { messageOf } from '../../base/assert.ts';
import { authorityOf, dialError, type HttpTarget, urlOf } from '../../base/http/upgrade-request.ts';
import type { UserInfo } from '../authn/user.ts';
import type { ApiContext } from '../context.ts';
import { type Address, resolveService } from '../extension/service-endpoint.ts';
import type { ApiServerOptions } from '../server-options.ts';
import { closeIdle, requestBackend } from '../stream/backend.ts';
import { identityHeaders } from './kernel/identity-header.ts';

const probeMs = 5000;
const maxDocumentBytes = 64 << 20;

/** Where a request goes, and what its errors and Host header call that. */
export interface Location {
  readonly target: HttpTarget;
  readonly authority: string;
}

export class RemoteServers {
  readonly #context: ApiContext;
  readonly #options: Pick<ApiServerOptions, 'dialExtension'>;
  readonly agent = new Agent({ keepAlive: true, maxFreeSockets: 64 });

  constructor(context: ApiContext, options: Pick<ApiServerOptions, 'dialExtension'>) {
    this.#context = context;
    this.#options = options;
    context.onShutdown.add(() => this.agent.destroy());
    context.certificates.onChange(() => closeIdle(this.agent));
  }

  /** Throws StatusError when the service has no endpoint. */
  locate({ spec }: APIService): Location {
    const { namespace = '', name = '', port = 443 } = spec.service ?? {};
    const address = resolveService(this.#context, { namespace, name, port });
    const { dialExtension: dial = (a: Address) => a } = this.#options;
    const tls = {
      servername: `${name}.${namespace}.svc`,
      ...(spec.insecureSkipTLSVerify ? { rejectUnauthorized: false } : {}),
      ...(spec.caBundle ? { ca: Buffer.from(spec.caBundle, 'base64').toString() } : {}),
      ...this.#context.certificates.current.frontProxyClient,
    };
    return {
      target: { protocol: 'https:', ...dial(address), tls },
      authority: authorityOf({ protocol: 'https:', ...address }),
    };
  }

  /** A document of the server's, as JSON. Rejects with the words of Kubernetes' availability check. */
  async read(service: APIService, path: string, accept: string, user: UserInfo): Promise<unknown> {
    const location = this.locate(service);
    const url = urlOf({ ...location.target }, path).replace(authorityOf(location.target), location.authority);
    const controller = new AbortController();
    const timer = this.#context.clock.after(probeMs, () => controller.abort());
    try {
      const answer = await requestBackend(location.target, {
        method: 'GET',
        path,
        headers: { accept, host: location.authority, 'user-agent': 'kube-aggregator', ...identityHeaders(user) },
        agent: this.agent,
        signal: controller.signal,
        clock: this.#context.clock,
      });
      const text = await textOf(answer);
      const code = answer.statusCode ?? 0;
      if (code < 200 || code >= 300) throw new BadStatus(`bad status from ${url}: ${code}`, code);
      return JSON.parse(text);
    } catch (error) {
      if (error instanceof BadStatus) throw error;
      const why = controller.signal.aborted ? 'context deadline exceeded' : dialError(location.target, error);
      throw new Error(`Get ${JSON.stringify(url)}: ${why}`, { cause: error });
    } finally {
      timer.cancel();
    }
  }

  /** Asks several endpoints at once: one good answer is enough. */
  async probe(service: APIService, path: string, user: UserInfo, attempts = 5): Promise<unknown> {
    const asked = Array.from({ length: attempts }, () => this.read(service, path, 'application/json', user));
    try {
      return await Promise.any(asked);
    } catch (error) {
      const last = (error as AggregateError).errors.at(-1);
      throw new Error(`failing or missing response from ${urlIn(messageOf(last))}: ${messageOf(last)}`, {
        cause: error,
      });
    }
  }
}

export class BadStatus extends Error {
  readonly code: number;
  constructor(message: string, code: number) {
    super(message);
    this.code = code;
  }
}

const urlIn = (message: string): string => /https:\/\/[^\s"]+?(?=["\s]|: |$)/.exec(message)?.[0] ?? 'the service';

async function textOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer) {
    size += (chunk as Buffer).length;
    if (size > maxDocumentBytes) throw new Error('http: response body too large');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString();
}
