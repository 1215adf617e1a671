// What flags of the server say of every request: its time, headers of its answer, whether its connection goes on.
import type { Random } from '../base/random.ts';
import { crossOrigin } from './cross-origin.ts';
import { requestTimeoutMs } from './deadline.ts';
import type { Exchange } from './http/exchange.ts';
import { isLongRunning } from './long-running.ts';
import { timeoutMs } from './query-value.ts';
import type { RequestInfo } from './request-info.ts';

export interface RequestRules {
  /** Undefined: as long as it takes. */
  allowedMs(info: RequestInfo, query: URLSearchParams): number | undefined;
  /** Of every answer to this request. */
  headers(exchange: Exchange): Readonly<Record<string, string>> | undefined;
  /** A browser asks whether it may ask for a page: whoever may is told so, whoever the page's user is. */
  isPreflight(exchange: Exchange): boolean;
  /** Whether clients are to connect anew behind this request, so that they spread over servers. */
  endsConnection(): boolean;
}

export interface RequestFlags {
  readonly requestTimeoutMs?: number;
  readonly goawayChance?: number;
  readonly strictTransportSecurityDirectives?: readonly string[];
  readonly corsAllowedOrigins?: readonly string[];
}

export function requestRules(options: RequestFlags, random: Random): RequestRules {
  const { requestTimeoutMs: told, goawayChance = 0, strictTransportSecurityDirectives: directives = [] } = options;
  const longestMs = told || requestTimeoutMs;
  const always = directives.length ? { 'strict-transport-security': directives.join('; ') } : undefined;
  const { corsAllowedOrigins: origins } = options;
  const cross = origins?.length ? crossOrigin(origins) : undefined;
  return {
    allowedMs(info, query) {
      if (isLongRunning(info)) return undefined;
      const givenMs = query.size > 0 ? timeoutMs(query) : undefined;
      // By default no timer runs for those that name no time: they end by themselves.
      return givenMs === undefined ? told || undefined : Math.min(givenMs, longestMs);
    },
    headers: ({ headers: { origin } }) => (cross ? { ...always, ...cross(origin) } : always),
    isPreflight: ({ method, headers: { origin } }) => method === 'OPTIONS' && cross?.(origin) !== undefined,
    endsConnection: () => goawayChance > 0 && random.next() < goawayChance,
  };
}
