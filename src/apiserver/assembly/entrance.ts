// From the socket to the handlers: what is served besides resources, and the front before it all.
import { resourceId } from '../../api/resource.ts';
import type { Client } from '../../client/client.ts';
import type { Access } from '../access.ts';
import { Aggregation } from '../aggregation/aggregation.ts';
import { RemoteClients } from '../aggregation/remote-client.ts';
import type { Auditor } from '../audit/auditor.ts';
import type { Certificates } from '../configuration/certificates.ts';
import type { ApiContext } from '../context.ts';
import { createGate } from '../flowcontrol/gate.ts';
import { createHandler, type PathHandler } from '../handler.ts';
import { type HealthCheck, healthPaths, metricsPath, versionInfo, versionPath } from '../health.ts';
import { createFront, type Front, type FrontCredentials } from '../http/front.ts';
import { serverIdentity } from '../identity-lease.ts';
import { requestMetrics } from '../metrics.ts';
import { createObservation, type Observation } from '../observe/observation.ts';
import { Peers } from '../peer/peers.ts';
import type { RequestInfo } from '../request-info.ts';
import { requestRules } from '../request-rules.ts';
import { createUpgradeHandler } from '../stream/upgrade.ts';
import { createSurface } from '../surface.ts';
import type { Basis } from './basis.ts';
import type { Elsewhere } from './local-clients.ts';

export interface Entrance extends Elsewhere {
  readonly front: Front;
  readonly peers: Peers | undefined;
  readonly observation: Observation;
}

export interface EntranceDeps {
  readonly basis: Basis;
  readonly context: ApiContext;
  /** Acts as the API server itself. */
  readonly client: Client;
  readonly access: Access;
  readonly auditor: Auditor | undefined;
  readonly checks: readonly HealthCheck[];
}

export function createEntrance({ basis, context, client, access, auditor, checks }: EntranceDeps): Entrance {
  const { options, metrics, clock, log } = basis;
  const version = versionInfo(options.k8tsVersion ?? '0.1.0');
  const aggregation = new Aggregation({ context, client, options, metrics });
  const peers = peersOf(basis, context, aggregation);
  const remoteClients = new RemoteClients(context, aggregation, peers);
  const surface = createSurface({ context, version, checks, remote: aggregation, ...(peers ? { peers } : {}) });
  const { gate, paths: gatePaths } = createGate(context, options, metrics);
  const observation = createObservation({ context, options, metrics, version, store: options.store });
  const paths: PathHandler[] = [
    healthPaths(checks, observation.checked),
    versionPath(version),
    metricsPath(metrics),
    ...access.paths,
    ...surface.paths,
    ...gatePaths,
    ...observation.paths,
  ];
  const handle = createHandler({
    context,
    paths,
    gate,
    aggregation,
    ...(peers ? { peers } : {}),
    auditor,
    log,
    metrics: requestMetrics(metrics, clock, info => isServed(context, info)),
    rules: requestRules(options, basis.random),
    tracer: observation.tracer,
    authenticate: exchange => access.authenticate(exchange),
    impersonate: (exchange, user, info) => access.impersonate(exchange, user, info),
  });
  const front = createFront({
    credentials: credentialsOf(context.certificates),
    ...(options.serving ? { serving: options.serving } : {}),
    handle,
    upgrade: createUpgradeHandler({ context, access, options, log, handle }),
    onHandshakeError: () => void context.counts.handshakeErrors++,
  });
  const { certificates } = context;
  certificates.onChange(() => front.replaceCredentials(credentialsOf(certificates)));
  return { aggregation, remoteClients, surface, observation, front, peers };
}

function peersOf(
  { options, metrics, featureEnabled }: Basis,
  context: ApiContext,
  aggregation: Aggregation,
): Peers | undefined {
  const { peer, hostname, store } = options;
  if (!peer || hostname === undefined) return undefined;
  if (!featureEnabled('UnknownVersionInteroperabilityProxy') || !featureEnabled('APIServerIdentity')) return undefined;
  const aggregated = () => aggregation.remotes;
  return new Peers({ context, store, metrics, options: peer, identity: serverIdentity(hostname), aggregated });
}

function credentialsOf({ current }: Certificates): FrontCredentials {
  const { serving, clientCa, frontProxyCa } = current;
  return { ...serving, ca: frontProxyCa ? [clientCa, frontProxyCa] : [clientCa] };
}

function isServed({ resources }: ApiContext, info: RequestInfo): boolean {
  if (!info.isResource) return true;
  const resource = resources.get(resourceId(info));
  return resource !== undefined && (info.subresource === '' || resource.subresources.has(info.subresource));
}
