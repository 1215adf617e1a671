// exec, attach and port-forward: the runtime names a URL of its streaming server, the bytes are handed through.

import { pipeline } from 'node:stream/promises';
import { messageOf } from '../../base/assert.ts';
import { dialError, type HttpTarget, joinSwitched, requestUpgrade } from '../../base/http/upgrade-request.ts';
import { isRuntimeError } from '../../cri/runtime-error.ts';
import { HttpError } from './http-error.ts';
import { answerText, findPod, type Route, type RouteContext, type RouteRequest } from './route.ts';

interface StreamChoice {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

/** Throws 400 when nothing is asked for. */
function choiceOf(query: URLSearchParams): StreamChoice {
  const on = (name: string) => query.get(name) === '1';
  const tty = on('tty');
  const choice = { stdin: on('input'), stdout: on('output'), stderr: on('error') && !tty, tty };
  if (!choice.stdin && !choice.stdout && !choice.stderr)
    throw new HttpError(400, 'you must specify at least 1 of stdin, stdout, stderr');
  return choice;
}

/** /exec/<namespace>/<pod>[/<uid>]/<container> */
export function execRoute(context: RouteContext): Route {
  return async asked => {
    const choice = choiceOf(asked.query);
    const gone = `container not found (${JSON.stringify(asked.segments.at(-1))})`;
    const container_id = containerId(context, asked, gone);
    const { url } = await runtimeUrl(
      () => context.kubelet.runtime.Exec({ container_id, cmd: asked.query.getAll('command'), ...choice }),
      gone,
    );
    await passThrough(context, asked, url ?? '');
  };
}

/** /attach/<namespace>/<pod>[/<uid>]/<container> */
export function attachRoute(context: RouteContext): Route {
  return async asked => {
    const choice = choiceOf(asked.query);
    const [, namespace, pod] = asked.segments;
    const gone = `container ${asked.segments.at(-1)} not found in pod ${pod}_${namespace}`;
    const container_id = containerId(context, asked, gone);
    const { url } = await runtimeUrl(() => context.kubelet.runtime.Attach({ container_id, ...choice }), gone);
    await passThrough(context, asked, url ?? '');
  };
}

/** /portForward/<namespace>/<pod>[/<uid>]; ports are named in the streams, with WebSocket in the query. */
export function portForwardRoute(context: RouteContext): Route {
  return async asked => {
    const [, namespace = '', name = '', uid] = asked.segments;
    const pod = findPod(context, namespace, name, uid);
    const pod_sandbox_id = context.kubelet.sandboxId(pod);
    if (!pod_sandbox_id)
      throw new HttpError(500, `failed to find sandbox for pod ${JSON.stringify(`${name}_${namespace}`)}`);
    const port = asked.query
      .getAll('port')
      .flatMap(p => p.split(','))
      .map(Number);
    if (port.some(p => !Number.isInteger(p) || p < 1 || p > 65535))
      throw new HttpError(400, `query parameter "port" contains an invalid port`);
    const { url } = await runtimeUrl(() => context.kubelet.runtime.PortForward({ pod_sandbox_id, port }));
    await passThrough(context, asked, url ?? '');
  };
}

/** /run/<namespace>/<pod>[/<uid>]/<container>?cmd=… runs to the end and answers with what was printed. */
export function runRoute(context: RouteContext): Route {
  return async asked => {
    const container_id = containerId(context, asked, `container not found (${JSON.stringify(asked.segments.at(-1))})`);
    const cmd = (asked.query.get('cmd') ?? '').split(' ');
    const done = await runtimeUrl(() => context.kubelet.runtime.ExecSync({ container_id, cmd, timeout: 0 }));
    const text = Buffer.concat([Buffer.from(done.stdout ?? ''), Buffer.from(done.stderr ?? '')]).toString();
    if (done.exit_code) throw new HttpError(500, `command '${cmd.join(' ')}' exited with ${done.exit_code}: ${text}`);
    answerText(asked.response, 200, text);
  };
}

/** Throws with `gone` where no such container runs. */
function containerId(context: RouteContext, asked: RouteRequest, gone: string): string {
  const [, namespace = '', name = '', ...rest] = asked.segments;
  const container = rest.at(-1) ?? '';
  const pod = findPod(context, namespace, name, rest.length > 1 ? rest[0] : undefined);
  const found = context.kubelet.container(pod, container);
  if (!found || found.state === 'exited') throw new HttpError(500, gone);
  return found.id;
}

const notRunning = /container is in CONTAINER_[A-Z]+ state$/;

async function runtimeUrl<T>(ask: () => Promise<T>, gone?: string): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    // It has ended since it was looked at.
    if (gone && notRunning.test(messageOf(error))) throw new HttpError(500, gone, {}, { cause: error });
    const code = isRuntimeError(error, 'NotFound') ? 404 : isRuntimeError(error, 'ResourceExhausted') ? 429 : 500;
    throw new HttpError(code, messageOf(error), code === 429 ? { 'retry-after': '1' } : {}, { cause: error });
  }
}

const streamHeaders = (asked: RouteRequest, host: string) => {
  const { authorization: _, 'content-length': __, ...headers } = asked.request.headers;
  return { ...headers, host, ...(asked.method === 'GET' ? {} : { 'content-length': '0' }) };
};

async function passThrough({ clock, signal }: RouteContext, asked: RouteRequest, address: string): Promise<void> {
  if (!asked.take) throw new HttpError(400, 'Upgrade request required');
  const url = new URL(address);
  const target: HttpTarget = {
    protocol: url.protocol === 'https:' ? 'https:' : 'http:',
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || (url.protocol === 'https:' ? 443 : 80)),
  };
  const headers = streamHeaders(asked, url.host);
  const path = url.pathname + url.search;
  const answer = await requestUpgrade(target, { method: asked.method, path, headers, clock, signal }).catch(error => {
    throw new HttpError(500, `error dialing backend: ${dialError(target, error)}`, {}, { cause: error });
  });
  if (!answer.switched) {
    asked.response.writeHead(answer.response.statusCode ?? 500, answer.response.headers);
    await pipeline(answer.response, asked.response).catch(() => {});
    return;
  }
  await joinSwitched(asked.take(), answer, { clock, signal });
}
