// EventRateLimit: Events past what a server, a namespace, a user or a source is given are turned away.
import { FieldErrors, path } from '../../../api/field-error.ts';
import { StatusError } from '../../../api/status.ts';
import type { Event } from '../../../api/type/core-v1.ts';
import type { Clock } from '../../../base/clock.ts';
import { Lru } from '../../../client/lru.ts';
import { readDocument, throwErrors } from '../../configuration/document.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission.ts';

const limitTypes = ['Server', 'Namespace', 'User', 'SourceAndObject'] as const;

export interface EventLimit {
  readonly type: (typeof limitTypes)[number];
  /** Events a second in the long run. */
  readonly qps: number;
  /** Events at once. */
  readonly burst: number;
  /** Of how many namespaces, users or sources it is known what they have left; default 4096. */
  readonly cacheSize?: number;
}

const configuration = {
  kind: 'Configuration',
  group: 'eventratelimit.admission.k8s.io',
  versions: ['v1alpha1'],
  fields: {
    limits: [{ go: 'Limit', fields: { type: 'string', qps: 'int32', burst: 'int32', cacheSize: 'int32' } }],
  },
} as const;

/** Throws an error with Kubernetes' words for what is no such configuration. */
export function readEventRateLimit(text: string): readonly EventLimit[] {
  const { limits } = readDocument<{ limits?: readonly Partial<EventLimit>[] }>(text, configuration);
  const errors = new FieldErrors();
  const at = path('limits');
  if (!limits?.length) errors.invalid(at, limits, 'must not be empty');
  for (const [i, { type, qps = 0, burst = 0, cacheSize = 0 }] of (limits ?? []).entries()) {
    const here = at.index(i);
    if (!limitTypes.includes(type!)) errors.notSupported(here.child('type'), type ?? '', limitTypes);
    if (!(burst > 0)) errors.invalid(here.child('burst'), burst, 'must be positive');
    if (!(qps > 0)) errors.invalid(here.child('qps'), qps, 'must be positive');
    if (type !== 'Server' && cacheSize < 0) errors.invalid(here.child('cacheSize'), cacheSize, 'must not be negative');
  }
  throwErrors(errors);
  return limits as readonly EventLimit[];
}

const defaultCacheSize = 4096;

function sourceAndObject(event: Event): string {
  const { source, involvedObject: about } = event;
  const { kind, namespace, name, uid, apiVersion } = about ?? {};
  return [source?.component, source?.host, kind, namespace, name, uid, apiVersion].join('');
}

const keyOf: Readonly<Record<EventLimit['type'], (attributes: AdmissionAttributes) => string>> = {
  Server: () => '',
  Namespace: ({ namespace }) => namespace,
  User: ({ user }) => user.name,
  SourceAndObject: ({ object }) => sourceAndObject(object as unknown as Event),
};

class Bucket {
  readonly #limit: EventLimit;
  #tokens: number;
  #atMs: number;

  constructor(limit: EventLimit, nowMs: number) {
    this.#limit = limit;
    this.#tokens = limit.burst;
    this.#atMs = nowMs;
  }

  take(nowMs: number): boolean {
    const { qps, burst } = this.#limit;
    this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#atMs) / 1000) * qps);
    this.#atMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}

/** Events of the core group only, as in Kubernetes: clients of events.k8s.io are not limited. */
export function eventRateLimit(limits: readonly EventLimit[], clock: Clock): AdmissionPlugin {
  const known = limits.map(limit => ({ limit, buckets: new Lru<Bucket>(limit.cacheSize || defaultCacheSize) }));
  return {
    name: 'EventRateLimit',
    handles: ({ resource, requested = resource, operation, subresource, dryRun }) =>
      requested.resource === 'events' &&
      requested.group === '' &&
      subresource === '' &&
      (operation === 'CREATE' || operation === 'UPDATE') &&
      !dryRun,
    validate(attributes) {
      const nowMs = clock.monotonic();
      // Each of them is charged, whatever the others say.
      const reached = known.flatMap(({ limit, buckets }) => {
        const key = keyOf[limit.type](attributes);
        const bucket = buckets.get(key) ?? new Bucket(limit, nowMs);
        buckets.set(key, bucket);
        return bucket.take(nowMs) ? [] : [`limit reached on type ${limit.type} for key ${key}`];
      });
      if (!reached.length) return;
      const why = reached.length === 1 ? reached[0] : `[${[...new Set(reached)].join(', ')}]`;
      throw new StatusError(429, 'TooManyRequests', `Too many requests: ${why}`);
    },
  };
}
