/**
 * The guestbook's images, built from Debian packages and pushed to a registry:
 *   images.ts DIRECTORY              builds them there
 *   images.ts DIRECTORY http://HOST  pushes what was built
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { hostArchitecture } from '../../src/cri/oci-image.ts';
import { type TarEntry, writeTar } from '../../src/cri/tar.ts';
import { fetchPackages, layerOf, unpackPackages } from './packages.ts';

interface ImagePlan {
  readonly name: string;
  readonly tags: readonly string[];
  readonly packages: readonly string[];
  readonly files: (tag: string) => readonly TarEntry[];
  readonly config: Readonly<Record<string, unknown>>;
}

const source = (path: string) => readFileSync(join(import.meta.dirname, path));
const path = 'PATH=/usr/sbin:/usr/bin:/sbin:/bin';
const common = ['libc6', 'zlib1g', 'libssl3'];

export const plans: readonly ImagePlan[] = [
  {
    name: 'guestbook-web',
    tags: ['1'],
    packages: [...common, 'nginx', 'libcrypt1', 'libpcre2-8-0'],
    files: () => [
      { name: 'etc/' },
      { name: 'etc/passwd', content: Buffer.from('root:x:0:0:root:/:/\n') },
      { name: 'etc/group', content: Buffer.from('root:x:0:\n') },
      { name: 'srv/www/' },
      { name: 'srv/www/index.html', content: source('web/index.html') },
      { name: 'tmp/', mode: 0o1777 },
      { name: 'var/log/nginx/' },
    ],
    config: { Entrypoint: ['nginx', '-c', '/etc/guestbook/nginx.conf'], Env: [path], StopSignal: 'SIGQUIT' },
  },
  {
    name: 'guestbook-api',
    tags: ['1', '2'],
    packages: [...common, 'python3.11-minimal', 'libpython3.11-minimal', 'libpython3.11-stdlib', 'libexpat1'],
    files: tag => [
      { name: 'app/' },
      { name: 'app/app.py', content: source('api/app.py') },
      { name: 'app/version', content: Buffer.from(`${tag}\n`) },
    ],
    config: { Entrypoint: ['python3.11', '/app/app.py'], Env: [path, 'PYTHONDONTWRITEBYTECODE=1'] },
  },
  {
    name: 'guestbook-redis',
    tags: ['1'],
    packages: [
      ...['libc6', 'libssl3', 'redis-server', 'redis-tools', 'libatomic1', 'libjemalloc2', 'liblzf1', 'libsystemd0'],
      ...['libstdc++6', 'libgcc-s1', 'liblz4-1', 'liblzma5', 'libzstd1', 'libcap2', 'libgcrypt20', 'libgpg-error0'],
    ],
    files: () => [{ name: 'data/' }, { name: 'tmp/', mode: 0o1777 }],
    config: { Entrypoint: ['redis-server'], Env: [path] },
  },
];

interface Blob {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

const ociLayer = 'application/vnd.oci.image.layer.v1.tar';
const ociConfig = 'application/vnd.oci.image.config.v1+json';
const ociManifest = 'application/vnd.oci.image.manifest.v1+json';

/** Blobs under their digests, and one manifest a tag as NAME:TAG.json. */
export async function buildImages(directory: string): Promise<void> {
  mkdirSync(directory, { recursive: true });
  await fetchPackages([...new Set(plans.flatMap(plan => plan.packages))]);
  await Promise.all(plans.map(plan => buildImage(plan, directory)));
}

async function buildImage(plan: ImagePlan, directory: string): Promise<void> {
  const root = join(directory, `${plan.name}.root`);
  await unpackPackages(plan.packages, root);
  await layerOf(root, `${root}.tar`);
  const base = readFileSync(`${root}.tar`);
  for (const tag of plan.tags)
    writeImage(directory, `${plan.name}:${tag}`, [base, writeTar(plan.files(tag))], plan.config);
}

/** Where `pushImages` finds it. `reference` is NAME:TAG, `layers` are archives in the clear, `config` as in OCI's `config`. */
export function writeImage(
  directory: string,
  reference: string,
  layers: readonly Buffer[],
  config: Readonly<Record<string, unknown>>,
): void {
  const file = join(directory, `${reference}.json`);
  mkdirSync(dirname(file), { recursive: true });
  const put = (mediaType: string, bytes: Buffer): Blob => {
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    writeFileSync(join(directory, digest), bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const blobs = layers.map(layer => put(ociLayer, layer));
  const rootfs = { type: 'layers', diff_ids: blobs.map(l => l.digest) };
  const image = { architecture: hostArchitecture(), os: 'linux', config, rootfs };
  const described = put(ociConfig, Buffer.from(JSON.stringify(image)));
  const manifest = { schemaVersion: 2, mediaType: ociManifest, config: described, layers: blobs };
  writeFileSync(file, JSON.stringify(manifest));
}

/** Pushes every image in the directory to a registry in the clear. */
export async function pushImages(directory: string, registry: string): Promise<void> {
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter(f => f.endsWith('.json'));
  for (const file of files) {
    const [name, tag] = file.slice(0, -'.json'.length).split(':');
    const text = readFileSync(join(directory, file));
    const { config, layers } = JSON.parse(text.toString());
    for (const blob of [config, ...layers]) await pushBlob(`${registry}/v2/${name}`, directory, blob.digest);
    await send(`${registry}/v2/${name}/manifests/${tag}`, 'PUT', text, ociManifest);
  }
}

async function pushBlob(repository: string, directory: string, digest: string): Promise<void> {
  if ((await fetch(`${repository}/blobs/${digest}`, { method: 'HEAD' })).ok) return;
  const begun = await send(`${repository}/blobs/uploads/`, 'POST');
  const to = new URL(begun.headers.get('location')!, repository);
  to.searchParams.set('digest', digest);
  await send(to.href, 'PUT', readFileSync(join(directory, digest)), 'application/octet-stream');
}

async function send(url: string, method: string, body?: Buffer, type?: string): Promise<Response> {
  const headers = type ? { 'content-type': type } : undefined;
  const response = await fetch(url, { method, body: body && new Uint8Array(body), headers });
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${await response.text()}`);
  return response;
}

if (import.meta.main) {
  const [directory, registry] = process.argv.slice(2);
  if (!directory) throw new Error('usage: images.ts DIRECTORY [http://REGISTRY]');
  await (registry ? pushImages(directory, registry) : buildImages(directory));
}
