// CDI devices for a containerd whose CRI overlooks them (before 1.7) or does so unless configured (before 2.0): the
// machine's specs are read here, and what reaches the CRI are variables, device nodes and mounts.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { messageOf } from '../base/assert.ts';
import { type CdiSpec, withCdiDevices } from './kernel/cdi.ts';
import { RuntimeError } from './runtime-error.ts';
import type { ContainerConfig, RuntimeService } from './type.ts';

/** The later one wins. */
export const cdiDirectories: readonly string[] = ['/etc/cdi', '/var/run/cdi'];

/** Whether the CRI of this containerd knows CDI without being told to. */
export const knowsCdi = (version: string): boolean => Number(/(\d+)\.\d+/.exec(version)?.[1] ?? 0) >= 2;

/** The config with the devices' edits, where the runtime needs that; the very same one otherwise. */
export async function resolveCdi(
  services: RuntimeService,
  config: ContainerConfig,
  directories = cdiDirectories,
): Promise<ContainerConfig> {
  const { CDI_devices: devices, ...rest } = config;
  if (!devices?.length || knowsCdi((await services.Version({})).runtime_version ?? '')) return config;
  try {
    const specs = await Promise.all(directories.map(readSpecs));
    return withCdiDevices(
      rest,
      devices.map(d => d.name ?? ''),
      specs,
    );
  } catch (error) {
    const text = `failed to inject CDI devices: CDI device injection failed: ${messageOf(error)}`;
    throw new RuntimeError('CreateContainer', 'Unknown', text, { cause: error });
  }
}

/** A file that cannot be read describes nothing. */
async function readSpecs(directory: string): Promise<readonly CdiSpec[]> {
  const names = await readdir(directory).catch(() => [] as string[]);
  const specs = names
    .filter(n => /\.(json|yaml)$/.test(n))
    .sort()
    .map(async (name): Promise<readonly CdiSpec[]> => {
      try {
        const spec: unknown = parse(await readFile(join(directory, name), 'utf8'));
        return spec && typeof spec === 'object' && 'kind' in spec ? [spec as CdiSpec] : [];
      } catch {
        return [];
      }
    });
  return (await Promise.all(specs)).flat();
}
