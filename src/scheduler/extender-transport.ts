// How extenders are reached: HTTP, or HTTPS with the certificates of their configuration.
import { readFileSync } from 'node:fs';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { text } from 'node:stream/consumers';
import { messageOf } from '../base/assert.ts';
import type { ExtenderTransportConfig, PostJson } from './extender-config.ts';

/** Reads the certificates; throws an error that names a file that cannot be read. */
export function extenderTransport({ urlPrefix, enableHTTPS, tlsConfig }: ExtenderTransportConfig): PostJson {
  if (!urlPrefix.startsWith('https:')) return poster(new HttpAgent({ keepAlive: true }), httpRequest);
  const { insecure, serverName, ...pem } = tlsConfig ?? {};
  const ca = content(pem.caFile, pem.caData);
  const cert = content(pem.certFile, pem.certData);
  const key = content(pem.keyFile, pem.keyData);
  const agent = new HttpsAgent({
    keepAlive: true,
    ...(serverName ? { servername: serverName } : {}),
    ...(ca ? { ca } : {}),
    ...(cert && key ? { cert, key } : {}),
    // Encrypted without anything to verify it by: that is what enableHTTPS alone asks for.
    rejectUnauthorized: !(insecure || (enableHTTPS && !ca)),
  });
  return poster(agent, httpsRequest);
}

function content(file: string | undefined, data: string | undefined): Buffer | undefined {
  if (data) return Buffer.from(data, 'base64');
  if (!file) return undefined;
  try {
    return readFileSync(file);
  } catch (error) {
    throw new Error(`reading ${file} of an extender: ${messageOf(error)}`, { cause: error });
  }
}

const poster =
  (agent: HttpAgent, request: typeof httpRequest): PostJson =>
  async (url, body, signal) => {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const headers = { 'content-type': 'application/json' };
    const sent = request(url, { method: 'POST', agent, headers, signal }, response => {
      text(response)
        .then(answer => {
          if (response.statusCode !== 200)
            throw new Error(`failed ${url} with extender at URL ${url}, code ${response.statusCode}`);
          return JSON.parse(answer) as unknown;
        })
        .then(resolve, reject);
    });
    sent.on('error', reject);
    sent.end(JSON.stringify(body));
    return promise;
  };
