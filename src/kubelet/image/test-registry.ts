// `test-registry.ts DIRECTORY PORT PASSWORD`: what examples/guestbook/images.ts wrote, for who knows the password.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

const manifestType = 'application/vnd.oci.image.manifest.v1+json';

/** Serves until it is killed; says so once it listens. Manifests are asked by tag or by digest. */
export function serveTestRegistry(directory: string, port: number, password: string): void {
  const manifests = new Map<string, Buffer>();
  for (const file of readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter(f => f.endsWith('.json'))) {
    const [name, tag] = file.slice(0, -'.json'.length).split(':');
    const bytes = readFileSync(join(directory, file));
    manifests.set(`${name}/manifests/${tag}`, bytes).set(`${name}/manifests/${digestOf(bytes)}`, bytes);
  }
  const expected = `Basic ${btoa(`user:${password}`)}`;
  const server = createServer((request, response) => {
    if (request.headers.authorization !== expected)
      return void response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end();
    const path = (request.url ?? '').replace('/v2/', '').replace(/\?.*/, '');
    const manifest = manifests.get(path);
    const blob = /\/blobs\/(sha256:[0-9a-f]{64})$/.exec(path)?.[1];
    const body = manifest ?? (blob ? readFileSync(join(directory, blob)) : undefined);
    if (path !== '' && !body) return void response.writeHead(404).end();
    const type = manifest ? manifestType : 'application/octet-stream';
    const digest = body ? { 'docker-content-digest': digestOf(body) } : {};
    response.writeHead(200, { 'content-type': type, 'content-length': body?.length ?? 0, ...digest });
    response.end(request.method === 'HEAD' ? undefined : body);
  });
  server.listen(port, '127.0.0.1', () => process.stdout.write('listening\n'));
}

const digestOf = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

if (import.meta.main) {
  const [directory = '', port = '', password = ''] = process.argv.slice(2);
  serveTestRegistry(directory, Number(port), password);
}
