// LimitRanger: fills in what containers leave out, and refuses what is outside a namespace's ranges.
import type { Mutable } from '../../api/meta.ts';
import { parseQuantity, type Quantity } from '../../api/quantity.ts';
import { amountsOf } from '../../api/quota/amounts.ts';
import { podAmounts } from '../../api/quota/pod-resources.ts';
import { forbidden } from '../../api/status.ts';
import type {
  Container,
  LimitRange,
  LimitRangeItem,
  PersistentVolumeClaim,
  Pod,
  ResourceRequirements,
} from '../../api/type/core-v1.ts';
import type { WatchCache } from '../registry/watch-cache.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';

const annotation = 'kubernetes.io/limit-ranger';

export function limitRanger(ranges: WatchCache): AdmissionPlugin {
  const rangesOf = (namespace: string) => {
    const out: LimitRange[] = [];
    ranges.snapshot().scan(`${namespace}/`, undefined, s => {
      out.push(s.object as unknown as LimitRange);
      return undefined;
    });
    return out;
  };
  return {
    name: 'LimitRanger',
    handles: ({ resource, subresource, operation }) => {
      if (resource.group !== '') return false;
      if (resource.resource === 'pods')
        return operation === 'CREATE' ? subresource === '' : operation === 'UPDATE' && subresource === 'resize';
      return (
        resource.resource === 'persistentvolumeclaims' &&
        subresource === '' &&
        (operation === 'CREATE' || operation === 'UPDATE')
      );
    },
    mutate({ resource, namespace, object, operation }) {
      if (resource.resource !== 'pods' || operation !== 'CREATE') return;
      for (const range of rangesOf(namespace)) fillIn(object as unknown as Mutable<Pod>, range);
    },
    validate(attributes) {
      const found = rangesOf(attributes.namespace);
      if (!found.length) return;
      const errors = found.flatMap(range => range.spec?.limits ?? []).flatMap(item => check(attributes, item));
      if (!errors.length) return;
      const text = errors.length === 1 ? errors[0]! : `[${errors.join(', ')}]`;
      throw forbidden(attributes.resource, attributes.name, text);
    },
  };
}

/** A range's defaults for containers, and a note on the pod of what was set. */
function fillIn(pod: Mutable<Pod>, range: LimitRange): void {
  const defaults = containerDefaults(range);
  const notes: string[] = [];
  for (const [containers, word] of [
    [pod.spec.containers, 'container'],
    [pod.spec.initContainers ?? [], 'init container'],
  ] as const) {
    for (const c of containers as Mutable<Container>[]) {
      const set = (side: 'requests' | 'limits') => {
        const missing = Object.keys(defaults[side]).filter(name => c.resources?.[side]?.[name] === undefined);
        if (!missing.length) return;
        const given = Object.fromEntries(missing.map(name => [name, defaults[side][name]!]));
        c.resources = { ...c.resources, [side]: { ...c.resources?.[side], ...given } } as Mutable<ResourceRequirements>;
        notes.push(`${missing.sort().join(', ')} ${side === 'limits' ? 'limit' : 'request'} for ${word} ${c.name}`);
      };
      set('requests');
      set('limits');
    }
  }
  if (!notes.length) return;
  pod.metadata.annotations = {
    ...pod.metadata.annotations,
    [annotation]: `LimitRanger plugin set: ${notes.join('; ')}`,
  };
}

function containerDefaults(range: LimitRange): Record<'requests' | 'limits', Record<string, string>> {
  const out: Record<'requests' | 'limits', Record<string, string>> = { requests: {}, limits: {} };
  for (const item of range.spec?.limits ?? []) {
    if (item.type !== 'Container') continue;
    Object.assign(out.requests, item.defaultRequest);
    Object.assign(out.limits, item.default);
  }
  return out;
}

function check({ resource, object }: AdmissionAttributes, item: LimitRangeItem): string[] {
  if (resource.resource === 'persistentvolumeclaims') {
    if (item.type !== 'PersistentVolumeClaim') return [];
    const { spec } = object as unknown as PersistentVolumeClaim;
    const { requests, limits } = (spec.resources ?? {}) as ResourceRequirements;
    return bounds(item, amountsOf(requests), amountsOf(limits), false);
  }
  const pod = object as unknown as Pod;
  if (item.type === 'Pod') return bounds(item, podAmounts(pod, 'requests'), podAmounts(pod, 'limits'), true);
  if (item.type !== 'Container') return [];
  return [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].flatMap(c =>
    bounds(item, amountsOf(c.resources?.requests), amountsOf(c.resources?.limits), true),
  );
}

type Found = ReadonlyMap<string, Quantity>;

function bounds(item: LimitRangeItem, requests: Found, limits: Found, withLimits: boolean): string[] {
  const errors: string[] = [];
  const type = item.type;
  const over = (name: string, bound: string, sign: number, word: string) => {
    const by = parseQuantity(bound);
    const beyond = (q: Quantity | undefined) => q !== undefined && Math.sign(q.compare(by)) === sign;
    const [request, limit] = [requests.get(name), limits.get(name)];
    const say = (what: string) => errors.push(`${word} ${name} usage per ${type} is ${bound}${what}`);
    // One fault for each bound, as Kubernetes words it.
    if (sign < 0 && !request) say('.  No request is specified');
    else if (sign > 0 && withLimits && !limit) say('.  No limit is specified');
    else if (sign < 0 && beyond(request)) say(`, but request is ${request}`);
    else if (beyond(limit)) say(`, but limit is ${limit}`);
    else if (beyond(request)) say(`, but request is ${request}`);
  };
  for (const [name, min] of sorted(item.min)) over(name, min, -1, 'minimum');
  for (const [name, max] of sorted(item.max)) over(name, max, 1, 'maximum');
  for (const [name, ratio] of sorted(item.maxLimitRequestRatio))
    errors.push(...ratioOf(name, ratio, type, requests, limits));
  return errors;
}

function ratioOf(name: string, ratio: string, type: string, requests: Found, limits: Found): string[] {
  const request = requests.get(name);
  const limit = limits.get(name);
  if (!request || request.isZero)
    return [`${name} max limit to request ratio per ${type} is ${ratio}, but no request is specified or request is 0`];
  if (!limit || limit.isZero)
    return [`${name} max limit to request ratio per ${type} is ${ratio}, but no limit is specified or limit is 0`];
  const is = limit.toNumber() / request.toNumber();
  if (is <= parseQuantity(ratio).toNumber()) return [];
  return [`${name} max limit to request ratio per ${type} is ${ratio}, but provided ratio is ${is.toFixed(6)}`];
}

const sorted = (list: Readonly<Record<string, string>> | undefined) =>
  Object.entries(list ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
