import * as http from 'node:http';
import * as http2 from 'node:http2';
import * as https from 'node:https';
import { connect, isIPv6 } from 'node:net';
import { messageOf } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { percentDecoded } from '../../base/percent.ts';
import { quote } from '../../base/quote.ts';
import { dialledBy, type HttpTarget, hrefOf, redirected, targetOf } from '../kernel/http-target.ts';
import type { HttpProbe, ProbeNetwork, ProbeResult } from './network.ts';

const maxBodyBytes = 10 * 1024;
const maxRedirects = 10;
const address = (host: string, port: number) => (isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`);

// Go's words for what Node calls by its code.
const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect: connection refused',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  ECONNRESET: 'read: connection reset by peer',
};

function dialError(error: unknown, at: string): string {
  const { code, message } = error as { code?: string; message: string };
  if (code === 'ENOTFOUND') return `dial tcp: lookup ${at.replace(/:\d+$/, '')}: no such host`;
  if (message.includes('wrong version number')) return 'http: server gave HTTP response to HTTPS client';
  if (code === 'ECONNRESET') return `read tcp ${at}: ${words[code]}`;
  return code && words[code] ? `dial tcp ${at}: ${words[code]}` : message;
}

class LinuxProbeNetwork implements ProbeNetwork {
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async http(probe: HttpProbe): Promise<ProbeResult> {
    const path = probe.path.startsWith('/') ? probe.path : `/${probe.path}`;
    const target = targetOf(probe.scheme.toLowerCase(), address(probe.host, probe.port), path);
    return this.#get(target, target.url, probe, 0);
  }

  #get(target: HttpTarget, first: URL, probe: HttpProbe, redirects: number): Promise<ProbeResult> {
    const { url, host } = target;
    const quoted = `Get "${hrefOf(target)}"`;
    const scheme = url.protocol.slice(0, -1);
    if (scheme !== 'http' && scheme !== 'https')
      return Promise.resolve({ result: 'failure', output: `${quoted}: unsupported protocol scheme "${scheme}"` });
    return new Promise<ProbeResult | Redirect>(done => {
      let finished = false;
      const finish = (result: ProbeResult | Redirect) => {
        if (finished) return;
        finished = true;
        timer.cancel();
        request.destroy();
        done(result);
      };
      const fail = (why: string) => finish({ result: 'failure', output: `${quoted}: ${why}` });
      const { request: send } = scheme === 'https' ? https : http;
      const options = { headers: headersOf(probe, host), agent: false, rejectUnauthorized: false };
      const request = send(url, options, response => {
        let next: HttpTarget | undefined;
        try {
          next = redirectOf(target, response);
        } catch (error) {
          fail(`failed to parse Location header ${quote(response.headers.location!)}: ${messageOf(error)}`);
          return;
        }
        if (next?.url.hostname === first.hostname) finish({ next });
        else readAnswer(response, next !== undefined, finish);
      });
      const timer = this.#clock.after(probe.timeoutMs, () =>
        fail('context deadline exceeded (Client.Timeout exceeded while awaiting headers)'),
      );
      request.on('error', error => fail(dialError(error, dialledBy(url))));
      request.end();
    }).then(result => this.#follow(result, first, probe, redirects));
  }

  #follow(
    result: ProbeResult | Redirect,
    first: URL,
    probe: HttpProbe,
    redirects: number,
  ): ProbeResult | Promise<ProbeResult> {
    if (!('next' in result)) return result;
    if (redirects + 1 >= maxRedirects)
      return { result: 'failure', output: `Get "${hrefOf(result.next)}": stopped after ${maxRedirects} redirects` };
    return this.#get(result.next, first, probe, redirects + 1);
  }

  tcp(host: string, port: number, timeoutMs: number): Promise<ProbeResult> {
    const at = address(host, port);
    return new Promise(done => {
      const socket = connect({ host, port });
      const finish = (result: ProbeResult) => {
        timer.cancel();
        socket.destroy();
        done(result);
      };
      const timer = this.#clock.after(timeoutMs, () =>
        finish({ result: 'failure', output: `dial tcp ${at}: i/o timeout` }),
      );
      socket.once('connect', () => finish({ result: 'success', output: '' }));
      socket.once('error', error => finish({ result: 'failure', output: dialError(error, at) }));
    });
  }

  grpc(host: string, port: number, service: string, timeoutMs: number): Promise<ProbeResult> {
    const at = address(host, port);
    return new Promise(done => {
      let session: http2.ClientHttp2Session;
      let connected = false;
      let retry: { cancel(): void } | undefined;
      const finish = (result: ProbeResult) => {
        timer.cancel();
        retry?.cancel();
        session.destroy();
        done(result);
      };
      const timer = this.#clock.after(timeoutMs, () =>
        finish({
          result: 'failure',
          output: connected
            ? `timeout: health rpc did not complete within ${timeoutMs / 1000}s`
            : `timeout: failed to connect service "${at}" within ${timeoutMs / 1000}s: context deadline exceeded`,
        }),
      );
      // As Kubernetes' client: a connection that is refused is tried again until the time is up.
      const attempt = () => {
        session = http2.connect(`http://${at}`);
        session.once('connect', () => {
          connected = true;
        });
        session.once('error', error => {
          if (connected) finish(failedCall('14', dialError(error, at)));
          else retry = this.#clock.after(grpcRetryMs, attempt);
        });
        checkHealth(session, service, finish);
      };
      attempt();
    });
  }
}

const grpcRetryMs = 1000;
// What stands before a message of gRPC, and what is looked at of the two; the largest message that Go's client takes.
const frameBytes = 5;
const answerBytes = 7;
const mostBytes = 4 << 20;

function checkHealth(session: http2.ClientHttp2Session, service: string, finish: (result: ProbeResult) => void): void {
  const stream = session.request({
    ':method': 'POST',
    ':path': '/grpc.health.v1.Health/Check',
    'content-type': 'application/grpc',
    te: 'trailers',
    'user-agent': 'kube-probe/1.36',
  });
  let begin: Buffer = Buffer.alloc(0);
  let size = 0;
  let status = '';
  let message = '';
  const read = (h: http2.IncomingHttpHeaders) => {
    if (h['grpc-status'] !== undefined) status = String(h['grpc-status']);
    if (h['grpc-message'] !== undefined) message = percentDecoded(String(h['grpc-message']));
  };
  stream.on('response', read);
  stream.on('trailers', read);
  stream.on('data', (c: Buffer) => {
    if (begin.length < answerBytes) begin = Buffer.concat([begin, c.subarray(0, answerBytes)]);
    size += c.length;
    // Whatever a pod sends, for as long as its probe may last.
    const told = begin.length < frameBytes ? 0 : begin.readUInt32BE(1);
    const large = Math.max(told, size - frameBytes);
    if (large > mostBytes)
      finish(failedCall('8', `grpc: received message larger than max (${large} vs. ${mostBytes})`));
  });
  stream.on('error', () => {});
  stream.on('end', () => finish(healthAnswer(status, message, begin)));
  stream.end(healthRequest(service));
}

interface Redirect {
  readonly next: HttpTarget;
}

function headersOf(probe: HttpProbe, host: string): Record<string, string | string[]> {
  const headers: Record<string, string[]> = {
    Host: [host],
    'User-Agent': ['kube-probe/1.36'],
    Accept: ['*/*'],
    Connection: ['close'],
  };
  for (const h of probe.headers) {
    if (h.value === '' && /^host$/i.test(h.name)) continue;
    const known = Object.keys(headers).find(k => k.toLowerCase() === h.name.toLowerCase());
    if (
      known &&
      !probe.headers.slice(0, probe.headers.indexOf(h)).some(o => o.name.toLowerCase() === h.name.toLowerCase())
    )
      delete headers[known];
    if (h.value === '' && /^(user-agent|accept)$/i.test(h.name)) continue;
    headers[h.name] = [...(headers[h.name] ?? []), h.value];
  }
  return Object.fromEntries(Object.entries(headers).map(([k, v]) => [k, v.length === 1 ? v[0]! : v]));
}

/** Where the request is sent on to; undefined when it is answered. Throws when that is no URL. */
function redirectOf(target: HttpTarget, { statusCode: code = 0, headers }: http.IncomingMessage) {
  const { location } = headers;
  return code >= 300 && code < 400 && code !== 304 && location ? redirected(target, location) : undefined;
}

/** `elsewhere`: it sends on to another host, where no probe goes. */
function readAnswer(response: http.IncomingMessage, elsewhere: boolean, finish: (result: ProbeResult) => void): void {
  const chunks: Buffer[] = [];
  let size = 0;
  const { statusCode: code = 0 } = response;
  const answer = () => {
    const body = Buffer.concat(chunks).toString('utf8', 0, maxBodyBytes);
    if (elsewhere) finish({ result: 'warning', output: `Probe terminated redirects, Response body: ${body}` });
    else if (code >= 200 && code < 400) finish({ result: 'success', output: body });
    else finish({ result: 'failure', output: `HTTP probe failed with statuscode: ${code}` });
  };
  response.on('data', (c: Buffer) => {
    chunks.push(c);
    size += c.length;
    if (size > maxBodyBytes) answer();
  });
  response.on('end', answer);
  response.on('error', answer);
}

function healthRequest(service: string): Buffer {
  const name = Buffer.from(service);
  const body = name.length ? Buffer.concat([Buffer.from([0x0a]), varint(name.length), name]) : Buffer.alloc(0);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}

const serving = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
const codeNames: Readonly<Record<string, string>> = {
  '2': 'Unknown',
  '5': 'NotFound',
  '8': 'ResourceExhausted',
  '12': 'Unimplemented',
  '14': 'Unavailable',
};

const failedCall = (status: string, message: string): ProbeResult => ({
  result: 'failure',
  output: `error: health rpc probe failed: rpc error: code = ${codeNames[status] ?? status} desc = ${message}`,
});

function healthAnswer(status: string, message: string, data: Buffer): ProbeResult {
  if (status === '12')
    return {
      result: 'failure',
      output: `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${message}`,
    };
  if (status !== '0' && status !== '') return failedCall(status, message);
  // A response of one field: 08 <status>; SERVING is 1.
  const answer = data.length >= 7 && data[5] === 0x08 ? (serving[data[6]!] ?? String(data[6])) : 'UNKNOWN';
  if (answer === 'SERVING') return { result: 'success', output: 'service healthy' };
  return { result: 'failure', output: `service unhealthy (responded with "${answer}")` };
}

export const linuxProbeNetwork = (clock: Clock): ProbeNetwork => new LinuxProbeNetwork(clock);
