// The control plane: API server, controllers and scheduler in one process.
import type { Server } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { CertificateFiles } from '../apiserver/configuration/certificates.ts';
import type { Clock } from '../base/clock.ts';
import { runAll } from '../base/lifecycle.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { ReadFiles } from './api-server-files.ts';
import type { ControlPlaneContext } from './component-context.ts';
import { serviceAddress } from './config.ts';
import { runControlPlane } from './control-plane.ts';
import { ensurePki } from './pki.ts';
import { openingStore, type ServerConfig } from './role.ts';
import { dumpOnSignal } from './scheduler-dump.ts';
import type { ChildLink } from './supervisor/child-link.ts';

export interface RunOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Tells a supervisor how far it is, and brings its sockets. */
  readonly link?: ChildLink;
}

/** Runs until the signal aborts; rejects when it cannot start or go on. */
export async function runServer(config: ServerConfig, signal: AbortSignal, options: RunOptions): Promise<void> {
  const { clock, random, log, link } = options;
  link?.phase(openingStore);
  const [{ createApiServer }, { openStore }] = await Promise.all([
    import('../apiserver/server.ts'),
    import('./store-config.ts'),
  ]);
  const [pki, store, handed] = await Promise.all([
    ensurePki(config.pkiDirectory, {
      clock,
      random,
      serverNames: config.serverNames,
      serverAddresses: config.serverAddresses,
      serviceClusterIp: serviceAddress(config.serviceCidr, 1),
      clusterDomain: config.clusterDomain,
    }),
    openStore(config.store, config.storeDirectory, { clock, random, log: log.with({ part: 'store' }) }),
    link?.supervised ? link.listener('api') : undefined,
  ]);
  const nodeUsage: ControlPlaneContext['nodeUsage'] = new Map();
  const decisions: NonNullable<ControlPlaneContext['decisions']> = {};
  const [{ readApiServerFiles, readPeer }, { readKubeletAccess }] = await Promise.all([
    import('./api-server-files.ts'),
    import('./kubelet-access.ts'),
  ]);
  let files: ReadFiles | undefined;
  try {
    files = readApiServerFiles(config.apiServer, { clock, log });
    const kubelets = readKubeletAccess(config.apiServer, {
      ca: pki.ca.certificatePem,
      client: { cert: pki.apiserverKubeletClient.certificatePem, key: pki.apiserverKubeletClient.keyPem },
      files: kubeletFiles(config.pkiDirectory),
      verifiedNodes: config.verifiedNodes,
    });
    const api = createApiServer({
      components: ['scheduler', 'controller-manager'],
      store,
      nodeUsage: name => nodeUsage.get(name),
      decisions: uid => decisions.of?.(uid),
      clock,
      random,
      log,
      tls: { cert: pki.apiserver.certificatePem, key: pki.apiserver.keyPem, clientCa: pki.ca.certificatePem },
      serviceAccountKeys: { privateKey: pki.serviceAccountKeyPem, publicKeys: [pki.serviceAccountPublicKeyPem] },
      kubelet: kubelets.kubelet,
      frontProxyCa: pki.frontProxyCa.certificatePem,
      ...readPeer(config.apiServer, config.advertise),
      certificateFiles: {
        ...certificateFiles(config.pkiDirectory),
        ...kubelets.files,
        ...(config.apiServer?.peerCaFile ? { peerCa: config.apiServer.peerCaFile } : {}),
      },
      frontProxyClient: { cert: pki.frontProxyClient.certificatePem, key: pki.frontProxyClient.keyPem },
      serviceCidrs: [config.serviceCidr],
      advertise: config.advertise,
      hostname: hostname(),
      ...(config.featureGates ? { featureGates: config.featureGates } : {}),
      ...(config.runtimeConfig ? { runtimeConfig: config.runtimeConfig } : {}),
      ...files.options,
    });
    if (config.listen) await listenOn(api, config.listen);
    if (handed) api.listen(handed);
    const context: ControlPlaneContext = {
      config,
      clock,
      random,
      log,
      metrics: api.metrics,
      nodeUsage,
      decisions,
      clusterCa: pki.ca.certificatePem,
      clusterSigning: pki.ca,
      serviceAccountKey: pki.serviceAccountKeyPem,
      client: identity => api.client(identity),
    };
    link?.phase('starting the API server');
    const told = async () => {
      await api.ready;
      if (config.simulatedNodes > 0) {
        link?.phase('starting the simulated nodes');
        const { simulatedNodesReady } = await import('./simulated-nodes.ts');
        await simulatedNodesReady(context, signal);
      }
      link?.ready();
    };
    told().catch(() => {});
    const dump = dumpOnSignal(() => decisions.dump?.(), log.with({ part: 'scheduler' }));
    await runAll([dump, { name: 'control plane', run: s => runControlPlane(api, context, s) }], signal);
  } finally {
    await files?.close();
    await store.close();
  }
}

const pairOf = (directory: string, name: string) => ({
  cert: join(directory, `${name}.crt`),
  key: join(directory, `${name}.key`),
});

const kubeletFiles = (directory: string) => ({
  kubeletCa: join(directory, 'ca.crt'),
  kubeletClient: pairOf(directory, 'apiserver-kubelet-client'),
});

/** As ensurePki names them. */
function certificateFiles(directory: string): CertificateFiles {
  return {
    serving: pairOf(directory, 'apiserver'),
    clientCa: join(directory, 'ca.crt'),
    frontProxyCa: join(directory, 'front-proxy-ca.crt'),
    frontProxyClient: pairOf(directory, 'front-proxy-client'),
  };
}

interface Listens {
  listenOn(address: { host: string; port: number }): Promise<unknown>;
  listen(listener: Server): void;
}

async function listenOn(api: Listens, address: { host: string; port: number }): Promise<void> {
  try {
    await api.listenOn(address);
  } catch (error) {
    const inUse = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
    const what = inUse ? 'the port is in use by another program' : (error as Error).message;
    throw new Error(`opening ${address.host}:${address.port} for the API: ${what}`, { cause: error });
  }
}
