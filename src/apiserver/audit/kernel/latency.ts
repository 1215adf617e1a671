// What a slow request spent its time on, for its last audit event.
import { formatDuration } from '../../../api/scalar.ts';

export interface Spent {
  readonly totalMs: number;
  readonly authenticationMs?: number;
  readonly impersonationMs?: number;
  readonly queueMs?: number;
  readonly authorizationMs?: number;
  readonly transformMs?: number;
  readonly serializeMs?: number;
  readonly writeMs?: number;
  readonly steps?: readonly { readonly name: string; readonly startMs: number; readonly endMs: number }[] | undefined;
}

/** As Kubernetes: of what takes longer it is told. */
const slowMs = 500;

const prefix = 'apiserver.latency.k8s.io/';

const sum = (times: readonly number[]) => times.reduce((a, b) => a + b, 0);
const longest = (times: readonly number[]) => Math.max(0, ...times);

// Webhooks that change are asked one after the other, those that only look at once.
const ofSteps: readonly (readonly [key: string, step: RegExp, together: typeof sum])[] = [
  ['etcd', /^store /, sum],
  ['mutating-webhook', /^admission MutatingAdmissionWebhook$/, sum],
  ['validating-webhook', /^admission ValidatingAdmissionWebhook$/, longest],
];

/** None for a request that was fast; parts that took no time are left out. */
export function latencies({ totalMs, steps = [], ...spent }: Spent): Record<string, string> {
  if (totalMs <= slowMs) return {};
  const parts: [string, number | undefined][] = [
    ['apf-queue-wait', spent.queueMs],
    ['authentication', spent.authenticationMs],
    ['authorization', spent.authorizationMs],
    ['impersonation', spent.impersonationMs],
    ['total', totalMs],
    ['transform-response-object', spent.transformMs],
    ['serialize-response-object', spent.serializeMs],
    ['response-write', spent.writeMs],
    ...ofSteps.map(([key, step, together]): [string, number] => [
      key,
      together(steps.filter(s => step.test(s.name)).map(s => s.endMs - s.startMs)),
    ]),
  ];
  return Object.fromEntries(
    parts.flatMap(([key, ms]) => (ms ? [[prefix + key, formatDuration(Math.round(ms * 1e6))]] : [])),
  );
}
