// /healthz, /livez, /readyz with ?verbose, ?exclude and a path a check; /version; /metrics.
import { messageOf } from '../base/assert.ts';
import type { Metrics } from '../base/metrics.ts';
import type { PathHandler } from './handler.ts';
import type { Exchange } from './http/exchange.ts';
import { onlyGet, responseHeaders, sendText } from './respond.ts';

export interface HealthCheck {
  readonly name: string;
  /** Which endpoints run it; every check is in readyz. */
  readonly live: boolean;
  /** It tells whether requests may come, not whether the server is well: not in healthz. */
  readonly readyOnly?: boolean;
  /** What it throws is for everybody who may look; of others kube-apiserver withholds the reason, and so do we. */
  readonly told?: boolean;
  /** Throws or rejects when not healthy. */
  check(): void | Promise<void>;
}

const endpoints = ['healthz', 'livez', 'readyz'];

export function healthPaths(
  checks: readonly HealthCheck[],
  checked: (name: string, endpoint: string, healthy: boolean) => void = () => {},
): PathHandler {
  return exchange => {
    const [, endpoint = ''] = exchange.path.split('/', 2);
    const name = exchange.path === `/${endpoint}` ? undefined : exchange.path.slice(endpoint.length + 2);
    return endpoints.includes(endpoint) && name !== '' ? look(exchange, endpoint, name) : false;
  };

  async function look(exchange: Exchange, endpoint: string, name: string | undefined): Promise<boolean> {
    const mine = checks.filter(c => endpoint === 'readyz' || (endpoint === 'livez' ? c.live : !c.readyOnly));
    if (name) {
      const one = mine.find(c => c.name === name);
      if (!one) return false;
      try {
        await one.check();
        checked(one.name, endpoint, true);
        exchange.respond(200, responseHeaders('text/plain; charset=utf-8', []), 'ok');
      } catch (error) {
        checked(one.name, endpoint, false);
        sendText(exchange, 500, `internal server error: ${messageOf(error)}\n`);
      }
      return true;
    }
    const excluded = new Set(exchange.query.getAll('exclude'));
    const lines: string[] = [];
    let failed = false;
    for (const c of mine) {
      if (excluded.has(c.name)) {
        lines.push(`[+]${c.name} excluded: ok`);
        continue;
      }
      try {
        await c.check();
        checked(c.name, endpoint, true);
        lines.push(`[+]${c.name} ok`);
      } catch (error) {
        failed = true;
        checked(c.name, endpoint, false);
        lines.push(`[-]${c.name} failed: ${c.told ? messageOf(error) : 'reason withheld'}`);
      }
    }
    for (const e of excluded)
      if (!mine.some(c => c.name === e))
        lines.push(`warn: some health checks cannot be excluded: no matches for ${JSON.stringify(e)}`);
    if (failed) sendText(exchange, 500, `${lines.join('\n')}\n${endpoint} check failed\n`);
    else if (exchange.query.has('verbose')) sendText(exchange, 200, `${lines.join('\n')}\n${endpoint} check passed\n`);
    else sendText(exchange, 200, 'ok');
    return true;
  }
}

export interface VersionInfo {
  readonly major: string;
  readonly minor: string;
  readonly emulationMajor: string;
  readonly emulationMinor: string;
  readonly minCompatibilityMajor: string;
  readonly minCompatibilityMinor: string;
  readonly gitVersion: string;
  readonly gitCommit: string;
  readonly gitTreeState: string;
  readonly buildDate: string;
  readonly goVersion: string;
  readonly compiler: string;
  readonly platform: string;
}

/** What /version says: the Kubernetes release whose API this is, and in the build metadata who serves it. */
export function versionInfo(k8tsVersion: string): VersionInfo {
  const platform = `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`;
  return {
    major: '1',
    minor: '36',
    emulationMajor: '1',
    emulationMinor: '36',
    minCompatibilityMajor: '1',
    minCompatibilityMinor: '35',
    gitVersion: `v1.36.2+k8ts.${k8tsVersion}`,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: `node${process.versions.node}`,
    compiler: 'v8',
    platform,
  };
}

export function versionPath(version: VersionInfo): PathHandler {
  return exchange => {
    if (exchange.path !== '/version' && !/^\/version\/+$/.test(exchange.path)) return false;
    onlyGet(exchange, ['application/json']);
    exchange.respond(200, responseHeaders('application/json', []), JSON.stringify(version, null, 2));
    return true;
  };
}

export function metricsPath(metrics: Metrics, path = '/metrics'): PathHandler {
  return async exchange => {
    if (exchange.path !== path) return false;
    sendText(exchange, 200, await metrics.text(), metrics.contentType);
    return true;
  };
}
