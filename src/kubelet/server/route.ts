// What a handler of the kubelet's port is given, and how it answers.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Pod } from '../../api/type/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { TakenSocket } from '../../base/http/upgrade-exchange.ts';
import type { Log } from '../../base/log.ts';
import type { Kubelet } from '../kubelet.ts';
import { HttpError } from './http-error.ts';

export interface RouteContext {
  readonly kubelet: Kubelet;
  readonly clock: Clock;
  readonly log: Log;
  /** Aborts when the server stops. */
  readonly signal: AbortSignal;
}

export interface RouteRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string;
  /** Without the query; decoded segments. */
  readonly path: string;
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
  /** Only of an upgrade. */
  take?(): TakenSocket;
}

export type Route = (asked: RouteRequest) => void | Promise<void>;

export function answerText(response: ServerResponse, code: number, text: string, headers: object = {}): void {
  if (response.headersSent) return void response.destroy();
  const type = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' };
  response.writeHead(code, { ...type, 'content-length': Buffer.byteLength(text), ...headers }).end(text);
}

export function answerJson(response: ServerResponse, object: unknown): void {
  const text = JSON.stringify(object);
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text);
}

/** No faster than the client reads; resolves also when the client goes away. */
export async function answerStream(
  { response }: RouteRequest,
  code: number,
  headers: Record<string, string>,
  source: AsyncIterable<Buffer>,
): Promise<void> {
  response.writeHead(code, headers);
  response.flushHeaders();
  try {
    await pipeline(Readable.from(source, { objectMode: false }), response);
  } catch (error) {
    if (!response.destroyed && !response.writableEnded) throw error;
  }
}

/** Throws 404 as Kubernetes does. */
export function findPod({ kubelet }: RouteContext, namespace: string, name: string, uid?: string): Pod {
  const pod = kubelet.pod(namespace, name, uid);
  if (!pod) throw new HttpError(404, 'pod does not exist');
  return pod;
}

/** The containers of a pod's specification, in the order init, regular, ephemeral. */
export function containerNames(pod: Pod): string[] {
  const { initContainers = [], containers, ephemeralContainers = [] } = pod.spec;
  return [...initContainers, ...containers, ...ephemeralContainers].map(c => c.name);
}
