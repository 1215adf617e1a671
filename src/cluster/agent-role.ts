// What `k8ts agent` runs. The bundle has it in one script of its own (tools/bundle.ts).
import { runAgent } from './agent.ts';
import { readRoleConfig } from './role.ts';
import type { RunOptions } from './server.ts';

export async function run(file: string, signal: AbortSignal, options: RunOptions): Promise<void> {
  await runAgent(readRoleConfig(file), signal, options);
}
