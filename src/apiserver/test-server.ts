// An API server for tests: memory store, throwaway certificates, a port of its own on loopback.
import { generateKeyPairSync } from 'node:crypto';
import { type Clock, systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { randomUuid, systemRandom } from '../base/random.ts';
import { type CertificateAndKey, createCa, issueCertificate } from '../base/x509.ts';
import { httpClient } from '../client/http-client.ts';
import { memoryStore } from '../store/memory-store.ts';
import type { Store } from '../store/store.ts';
import { type ApiServer, type ApiServerOptions, createApiServer } from './server.ts';

export interface TestServer {
  readonly server: ApiServer;
  readonly url: string;
  readonly ca: string;
  readonly admin: CertificateAndKey;
  /** Over HTTPS as the superuser, or as another user. */
  http(user?: { name: string; groups?: readonly string[] }): Promise<ReturnType<typeof httpClient>>;
  stop(): Promise<void>;
}

// With K8TS_TEST_ETCD=http://127.0.0.1:2379 the same tests run on etcd, each server below a prefix of its own.
async function testStore(clock: Clock): Promise<Store> {
  const server = process.env.K8TS_TEST_ETCD;
  if (!server) return memoryStore({ clock });
  const { openEtcdStore } = await import('../store/etcd-store.ts');
  const prefix = `/${randomUuid(systemRandom)}`;
  // etcd's time is not a test's to move.
  return openEtcdStore({ servers: [server], prefix, clock: systemClock, random: systemRandom, log: silentLog });
}

export async function startTestServer(
  options: Partial<ApiServerOptions> & {
    store?: Store;
    clock?: Clock /** Wait until it is ready: the default. */;
    whenReady?: boolean;
  } = {},
): Promise<TestServer> {
  const clock = options.clock ?? systemClock;
  const certificates = { nowMs: clock.now(), random: systemRandom, days: 1 };
  const ca = await createCa({ commonName: 'test-ca', ...certificates });
  const serving = await issueCertificate(ca, {
    subject: { commonName: 'kube-apiserver', organizations: [] },
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1'],
    usages: 'server',
    ...certificates,
  });
  const issue = (commonName: string, organizations: readonly string[]) =>
    issueCertificate(ca, {
      subject: { commonName, organizations },
      dnsNames: [],
      ipAddresses: [],
      usages: 'client',
      ...certificates,
    });
  const admin = await issue('kubernetes-admin', ['system:masters']);
  const sa = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const store = options.store ?? (await testStore(clock));
  const server = createApiServer({
    log: silentLog,
    ...options,
    clock,
    store,
    tls: { cert: serving.certificatePem, key: serving.keyPem, clientCa: ca.certificatePem },
    serviceAccountKeys: options.serviceAccountKeys ?? { privateKey: sa.privateKey, publicKeys: [sa.publicKey] },
  });
  const { port } = await server.listenOn({ host: '127.0.0.1', port: 0 });
  const stopping = new AbortController();
  const running = server.run(stopping.signal);
  if (options.whenReady ?? true) await server.ready;
  else running.catch(() => {});
  const url = `https://127.0.0.1:${port}`;
  const clients: { close(): void }[] = [];
  return {
    server,
    url,
    ca: ca.certificatePem,
    admin,
    async http(user) {
      const identity = user ? await issue(user.name, user.groups ?? []) : admin;
      const client = httpClient({
        server: url,
        ca: ca.certificatePem,
        cert: identity.certificatePem,
        key: identity.keyPem,
        userAgent: 'test',
      });
      clients.push(client);
      return client;
    },
    async stop() {
      for (const c of clients) c.close();
      stopping.abort();
      await running.catch(error => {
        if (options.whenReady ?? true) throw error;
      });
      await store.close();
    },
  };
}
