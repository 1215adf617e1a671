// GETs to issuers: bounded in time and size.
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Clock } from '../../../base/clock.ts';
import { type Dial, DialingAgent, DialingTlsAgent } from '../../../base/http/dial.ts';
import { quote } from '../../../base/quote.ts';

const requestMs = 10_000;
const maxBytes = 1 << 20;

export interface IssuerRequest {
  readonly url: string;
  /** PEM. Default: the machine's own authorities. */
  readonly ca?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly clock: Clock;
  /** Who makes the connection. */
  readonly dial?: Dial | undefined;
}

export interface IssuerAnswer {
  /** `404 Not Found`. */
  readonly status: string;
  readonly contentType: string;
  readonly text: string;
}

/** The body of a 200. Rejects with an error that begins with `Get "URL": `. */
export async function getText(request: IssuerRequest): Promise<string> {
  const { status, text } = await get(request);
  if (status.startsWith('200 ')) return text;
  throw new Error(`Get ${quote(request.url)}: ${status}`);
}

/** Whatever is answered. Rejects with an error that begins with `Get "URL": `. */
export function get({ url, ca, headers, clock, dial }: IssuerRequest): Promise<IssuerAnswer> {
  const failed = (why: string) => new Error(`Get ${quote(url)}: ${why}`);
  const scheme = URL.parse(url)?.protocol.slice(0, -1) ?? '';
  if (scheme !== 'https' && scheme !== 'http')
    return Promise.reject(failed(`unsupported protocol scheme ${quote(scheme)}`));
  return new Promise((resolve, reject) => {
    const options = {
      ...(ca ? { ca } : {}),
      headers: { accept: 'application/json', ...headers },
      ...through(dial, scheme),
    };
    const request = scheme === 'https' ? httpsRequest(url, options) : httpRequest(url, options);
    const timer = clock.after(requestMs, () => request.destroy(new Error('context deadline exceeded')));
    request.on('close', () => timer.cancel());
    request.on('error', error => reject(failed(error.message)));
    request.on('response', (response: IncomingMessage) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > maxBytes) request.destroy(new Error('response too large'));
        else chunks.push(chunk);
      });
      response.on('end', () =>
        resolve({
          status: `${response.statusCode} ${response.statusMessage}`,
          contentType: response.headers['content-type'] ?? '',
          text: Buffer.concat(chunks).toString(),
        }),
      );
      response.on('error', reject);
    });
    request.end();
  });
}

const through = (dial: Dial | undefined, scheme: string) => ({
  ...{ dial, agent: !dial ? (false as const) : scheme === 'https' ? new DialingTlsAgent() : new DialingAgent() },
});
