// Plugins whose calls are timed: those that a sampled cycle runs.
import type { Clock } from '../base/clock.ts';
import type { Plugin } from './framework.ts';
import { Status, type StatusCode } from './status.ts';

/** Methods that are timed, and what metrics call their extension points. */
const timedPoints = {
  preFilter: 'PreFilter',
  filter: 'Filter',
  postFilter: 'PostFilter',
  preScore: 'PreScore',
  score: 'Score',
  normalize: 'ScoreExtensionNormalize',
  reserve: 'Reserve',
  permit: 'Permit',
  preBind: 'PreBind',
  bind: 'Bind',
  postBind: 'PostBind',
} as const;

export type TellExecution = (plugin: string, point: string, code: StatusCode, seconds: number) => void;

type Call = (...args: unknown[]) => unknown;

/** Does what the plugin does in a cycle, and tells how long each call takes. */
export function timedPlugin<P extends Plugin>(plugin: P, clock: Clock, tell: TellExecution): P {
  const calls: Record<string, unknown> = { name: plugin.name };
  // Whether there is one decides how results are kept.
  if (plugin.sign) calls.sign = plugin.sign.bind(plugin);
  for (const [method, point] of Object.entries(timedPoints)) {
    const call = plugin[method as keyof Plugin] as Call | undefined;
    if (call) calls[method] = timedCall(call.bind(plugin), clock, (code, s) => tell(plugin.name, point, code, s));
  }
  return calls as unknown as P;
}

function timedCall(call: Call, clock: Clock, tell: (code: StatusCode, seconds: number) => void): Call {
  return (...args) => {
    const startMs = clock.monotonic();
    const done = <T>(result: T): T => {
      tell(codeOf(result), (clock.monotonic() - startMs) / 1000);
      return result;
    };
    const result = call(...args);
    return result instanceof Promise ? result.then(done) : done(result);
  };
}

/** A status, or something that has one, or nothing at all, which is success. */
function codeOf(result: unknown): StatusCode {
  if (result instanceof Status) return result.code;
  const status = (result as { readonly status?: unknown } | null | undefined)?.status;
  return status instanceof Status ? status.code : 'Success';
}
