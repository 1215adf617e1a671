// What every handler of the API server can reach.

import type { ObjectKey } from '../api/meta.ts';
import type { Group, Resource, ResourceTable } from '../api/resource.ts';
import { resourceId } from '../api/resource.ts';
import { notFound } from '../api/status.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { UserInfo } from './authn/user.ts';
import type { Authorizer } from './authz/authorizer.ts';
import type { FieldValidation } from './body.ts';
import type { DecodedBody } from './body-format.ts';
import type { Certificates } from './configuration/certificates.ts';
import type { Egress } from './egress/egress.ts';
import type { Exchange } from './http/exchange.ts';
import type { Turns } from './http/turns.ts';
import type { ServerCounts } from './observe/server-counts.ts';
import type { PackedParts } from './packed-parts.ts';
import type { Dispatcher } from './registry/dispatcher.ts';
import type { Registry, WriteContext } from './registry/registry.ts';
import type { Stored } from './registry/stored.ts';
import type { Renderer, RenderOptions } from './render.ts';
import type { RequestInfo } from './request-info.ts';
import type { KubeletAccess } from './stream/kubelet-access.ts';
import type { YamlThread } from './yaml-thread.ts';

/** A call of a subresource, or of a resource that is not stored; the same for HTTP and in-process callers. */
export interface Call {
  /** get, create, update, patch, delete. */
  readonly verb: string;
  readonly resource: Resource;
  /** Absent for a resource that is not stored. */
  readonly registry: Registry | undefined;
  readonly key: ObjectKey;
  readonly context: WriteContext;
  readonly query: URLSearchParams;
  readonly contentType: string | undefined;
  /** What is done about fields that are unknown or given twice. */
  readonly fieldValidation: FieldValidation;
  body(): Promise<DecodedBody>;
}

export interface CallResult {
  readonly code: number;
  readonly object: object | Stored;
  /** Of a list: what `object` holds, one by one. */
  readonly items?: readonly Stored[];
}

export type CallHandler = (call: Call) => Promise<CallResult> | CallResult;

/** Serves exec, log, proxy and their like, which speak to the client themselves. */
export type StreamHandler = (request: {
  exchange: Exchange;
  info: RequestInfo;
  user: UserInfo;
  resource: Resource;
  registry: Registry;
}) => Promise<void>;

export interface ApiContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly counts: ServerCounts;
  readonly dispatcher: Dispatcher;
  readonly certificates: Certificates;
  /** But for what `certificates` has of it. */
  readonly kubelet: Omit<KubeletAccess, 'ca' | 'cert' | 'key'>;
  /** Seconds a watch lives at least; up to twice as many. */
  readonly minRequestTimeout: number;
  /** Every write of a client passes here first. */
  readonly turns: Turns;
  readonly authorizer: Authorizer;
  /** Served resources by `group/version/resource`. */
  readonly resources: ReadonlyMap<string, Resource>;
  readonly table: ResourceTable;
  /** Stored resources by `group/resource`; custom ones by `group/version/resource` as well, for each version has its own. */
  readonly registries: ReadonlyMap<string, Registry>;
  /** Groups that custom resources add to those of the table. */
  readonly customGroups: Map<string, Group>;
  /** Counts changes of what is served: documents made from it are out of date when it moves. */
  readonly surface: { revision: number };
  /** Subresources by `group/resource/subresource`, and resources that are not stored by `group/resource`. */
  readonly calls: Map<string, CallHandler>;
  /** Streams by `group/resource/subresource`. */
  readonly streams: Map<string, StreamHandler>;
  /** Other forms than the object's own JSON: Table, PartialObjectMetadata, YAML, protobuf. */
  readonly renderers: ((options: RenderOptions) => Renderer | undefined)[];
  /** Lists in gzip are put together from these. */
  readonly packedParts: PackedParts;
  /** Called when the server stops: ends watches so that clients turn elsewhere. */
  readonly onShutdown: Set<() => void>;
  /** Reads large bodies in YAML. */
  readonly yaml: YamlThread;
  readonly featureEnabled: (gate: string) => boolean;
  readonly egress: Egress;
}

/** The registry that serves a resource in its version. */
export function registryFor(context: ApiContext, resource: Resource): Registry | undefined {
  return context.registries.get(resource.custom ? resourceId(resource) : `${resource.group}/${resource.resource}`);
}

export function registryOf(context: ApiContext, group: string, resource: string): Registry {
  const registry = context.registries.get(`${group}/${resource}`);
  if (!registry) throw notFound({ group, resource }, '');
  return registry;
}

export function servedResource(
  context: ApiContext,
  info: { group: string; version: string; resource: string },
): Resource | undefined {
  return context.resources.get(resourceId(info));
}
