// What a connection to the API server carries, whatever the protocol.
import type http from 'node:http';

export type RequestHeaders = Record<string, string | string[]>;

export interface TransportRequest {
  method: string;
  /** Path and query below the server's own path. */
  path: string;
  headers: RequestHeaders;
  body?: string | Uint8Array;
  /** A watch: takes its place among those on a connection. */
  longLived?: boolean;
}

/** Called in order: head, data…, then end or error, once. Nothing after `cancel`. */
export interface ResponseHandler {
  onHead(status: number, headers: http.IncomingHttpHeaders): void;
  onData(chunk: Buffer): void;
  onEnd(): void;
  onError(error: Error): void;
}

export interface TransportCall {
  cancel(): void;
}

/** The connection broke before the request can have been acted upon: safe to send again. */
export class NotSentError extends Error {
  override name = 'NotSentError';
}
