// What a slow request spent its time on, for its last audit event.
import { formatDuration } from '../../../api/scalar.ts';

export interface Spent {
  readonly totalMs: number;
  readonly authenticationMs?: number;
  readonly impersonationMs?: number;
  readonly queueMs?: number;
  readonly authorizationMs?: number;
  readonly steps?: readonly { readonly name: string; readonly startMs: number; readonly endMs: number }[] | undefined;
}

/** As Kubernetes: of what takes longer it is told. */
const slowMs = 500;

const prefix = 'apiserver.latency.k8s.io/';

const ofSteps: readonly (readonly [key: string, step: RegExp])[] = [
  ['etcd', /^store /],
  ['mutating-webhook', /^admission MutatingAdmissionWebhook$/],
  ['validating-webhook', /^admission ValidatingAdmissionWebhook$/],
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
    ...ofSteps.map(([key, step]): [string, number] => [
      key,
      steps.filter(s => step.test(s.name)).reduce((sum, s) => sum + s.endMs - s.startMs, 0),
    ]),
  ];
  return Object.fromEntries(
    parts.flatMap(([key, ms]) => (ms ? [[prefix + key, formatDuration(Math.round(ms * 1e6))]] : [])),
  );
}
