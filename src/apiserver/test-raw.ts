// Bytes to a server over HTTP/1.1, however wrong they are.
import { once } from 'node:events';
import { connect } from 'node:tls';
import type { TestServer } from './test-server.ts';

/** As the superuser: all that comes back for `bytes` until the connection ends. */
export async function sendRaw({ ca, admin, url }: TestServer, bytes: string): Promise<string> {
  const socket = connect({ port: Number(new URL(url).port), ca, cert: admin.certificatePem, key: admin.keyPem });
  let told = '';
  socket.setEncoding('utf8').on('data', text => {
    told += text;
  });
  socket.on('error', () => {});
  socket.write(bytes);
  await once(socket, 'close');
  return told;
}
