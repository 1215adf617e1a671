// Where a node's kubelet is, and how to get in.
import type { Agent } from 'node:https';
import { badRequest, StatusError } from '../../api/status.ts';
import type { Node } from '../../api/type/core-v1.ts';
import { via } from '../../base/http/dial.ts';
import { type HttpTarget, keepingAgent } from '../../base/http/upgrade-request.ts';
import { type ApiContext, registryOf } from '../context.ts';
import { isSimulatedNode } from '../simulated-node.ts';
import { closeIdle } from './backend.ts';

// Nodes' names need not resolve where the API server runs.
const preferredByDefault = ['InternalIP', 'ExternalIP', 'Hostname', 'InternalDNS', 'ExternalDNS'];
const defaultPort = 10250;
const defaultTimeoutMs = 30_000;

export interface KubeletTargets {
  /** Throws 404 for an unknown node, 500 for one without an address. */
  of(nodeName: string, options?: { readonly insecure?: boolean }): HttpTarget;
  /** Keeps connections for requests that end. */
  readonly agent: Agent;
  /** How long the head of an answer may take, connecting included. */
  readonly timeoutMs: number;
}

export function kubeletTargets(context: ApiContext): KubeletTargets {
  const { certificates, kubelet } = context;
  const { preferredAddressTypes = preferredByDefault, port = defaultPort, timeoutMs = defaultTimeoutMs } = kubelet;
  const verifiedNodes = kubelet.verifiedNodes && new Set(kubelet.verifiedNodes);
  const agent = keepingAgent({ maxFreeSockets: 4, timeout: 0 });
  context.onShutdown.add(() => agent.destroy());
  certificates.onChange(() => closeIdle(agent));
  const credentials = (nodeName: string, insecure: boolean) => {
    const { kubeletCa: ca, kubeletClient } = certificates.current;
    const verified = ca && !insecure && (verifiedNodes?.has(nodeName) ?? true);
    return { ...kubeletClient, ...(verified ? { ca } : { rejectUnauthorized: false }) };
  };
  return {
    agent,
    timeoutMs,
    of(nodeName, { insecure = false } = {}) {
      const node = registryOf(context, '', 'nodes').get({ name: nodeName }).object as unknown as Node;
      if (isSimulatedNode(context, nodeName))
        throw badRequest(`node ${JSON.stringify(nodeName)} is simulated: it has no kubelet to ask`);
      const addresses = node.status?.addresses ?? [];
      const host = preferredAddressTypes.map(type => addresses.find(a => a.type === type)?.address).find(Boolean);
      if (!host) {
        const known = addresses.map(a => `{${a.type} ${a.address}}`).join(' ');
        throw new StatusError(500, '', `no preferred addresses found; known addresses: [${known}]`);
      }
      return {
        protocol: 'https:',
        host,
        port: node.status?.daemonEndpoints?.kubeletEndpoint?.Port || port,
        ...via(context.egress.cluster),
        tls: credentials(nodeName, insecure),
      };
    },
  };
}
