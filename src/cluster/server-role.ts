// What `k8ts server` runs. The bundle has it in one script of its own (tools/bundle.ts).
import { readRoleConfig, type ServerConfig } from './role.ts';
import { type RunOptions, runServer } from './server.ts';
import { readServerFlags, withFlags } from './store-config.ts';

export async function run(
  file: string,
  signal: AbortSignal,
  options: RunOptions,
  flags: readonly string[],
): Promise<void> {
  await runServer(withFlags(readRoleConfig<ServerConfig>(file), readServerFlags(flags)), signal, options);
}
