// What a configuration asks for beyond what its fields tell one by one: files that can be read, names that are known,
// networks that fit. Looked at before anything of the cluster is made.
import { accessSync, constants, statSync } from 'node:fs';
import { messageOf } from '../../base/assert.ts';
import { apiServerFields } from '../api-server-fields.ts';
import { type ClusterConfig, podCidrOf } from '../config.ts';
import { badNetworks } from '../config-network.ts';
import { CliError, exitCode } from './exit.ts';

/** Throws a usage error that names the field. */
export async function checkConfig(config: ClusterConfig): Promise<void> {
  const bad = badNetworks({ ...config, podCidr: podCidrOf(config) });
  if (bad) throw new CliError(`spec.network: ${bad}`, exitCode.usage);
  for (const [field, file] of filesOf(config)) checkFile(field, file);
  await checkControllers(config.controllers);
}

function filesOf(config: ClusterConfig): [field: string, file: string][] {
  const { apiServer = {}, scheduler = {}, kubelet = {} } = config;
  const ofServer = Object.entries(apiServerFields).flatMap(([name, kind]) => {
    if (kind !== 'file' && kind !== 'files') return [];
    const given = apiServer[name as keyof typeof apiServer] as string | readonly string[] | undefined;
    return [given ?? []].flat().map((file): [string, string] => [`spec.apiServer.${name}`, file]);
  });
  const others = { 'scheduler.config': scheduler.config, 'kubelet.config': kubelet.config };
  return [
    ...ofServer,
    ...Object.entries(others).flatMap(([name, file]): [string, string][] => (file ? [[`spec.${name}`, file]] : [])),
    ...(scheduler.plugins ?? []).map((file): [string, string] => ['spec.scheduler.plugins', file]),
  ];
}

function checkFile(field: string, file: string): void {
  try {
    accessSync(file, constants.R_OK);
    if (statSync(file).isDirectory()) throw new Error('it is a directory, not a file');
  } catch (error) {
    throw new CliError(`${field}: reading ${JSON.stringify(file)}: ${messageOf(error)}`, exitCode.usage);
  }
}

async function checkControllers(select: readonly string[] | undefined): Promise<void> {
  if (!select) return;
  const { checkControllerNames } = await import('../control-plane-controllers.ts');
  try {
    checkControllerNames(select);
  } catch (error) {
    throw new CliError(`spec.controllers: ${messageOf(error)}`, exitCode.usage);
  }
}
