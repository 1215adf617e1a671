// Everything that has to lie on the disk before a cluster's processes start: keys, credentials, configuration files.
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { type ClusterConfig, podCidrOf, serviceAddress } from './config.ts';
import { readCredentialProviders } from './credential-provider-file.ts';
import { makeDirectory, readIfThere, writeFileAtomic } from './host/file.ts';
import { isLoopback } from './host/resolver.ts';
import { type KubeconfigCluster, kubeconfigText } from './kubeconfig-file.ts';
import { readKubeletConfiguration } from './kubelet-configuration.ts';
import { type LabPlan, planLab } from './lab/kernel/lab-plan.ts';
import { namespacePath } from './lab/lab.ts';
import { localStorageGroup, localStorageUser } from './local-storage/local-storage-setup.ts';
import { ensurePki, type Pki } from './pki.ts';
import type { AgentConfig, ForwardConfig, ServerConfig } from './role.ts';
import { type ClusterPaths, nodePaths } from './state.ts';
import type { ListenerSpec } from './supervisor/listener.ts';
import type { ChildSpec, SupervisorConfig } from './supervisor/supervisor.ts';

export const apiPort = 6443;
export const serverChild = 'server';

// V8 keeps up to three times this in memory for good: 1 MB saves an agent 20 MB, and costs a busy server a quarter of
// its processor time.
const youngGenerationMb = (size: number): string => `--max-semi-space-size=${size}`;
export const forwardChild = 'forward';

export interface Preparation {
  readonly paths: ClusterPaths;
  readonly config: ClusterConfig;
  /** Absent with simulated nodes. */
  readonly nodeCidr?: string;
  /** Port on 127.0.0.1. */
  readonly apiPort: number;
  /** Another one may be taken when that is in use. */
  readonly anyApiPort: boolean;
  /** main.ts. */
  readonly main: string;
  readonly clock: Clock;
  readonly random: Random;
}

export function labPlanOf(config: ClusterConfig, nodeCidr: string): LabPlan {
  return planLab({ cluster: config.name, nodes: config.nodes, nodeCidr, egress: config.egress });
}

/** Writes it all; the admin's credentials, without a server yet. */
export async function prepare(p: Preparation): Promise<Omit<KubeconfigCluster, 'server'>> {
  const { paths, config } = p;
  const plan = p.nodeCidr === undefined ? undefined : labPlanOf(config, p.nodeCidr);
  // What is wrong with it is said before anything has begun.
  if (config.kubelet?.config) readKubeletConfiguration(config.kubelet.config);
  readCredentialProviders(config.kubelet);
  for (const directory of [paths.state, paths.run]) makeDirectory(directory, 0o711);
  const server = serverConfig(p, plan);
  const pki = await ensurePki(paths.pki, {
    clock: p.clock,
    random: p.random,
    serverNames: server.serverNames,
    serverAddresses: server.serverAddresses,
    serviceClusterIp: serviceAddress(config.serviceCidr, 1),
    clusterDomain: config.clusterDomain,
  });
  await Promise.all((plan?.nodes ?? []).map(node => writeAgentConfig(p, plan!, node, pki)));
  const serverFile = `${paths.state}/server.json`;
  writeJson(serverFile, server);
  writeJson(paths.supervisorConfig, supervisorConfig(p, plan, serverFile));
  return {
    certificateAuthority: pki.ca.certificatePem,
    clientCertificate: pki.admin.certificatePem,
    clientKey: pki.admin.keyPem,
  };
}

const writeJson = (file: string, value: unknown) => writeFileAtomic(file, `${JSON.stringify(value, undefined, 2)}\n`);

function serverConfig(p: Preparation, plan: LabPlan | undefined): ServerConfig {
  const { paths, config } = p;
  const first = plan?.nodes[0];
  return {
    cluster: config.name,
    pkiDirectory: paths.pki,
    storeDirectory: paths.store,
    ...(first ? { listen: { host: first.address, port: apiPort } } : {}),
    advertise: first ? { address: first.address, port: apiPort } : { address: '127.0.0.1', port: p.apiPort },
    serverNames: first ? [first.name] : [],
    serverAddresses: first ? [first.address] : [],
    podCidr: podCidrOf(config),
    serviceCidr: config.serviceCidr,
    clusterDomain: config.clusterDomain,
    ...(plan ? { verifiedNodes: plan.nodes.map(node => node.name) } : {}),
    simulatedNodes: plan ? 0 : config.nodes,
    ...(config.behaviours ? { behaviours: config.behaviours } : {}),
    localStorage: true,
    maxPods: config.maxPods,
    ...(config.controllers ? { controllers: config.controllers } : {}),
    ...(config.featureGates ? { featureGates: config.featureGates } : {}),
    ...(config.runtimeConfig ? { runtimeConfig: config.runtimeConfig } : {}),
    ...(config.apiServer ? { apiServer: config.apiServer } : {}),
    ...(config.scheduler ? { scheduler: config.scheduler } : {}),
  };
}

async function writeAgentConfig(
  p: Preparation,
  plan: LabPlan,
  node: LabPlan['nodes'][number],
  pki: Pki,
): Promise<void> {
  const { paths, config } = p;
  const own = nodePaths(paths, node.name);
  for (const directory of [own.state, own.run]) makeDirectory(directory, 0o711);
  const [kubelet, serving, proxy, storage] = await Promise.all([
    pki.issueNodeClient(node.name),
    pki.issueNodeServing(node.name, { dnsNames: [node.name], ipAddresses: [node.address] }),
    pki.issueClient({ commonName: 'system:kube-proxy' }),
    pki.issueClient({ commonName: localStorageUser(node.name), organizations: [localStorageGroup] }),
  ]);
  const resolvConf = `${own.state}/resolv.conf`;
  writeFileAtomic(resolvConf, config.egress ? outsideResolvers() : '', 0o644);
  const agent: AgentConfig = {
    cluster: config.name,
    nodeName: node.name,
    nodeAddress: node.address,
    link: 'eth0',
    server: `https://${plan.nodes[0]!.address}:${apiPort}`,
    certificateAuthority: pki.ca.certificatePem,
    kubelet: { certificate: kubelet.certificatePem, key: kubelet.keyPem },
    kubeletServing: { certificate: serving.certificatePem, key: serving.keyPem },
    proxy: { certificate: proxy.certificatePem, key: proxy.keyPem },
    localStorage: { certificate: storage.certificatePem, key: storage.keyPem },
    stateDirectory: own.state,
    runDirectory: own.run,
    cgroup: own.cgroup,
    podCidr: config.podCidr,
    ...(p.nodeCidr === undefined ? {} : { nodeCidr: p.nodeCidr }),
    serviceCidr: config.serviceCidr,
    clusterDns: serviceAddress(config.serviceCidr, 10),
    clusterDomain: config.clusterDomain,
    resolvConf,
    maxPods: config.maxPods,
    ...(config.kubelet ? { kubeletFiles: config.kubelet } : {}),
    ...(config.featureGates ? { featureGates: config.featureGates } : {}),
  };
  writeJson(own.config, agent);
  writeFileAtomic(
    own.kubeconfig,
    kubeconfigText(node.name, {
      server: agent.server,
      certificateAuthority: agent.certificateAuthority,
      clientCertificate: agent.kubelet.certificate,
      clientKey: agent.kubelet.key,
    }),
  );
}

/** The machine's resolvers that can be reached from another network namespace. */
function outsideResolvers(): string {
  for (const file of ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf']) {
    const servers = (readIfThere(file) ?? '').split('\n').filter(l => /^nameserver\s/.test(l));
    const reachable = servers.filter(l => !isLoopback(l.split(/\s+/)[1] ?? ''));
    if (reachable.length > 0) return `${reachable.join('\n')}\n`;
  }
  return '';
}

function supervisorConfig(p: Preparation, plan: LabPlan | undefined, serverFile: string): SupervisorConfig {
  const { paths, config, main } = p;
  const first = plan && { namespace: namespacePath(plan.nodes[0]!.namespace) };
  const api: ListenerSpec = { name: 'api', host: '127.0.0.1', port: p.apiPort, orAny: p.anyApiPort };
  const children: ChildSpec[] = [
    {
      name: serverChild,
      args: [youngGenerationMb(8), main, 'server', '--config', serverFile],
      listeners: [api],
      ...first,
    },
  ];
  for (const node of plan?.nodes ?? []) {
    const args = [youngGenerationMb(2), main, 'agent', '--config', nodePaths(paths, node.name).config];
    children.push({ name: node.name, args, namespace: namespacePath(node.namespace) });
  }
  if (config.ports.length > 0 && plan) {
    const listeners = config.ports.map(
      (port): ListenerSpec => ({
        name: `${port.hostAddress}:${port.hostPort}`,
        host: port.hostAddress,
        port: port.hostPort,
      }),
    );
    const forwards = config.ports.map((port, i) => ({
      listener: listeners[i]!.name,
      host: plan.nodes[0]!.address,
      port: port.nodePort,
    }));
    const file = `${paths.state}/forward.json`;
    writeJson(file, { forwards } satisfies ForwardConfig);
    children.push({ name: forwardChild, args: [main, 'forward', '--config', file], listeners, ...first });
  }
  return { controlSocket: paths.controlSocket, logDirectory: paths.logs, children };
}
