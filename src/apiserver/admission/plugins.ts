// The admission plugins that are on, in Kubernetes' order.
import type { Client } from '../../client/client.ts';
import type { InformerFactory } from '../../client/informer.ts';
import type { Access } from '../access.ts';
import { type ApiContext, registryOf } from '../context.ts';
import type { ApiServerOptions } from '../server-options.ts';
import type { AdmissionPlugin } from './admission.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';
import { defaultTolerationSeconds, priority, taintNodesByCondition } from './pod-defaults.ts';
import { serviceAccountAdmission } from './service-account.ts';

export interface AdmissionDeps {
  readonly context: ApiContext;
  /** Acts as the API server itself. */
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly options: ApiServerOptions;
  readonly access: Access;
}

export function admissionPlugins({ context }: AdmissionDeps): AdmissionPlugin[] {
  const cacheOf = (group: string, resource: string) => registryOf(context, group, resource).cache;
  return [
    namespaceLifecycle(cacheOf('', 'namespaces')),
    serviceAccountAdmission(cacheOf('', 'serviceaccounts'), context.random),
    taintNodesByCondition,
    priority(cacheOf('scheduling.k8s.io', 'priorityclasses')),
    defaultTolerationSeconds,
  ];
}
