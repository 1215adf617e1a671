// Servers on loopback for tests of the client.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';

const folder = mkdtempSync(join(tmpdir(), 'k8ts-http-client-'));
after(() => rmSync(folder, { recursive: true }));
/** A certificate for loopback, made once a process. */
export const pem = (() => {
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-x509', '-days', '2'];
  execFileSync('openssl', ['req', ...kind, '-keyout', key, '-out', cert, ...subject], { stdio: 'ignore' });
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
})();

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A TLS server that speaks HTTP/2 (or only HTTP/1.1) on loopback. */
export async function serve(handler: Handler, protocol: 'h2' | 'http/1.1' | 'plain' = 'h2') {
  const sockets = new Set<Socket>();
  const server =
    protocol === 'h2'
      ? http2.createSecureServer({ ...pem, settings: { maxConcurrentStreams: 250 } }, handler as never)
      : protocol === 'plain'
        ? http.createServer(handler)
        : https.createServer(pem, handler);
  server.on(protocol === 'plain' ? 'connection' : 'secureConnection', (s: Socket) => {
    sockets.add(s);
    s.on('close', () => sockets.delete(s));
  });
  const drop = () => {
    for (const s of sockets) s.destroy();
  };
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${protocol === 'plain' ? 'http' : 'https'}://127.0.0.1:${port}`,
    port,
    drop,
    connections: () => sockets.size,
    async close() {
      const closed = new Promise(resolve => server.close(resolve));
      drop();
      await closed;
    },
  };
}
