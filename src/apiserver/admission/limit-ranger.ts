// LimitRanger: fills in what containers leave out, and refuses what is outside a namespace's ranges.
import type { Mutable } from '../../api/meta.ts';
import { parseQuantity, type Quantity } from '../../api/quantity.ts';
import { amountsOf } from '../../api/quota/amounts.ts';
import { statedAmounts } from '../../api/quota/pod-resources.ts';
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
    handles: ({ resource, subresource, operation, old }) => {
      // What is being deleted is let go.
      if (resource.group !== '' || old?.metadata.deletionTimestamp !== undefined) return false;
      if (resource.resource === 'pods')
        return operation === 'CREATE' ? subresource === '' : operation === 'UPDATE' && subresource === 'resize';
      return (
        resource.resource === 'persistentvolumeclaims' &&
        subresource === '' &&
        (operation === 'CREATE' || operation === 'UPDATE')
      );
    },
    mutate({ resource, namespace, object }) {
      if (resource.resource !== 'pods') return;
      for (const range of rangesOf(namespace)) fillIn(object as unknown as Mutable<Pod>, range);
    },
    validate(attributes) {
      // The first range that something is wrong with tells all of it.
      for (const range of rangesOf(attributes.namespace)) {
        const errors = new Set((range.spec?.limits ?? []).flatMap(item => check(attributes, item)));
        if (!errors.size) continue;
        const text = [...errors].join(', ');
        throw forbidden(attributes.resource, attributes.name, errors.size === 1 ? text : `[${text}]`);
      }
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
    const asked = amountsOf((object as unknown as PersistentVolumeClaim).spec.resources?.requests);
    return [
      ...sorted(item.min).flatMap(([name, min]) => tooLittle(item.type, name, min, asked, none)),
      ...sorted(item.max).flatMap(([name, max]) => tooMuchAsked(item.type, name, max, asked)),
    ];
  }
  const pod = object as unknown as Pod;
  if (item.type === 'Pod') return bounds(item, statedAmounts(pod, 'requests'), statedAmounts(pod, 'limits'));
  if (item.type !== 'Container') return [];
  return [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].flatMap(c =>
    bounds(item, amountsOf(c.resources?.requests), amountsOf(c.resources?.limits)),
  );
}

type Found = ReadonlyMap<string, Quantity>;
const none: Found = new Map();

/** One fault for each bound of a container or pod, as Kubernetes words it. */
function bounds(item: LimitRangeItem, requests: Found, limits: Found): string[] {
  const { type } = item;
  return [
    ...sorted(item.min).flatMap(([name, min]) => tooLittle(type, name, min, requests, limits)),
    ...sorted(item.max).flatMap(([name, max]) => tooMuch(type, name, max, requests, limits)),
    ...sorted(item.maxLimitRequestRatio).flatMap(([name, ratio]) => ratioOf(name, ratio, type, requests, limits)),
  ];
}

function tooLittle(type: string, name: string, min: string, requests: Found, limits: Found): string[] {
  const bound = parseQuantity(min);
  const [request, limit] = [requests.get(name), limits.get(name)];
  const head = `minimum ${name} usage per ${type} is ${min}`;
  if (!request) return [`${head}.  No request is specified`];
  if (request.compare(bound) < 0) return [`${head}, but request is ${request}`];
  return limit && limit.compare(bound) < 0 ? [`${head}, but limit is ${limit}`] : [];
}

function tooMuch(type: string, name: string, max: string, requests: Found, limits: Found): string[] {
  const bound = parseQuantity(max);
  const [request, limit] = [requests.get(name), limits.get(name)];
  const head = `maximum ${name} usage per ${type} is ${max}`;
  if (!limit) return [`${head}.  No limit is specified`];
  if (limit.compare(bound) > 0) return [`${head}, but limit is ${limit}`];
  return request && request.compare(bound) > 0 ? [`${head}, but request is ${request}`] : [];
}

/** Of claims, whose limits nobody heeds. */
function tooMuchAsked(type: string, name: string, max: string, requests: Found): string[] {
  const request = requests.get(name);
  const head = `maximum ${name} usage per ${type} is ${max}`;
  if (!request) return [`${head}.  No request is specified`];
  return request.compare(parseQuantity(max)) > 0 ? [`${head}, but request is ${request}`] : [];
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
