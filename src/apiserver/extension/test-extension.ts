// A server that extends the API server, for tests: HTTPS on loopback with a throwaway authority.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { systemClock } from '../../base/clock.ts';
import { systemRandom } from '../../base/random.ts';
import { createCa, issueCertificate } from '../../base/x509.ts';

export interface TestExtension {
  readonly url: string;
  readonly port: number;
  /** base64 of the PEM. */
  readonly caBundle: string;
  readonly certificatePem: string;
  /** Connections accepted so far. */
  readonly connections: () => number;
  stop(): Promise<void>;
}

export interface TestExtensionOptions {
  readonly dnsNames?: readonly string[];
  /** Its certificate has no name but this, the common one. */
  readonly commonName?: string;
  /** Its certificate is named like its authority. */
  readonly namesake?: boolean;
  /** Asks clients for certificates of this authority, without insisting. */
  readonly clientCa?: string;
  onUpgrade?(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

export async function startTestExtension(
  serve: (request: IncomingMessage, response: ServerResponse, body: string) => void | Promise<void>,
  options: TestExtensionOptions = {},
): Promise<TestExtension> {
  const making = { nowMs: systemClock.now(), random: systemRandom, days: 1 };
  const ca = await createCa({ commonName: 'extension-ca', ...making });
  const { certificatePem, keyPem } = await issueCertificate(ca, {
    subject: { commonName: options.commonName ?? (options.namesake ? 'extension-ca' : 'extension') },
    ...(options.commonName ? {} : { dnsNames: ['localhost', ...(options.dnsNames ?? [])], ipAddresses: ['127.0.0.1'] }),
    usages: 'server',
    ...making,
  });
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer(
    {
      cert: certificatePem,
      key: keyPem,
      ...(options.clientCa ? { ca: options.clientCa, requestCert: true, rejectUnauthorized: false } : {}),
    },
    (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', chunk => chunks.push(chunk));
      request.on('end', () => void serve(request, response, Buffer.concat(chunks).toString()));
    },
  );
  server.on('connection', socket => {
    connections++;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  if (options.onUpgrade) server.on('upgrade', options.onUpgrade);
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `https://127.0.0.1:${port}`,
    port,
    certificatePem,
    caBundle: Buffer.from(ca.certificatePem).toString('base64'),
    connections: () => connections,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise(resolve => server.close(resolve));
    },
  };
}
