// A node's DNS: the index fed by informers, the server on the node's address, health and metrics.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { coreV1, discoveryV1 } from '../api/refs.ts';
import type { Service as KubeService, Namespace } from '../api/type/core-v1.ts';
import type { EndpointSlice } from '../api/type/discovery-v1.ts';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { aborted, runAll, type Service } from '../base/lifecycle.ts';
import type { Log } from '../base/log.ts';
import { createMetrics, type Metrics } from '../base/metrics.ts';
import type { Random } from '../base/random.ts';
import type { InformerFactory } from '../client/informer.ts';
import { dnsMetrics } from './dns-metrics.ts';
import { DnsServer } from './dns-server.ts';
import { Forwarder } from './forwarder.ts';
import { RecordIndex } from './kernel/record-index.ts';
import { parseNameservers } from './kernel/resolv-conf.ts';

export interface ClusterDnsOptions {
  readonly domain: string;
  /** Where to serve: the node's address. */
  readonly address: string;
  /** The cluster IP that pods know. */
  readonly clusterDns: string;
  /** File with the name servers for everything else; read again when it changes. */
  readonly resolvConf: string;
  /** Must be allowed to list and watch services and endpointslices; namespaces too, or any pod's name has an address. */
  readonly informers: InformerFactory;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Default 53. */
  readonly port?: number;
  /** Default 9153: /metrics, /health and /ready. */
  readonly metricsPort?: number;
  readonly metrics?: Metrics;
  readonly onListening?: () => void;
}

const rereadMs = 5_000;
const retryMs = 5_000;

export function createClusterDns(options: ClusterDnsOptions): Service {
  const { clock, random, informers, address, log, metrics = createMetrics() } = options;
  const domain = options.domain.toLowerCase().replace(/\.$/, '');
  const index = new RecordIndex();
  const { complete, whenComplete } = feedIndex(index, informers);
  let nameservers: readonly string[] = [];
  const ownAddresses = new Set([address, options.clusterDns]);
  const server = new DnsServer({
    zone: { domain, index, serverAddress: options.clusterDns, serial: () => Math.floor(clock.now() / 1000) },
    forwarder: new Forwarder({ nameservers: () => nameservers, clock, random }),
    metrics: dnsMetrics(metrics, domain),
    complete,
    whenComplete,
    clock,
    log,
  });
  const resolvers: Service = {
    name: 'DNS name servers',
    async run(signal) {
      while (!signal.aborted) {
        // Asking ourselves would go in circles.
        nameservers = readNameservers(options.resolvConf).filter(a => !ownAddresses.has(a));
        await clock.sleep(rereadMs, signal).catch(() => {});
      }
    },
  };
  const serving: Service = {
    name: 'DNS server',
    run: signal => server.serve(address, options.port ?? 53, signal, options.onListening),
  };
  const http = statusServer(address, options.metricsPort ?? 9153, { metrics, complete, clock, log });
  return { name: 'dns', run: signal => runAll([resolvers, serving, http], signal) };
}

function readNameservers(file: string): string[] {
  try {
    return parseNameservers(readFileSync(file, 'utf8'));
  } catch {
    return [];
  }
}

function feedIndex(index: RecordIndex, informers: InformerFactory) {
  const services = informers.informer<KubeService>(coreV1.services);
  const slices = informers.informer<EndpointSlice>(discoveryV1.endpointslices);
  const namespaces = informers.informer<Namespace>(coreV1.namespaces);
  services.addHandler({
    onAdd: s => index.putService(s),
    onUpdate: s => index.putService(s),
    onDelete: s => index.deleteService(s),
  });
  slices.addHandler({
    onAdd: s => index.putSlice(s),
    onUpdate: (s, old) => index.putSlice(s, old),
    onDelete: s => index.deleteSlice(s),
  });
  namespaces.addHandler({
    onAdd: n => index.putNamespace(n.metadata.name ?? ''),
    onDelete: n => index.deleteNamespace(n.metadata.name ?? ''),
  });
  return {
    /** Everything has been read once. */
    complete: () => services.synced && slices.synced,
    whenComplete: Promise.all([services.whenSynced(), slices.whenSynced()]).then(() => {}),
  };
}

interface StatusOptions {
  readonly metrics: Metrics;
  readonly complete: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

// A taken port costs the metrics, never the DNS.
function statusServer(address: string, port: number, { metrics, complete, clock, log }: StatusOptions): Service {
  const http = () =>
    createServer(async (request, response) => {
      const path = request.url?.split('?')[0];
      if (path === '/metrics')
        response.writeHead(200, { 'content-type': metrics.contentType }).end(await metrics.text());
      else if (path === '/health') response.writeHead(200).end('OK');
      else if (path === '/ready') response.writeHead(complete() ? 200 : 503).end(complete() ? 'OK' : 'kubernetes');
      else response.writeHead(404).end();
    });
  return {
    name: 'DNS metrics',
    async run(signal) {
      while (!signal.aborted) {
        const server = http();
        try {
          await new Promise<void>((resolve, reject) => {
            server.once('error', reject);
            server.listen({ host: address, port, exclusive: true }, resolve);
          });
          await aborted(signal);
        } catch (error) {
          log.warn('serving DNS metrics failed; trying again', { address, port, error: messageOf(error) });
          await clock.sleep(retryMs, signal).catch(() => {});
        } finally {
          server.close();
          server.closeAllConnections();
        }
      }
    },
  };
}
