// An upgrade that a server behind answers: the bytes of both connections are handed through.
import { pipeline } from 'node:stream/promises';
import { type HeaderList, type HttpTarget, joinSwitched, requestUpgrade } from '../../base/http/upgrade-request.ts';
import type { ApiContext } from '../context.ts';
import type { Exchange } from '../http/exchange.ts';
import { dialFailure } from './backend.ts';
import { forwardedHeaders } from './kernel/proxy-header.ts';
import type { Lifetime } from './lifetime.ts';

export interface UpgradePass {
  readonly context: ApiContext;
  readonly exchange: Exchange;
  readonly target: HttpTarget;
  /** With the query. */
  readonly path: string;
  readonly life: Lifetime;
  /** For connection and answer together. */
  readonly timeoutMs?: number;
  /** What becomes of an answer that is no switch; undefined: it is handed on. */
  refusal?(code: number): Error | undefined;
  /** Of a server that cannot be reached. Default: a Status. */
  failure?(error: unknown): Error;
}

/** The upgrade itself goes to the server behind; whatever it answers is the answer. */
export async function passUpgrade(pass: UpgradePass, headers: HeaderList = {}): Promise<void> {
  const { context, exchange, target, path, life, timeoutMs } = pass;
  const answer = await requestUpgrade(target, {
    method: exchange.method,
    path,
    headers: { ...upgradeHeaders(exchange), ...headers },
    clock: context.clock,
    signal: life.signal,
    ...(timeoutMs ? { timeoutMs } : {}),
  }).catch(error => {
    throw pass.failure?.(error) ?? dialFailure(target, error);
  });
  if (!answer.switched) {
    const { response } = answer;
    const refusal = pass.refusal?.(response.statusCode ?? 502);
    if (refusal) {
      response.destroy();
      throw refusal;
    }
    const out = exchange.open(response.statusCode ?? 502, plainHeaders(response.headers));
    await pipeline(response, out).catch(() => {});
    return;
  }
  await joinSwitched(exchange.upgrade!.take(), answer, { clock: context.clock, signal: life.signal });
}

function upgradeHeaders(exchange: Exchange): HeaderList {
  return {
    ...forwardedHeaders(exchange.headers),
    connection: 'Upgrade',
    upgrade: exchange.headers.upgrade,
    ...(exchange.method === 'GET' ? {} : { 'content-length': '0' }),
  };
}

export const plainHeaders = (headers: NodeJS.Dict<string | string[]>) =>
  Object.fromEntries(
    Object.entries(headers).filter(
      (entry): entry is [string, string | string[]] =>
        entry[1] !== undefined && !['connection', 'transfer-encoding', 'keep-alive'].includes(entry[0]),
    ),
  );
