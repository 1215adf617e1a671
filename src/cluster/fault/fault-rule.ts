// What can go wrong between a component and the API server, as rules.
import { conflict, internalError, StatusError, tooManyRequests } from '../../api/status.ts';

export type FaultVerb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection';

/** One call of a component. */
export interface Call {
  /** The user agent: `kube-controller-manager/job-controller`, `kube-scheduler`, `kubelet/node-1`. */
  readonly component: string;
  readonly verb: FaultVerb;
  readonly group: string;
  /** With its subresource, where one is called: `pods`, `pods/status`. */
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
}

/** Which calls are meant; what is absent does not matter. */
export interface CallFilter {
  /** A user agent or one part of it: `kubelet` means every kubelet, `job-controller` that controller. */
  readonly component?: string;
  /** `pods`, `pods/status`; `*` in front of a subresource means any resource's. */
  readonly resource?: string;
  readonly verbs?: readonly FaultVerb[];
  readonly namespace?: string;
  readonly name?: string;
}

/**
 * - `conflict`: 409, as if somebody else had been faster (update and patch only)
 * - `internal`, `throttled`, `unavailable`: 500, 429, 503; the server did nothing
 * - `timeout`: the call is cut off after 30 seconds of cluster time, and nothing happened
 * - `lost answer`: it happened, but the caller hears of a broken connection
 * - `slow`: it happens after `delayMs`; for a watch, its events come so much later, in order
 */
export type Fault = 'conflict' | 'internal' | 'throttled' | 'unavailable' | 'timeout' | 'lost answer' | 'slow';

export interface FaultRule extends CallFilter {
  readonly fault: Fault;
  /** Of a call that matches, 0 to 1; default 1. */
  readonly probability?: number;
  /** Strikes so often at most. */
  readonly times?: number;
  /** Of `slow`: a number, or a range to choose from each time. Default 1 second. */
  readonly delayMs?: number | readonly [number, number];
}

export const isWrite = (verb: FaultVerb): boolean => verb !== 'get' && verb !== 'list' && verb !== 'watch';

export function matches(filter: CallFilter, call: Call): boolean {
  const { component, resource, verbs, namespace, name } = filter;
  if (verbs && !verbs.includes(call.verb)) return false;
  if (namespace !== undefined && namespace !== call.namespace) return false;
  if (name !== undefined && name !== call.name) return false;
  if (component !== undefined && component !== call.component && !call.component.split('/').includes(component))
    return false;
  if (resource === undefined || resource === call.resource) return true;
  return resource.startsWith('*/') && call.resource.endsWith(resource.slice(1));
}

/** Whether a fault makes sense for a call: others pass. */
export function applies(fault: Fault, verb: FaultVerb): boolean {
  if (fault === 'conflict') return verb === 'update' || verb === 'patch';
  if (fault === 'lost answer') return isWrite(verb);
  return verb !== 'watch' || fault === 'slow';
}

/** The error of a refused call. */
export function errorOf(fault: Exclude<Fault, 'slow'>, call: Call): Error {
  const { group, resource, name } = call;
  switch (fault) {
    case 'conflict':
      return conflict(
        { group, resource: resource.split('/')[0]! },
        name,
        'the object has been modified; please apply your changes to the latest version and try again',
      );
    case 'throttled':
      return tooManyRequests('the server has received too many requests and has asked us to try again later');
    case 'unavailable':
      return new StatusError(503, 'ServiceUnavailable', 'the server is currently unable to handle the request');
    case 'internal':
      return internalError(new Error('injected fault'));
    case 'timeout':
      return new Error('request timed out: context deadline exceeded');
    case 'lost answer':
      return new Error('read: connection reset by peer');
  }
}
