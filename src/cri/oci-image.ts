import { createHash } from 'node:crypto';
import type { Architecture } from './pause-program.ts';
import { type TarEntry, writeTar } from './tar.ts';

export interface ImageSource {
  /** Full reference, registry included. */
  readonly reference: string;
  readonly architecture: Architecture;
  /** The first layer, most often the only one. */
  readonly files: readonly TarEntry[];
  readonly moreLayers?: readonly (readonly TarEntry[])[];
  /** The image configuration's `config`: Entrypoint, Cmd, Env, User, … */
  readonly config: Readonly<Record<string, unknown>>;
}

/** This machine's architecture under the name images use. */
export function hostArchitecture(): Architecture {
  if (process.arch === 'x64') return 'amd64';
  if (process.arch === 'arm64') return 'arm64';
  throw new Error(`make an image: no support for the architecture "${process.arch}"`);
}

/** An OCI image layout with one image, as a tar that containerd imports under the image's reference. Deterministic. */
export function ociArchive(image: ImageSource): Buffer {
  const layers = [image.files, ...(image.moreLayers ?? [])].map(writeTar);
  const config = json({
    architecture: image.architecture,
    os: 'linux',
    config: image.config,
    rootfs: { type: 'layers', diff_ids: layers.map(digest) },
    history: [{ created_by: 'k8ts' }],
  });
  const manifest = json({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: descriptor('application/vnd.oci.image.config.v1+json', config),
    layers: layers.map(layer => descriptor('application/vnd.oci.image.layer.v1.tar', layer)),
  });
  const index = json({
    schemaVersion: 2,
    manifests: [
      {
        ...descriptor('application/vnd.oci.image.manifest.v1+json', manifest),
        platform: { architecture: image.architecture, os: 'linux' },
        annotations: { 'io.containerd.image.name': image.reference },
      },
    ],
  });
  return writeTar([
    { name: 'oci-layout', content: json({ imageLayoutVersion: '1.0.0' }) },
    { name: 'index.json', content: index },
    { name: 'blobs/' },
    { name: 'blobs/sha256/' },
    ...[...layers, config, manifest].map(content => ({ name: `blobs/sha256/${digest(content).slice(7)}`, content })),
  ]);
}

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const digest = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const descriptor = (mediaType: string, bytes: Uint8Array) => ({ mediaType, digest: digest(bytes), size: bytes.length });
