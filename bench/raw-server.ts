// The raw limit: Node's TLS and HTTP/2, JSON parsed, bytes put durably into LMDB, nothing else. Takes a directory and
// PEM files; tells its port.
import { readFileSync } from 'node:fs';
import { createSecureServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { open } from 'lmdb';

const [directory, certFile, keyFile] = process.argv.slice(2);
const db = open<Buffer, Buffer>({
  path: directory!,
  encoding: 'binary',
  keyEncoding: 'binary',
  pageSize: 8192,
  overlappingSync: false,
  mapSize: 2 ** 34,
});
const server = createSecureServer({
  cert: readFileSync(certFile!),
  key: readFileSync(keyFile!),
  allowHTTP1: true,
  settings: { maxConcurrentStreams: 1000, initialWindowSize: 1 << 20 },
});
server.on('session', session => session.setLocalWindowSize(64 << 20));

const stored: Buffer[] = [];
let count = 0;

async function create(stream: ServerHttp2Stream): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  const object = JSON.parse(Buffer.concat(chunks).toString()) as object;
  const body = Buffer.from(JSON.stringify(object));
  await db.put(Buffer.from(`/registry/pods/${count++}`), body);
  stored.push(body);
  stream.respond({ ':status': 201, 'content-type': 'application/json' });
  stream.end(body);
}

const comma = Buffer.from(',');

async function list(stream: ServerHttp2Stream): Promise<void> {
  stream.respond({ ':status': 200, 'content-type': 'application/json' });
  stream.cork();
  stream.write('{"items":[');
  let n = 0;
  for (const body of stored) {
    if (n) stream.write(comma);
    const ready = stream.write(body);
    if (++n % 64) continue;
    stream.uncork();
    await new Promise<void>(resolve => (ready ? setImmediate(resolve) : stream.once('drain', () => resolve())));
    stream.cork();
  }
  stream.end(']}');
  stream.uncork();
}

server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
  stream.on('error', () => {});
  if (headers[':method'] === 'POST') void create(stream);
  else if (headers[':path'] === '/readyz') {
    stream.respond({ ':status': 200 });
    stream.end('ok');
  } else void list(stream);
});
server.listen(0, '127.0.0.1', () => process.send!({ port: (server.address() as AddressInfo).port }));
process.on('SIGTERM', () => process.exit());
