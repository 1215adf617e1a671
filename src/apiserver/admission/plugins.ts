// The admission plugins that are on, in Kubernetes' order.
import type { Client } from '../../client/client.ts';
import type { InformerFactory } from '../../client/informer.ts';
import type { Access } from '../access.ts';
import type { ApiContext } from '../context.ts';
import type { ApiServerOptions } from '../server.ts';
import type { AdmissionPlugin } from './admission.ts';

export interface AdmissionDeps {
  readonly context: ApiContext;
  /** Acts as the API server itself. */
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly options: ApiServerOptions;
  readonly access: Access;
}

export function admissionPlugins(_deps: AdmissionDeps): AdmissionPlugin[] {
  return [];
}
