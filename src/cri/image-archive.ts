import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { findProgram, runProgram } from './command.ts';
import { isGzip, readFromTar } from './tar.ts';

/**
 * Imports a docker-archive or OCI archive (a tar, gzipped or not) into the namespace of the node's containerd and returns the
 * references its images now have. The CRI plugin lists them some milliseconds later, when it has heard of them.
 */
export async function loadImageArchive(socket: string, file: string): Promise<string[]> {
  const ctr = findProgram('ctr');
  if (!ctr) throw new Error('load an image: "ctr" not found on PATH; it comes with containerd (Debian: containerd)');
  const names = await archiveReferences(file);
  const command = ['--address', socket, '--namespace', 'k8s.io', 'images'];
  const before = new Set(await list(ctr, command));
  await withPlainTar(file, plain => runProgram(ctr, [...command, 'import', '--digests=false', plain]));
  const after = new Set(await list(ctr, command));
  for (const { raw, reference } of names) {
    // containerd takes an OCI archive's reference as it stands; the CRI looks for the full one.
    if (after.has(reference) || !after.has(raw)) continue;
    await runProgram(ctr, [...command, 'tag', raw, reference]);
    await runProgram(ctr, [...command, 'rm', raw]);
    after.delete(raw);
    after.add(reference);
  }
  const loaded = names.map(n => n.reference).filter(reference => after.has(reference));
  return loaded.length > 0 ? loaded : [...after].filter(name => !before.has(name));
}

// ctr takes no compressed archive.
async function withPlainTar(file: string, use: (plain: string) => Promise<unknown>): Promise<void> {
  if (!(await isGzip(file))) {
    await use(file);
    return;
  }
  const directory = await mkdtemp(join(tmpdir(), 'k8ts-image-'));
  try {
    const plain = join(directory, 'image.tar');
    await pipeline(createReadStream(file), createGunzip(), createWriteStream(plain));
    await use(plain);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function list(ctr: string, command: readonly string[]): Promise<string[]> {
  return (await runProgram(ctr, [...command, 'ls', '-q'])).split('\n').filter(Boolean);
}

/** The image names an archive states, in full; `raw` as written there. A bare tag names nothing: containerd makes one up. */
export async function archiveReferences(file: string): Promise<{ raw: string; reference: string }[]> {
  const found = await readFromTar(file, new Set(['manifest.json', 'index.json']));
  const parse = (name: string) => {
    const text = found.get(name);
    return text && JSON.parse(text.toString('utf8'));
  };
  const index = parse('index.json');
  const docker = parse('manifest.json');
  if (!index && !docker)
    throw new Error(
      `load ${JSON.stringify(file)}: neither a docker-archive nor an OCI archive (no manifest.json, no index.json)`,
    );
  const names: string[] = (index?.manifests ?? []).flatMap((m: { annotations?: Record<string, string> }) => {
    const name = m.annotations?.['io.containerd.image.name'] ?? m.annotations?.['org.opencontainers.image.ref.name'];
    return name ? [name] : [];
  });
  if (names.length === 0) names.push(...(docker ?? []).flatMap((m: { RepoTags?: string[] }) => m.RepoTags ?? []));
  return names.filter(raw => /[/:@]/.test(raw) || docker).map(raw => ({ raw, reference: fullReference(raw) }));
}

/** The reference with registry, library folder and tag spelled out, as container runtimes store it. */
export function fullReference(name: string): string {
  const slash = name.indexOf('/');
  const host = slash < 0 ? '' : name.slice(0, slash);
  const hasHost = host === 'localhost' || /[.:]/.test(host);
  let full = hasHost ? name : `docker.io/${slash < 0 ? 'library/' : ''}${name}`;
  full = full.replace(/^index\.docker\.io\//, 'docker.io/').replace(/^docker\.io\/([^/]+)$/, 'docker.io/library/$1');
  return /[:@][^/]*$/.test(full.slice(full.indexOf('/') + 1)) ? full : `${full}:latest`;
}
