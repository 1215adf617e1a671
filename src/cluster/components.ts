// The one place where components are plugged together: what the control plane and a node consist of. Everything here is
// imported when it is needed, so that a process loads only what it runs.
import type { Service } from '../base/lifecycle.ts';
import type { ControlPlaneContext, NodeContext } from './component-context.ts';

export interface Part<C> {
  readonly name: string;
  create(context: C): Promise<Service>;
}

/** Started once the API server is ready. */
export const controlPlaneParts: readonly Part<ControlPlaneContext>[] = [
  {
    name: 'controllers',
    async create(context) {
      const { createControllers } = await import('./control-plane-controllers.ts');
      return createControllers(context);
    },
  },
  {
    name: 'cluster DNS',
    async create(context) {
      const { createDnsService } = await import('./dns-service.ts');
      return createDnsService(context);
    },
  },
  {
    name: 'local storage',
    async create(context) {
      const { createLocalStorage } = await import('./local-storage/local-storage-part.ts');
      return createLocalStorage(context);
    },
  },
  {
    name: 'scheduler',
    async create(context) {
      const { createControlPlaneScheduler } = await import('./control-plane-scheduler.ts');
      return createControlPlaneScheduler(context);
    },
  },
  {
    name: 'simulated nodes',
    async create(context) {
      const { createNodesOnRequest } = await import('./simulation/nodes-on-request.ts');
      return createNodesOnRequest(context);
    },
  },
];

/** Started side by side once the API server has answered (or has not for a while). */
export const nodeParts: readonly Part<NodeContext>[] = [
  {
    name: 'kubelet',
    async create(context) {
      const { createNodeKubelet } = await import('./node-kubelet.ts');
      return createNodeKubelet(context);
    },
  },
  {
    name: 'proxy',
    async create(context) {
      const { createNodeProxy } = await import('./node-proxy.ts');
      return createNodeProxy(context);
    },
  },
  {
    name: 'DNS',
    async create(context) {
      const { createNodeDns } = await import('./node-dns.ts');
      return createNodeDns(context);
    },
  },
  {
    name: 'local storage',
    async create(context) {
      const { createNodeLocalStorage } = await import('./local-storage/local-storage-part.ts');
      return createNodeLocalStorage(context);
    },
  },
];
