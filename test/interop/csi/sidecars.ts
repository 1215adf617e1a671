// The containers that Kubernetes' storage group makes for CSI drivers, built from their Go modules into .cache.
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { run } from '../../clients/control-plane.ts';

const here = import.meta.dirname;
/** Where the programs are, once they are built. */
export const sidecarDirectory = resolve(here, '../../../.cache/csi');

/** By name; each folder's go.mod names the versions that fit together. */
const programs = {
  'csi-provisioner': ['provisioner', 'github.com/kubernetes-csi/external-provisioner/v6/cmd/csi-provisioner'],
  'csi-attacher': ['.', 'github.com/kubernetes-csi/external-attacher/v4/cmd/csi-attacher'],
  'csi-resizer': ['.', 'github.com/kubernetes-csi/external-resizer/v2/cmd/csi-resizer'],
} as const;

export type Sidecar = keyof typeof programs;

/** K8TS_SIDECARS names those to build, by commas; default all, which takes minutes the first time. */
const wanted = process.env.K8TS_SIDECARS?.split(',');

/** Why this machine cannot have some of them, by name. They are static, so that any image can run them. */
export async function buildSidecars(): Promise<Partial<Record<Sidecar, string>>> {
  const missing: Partial<Record<Sidecar, string>> = {};
  const hasGo = (await run('go', ['version'])).code === 0;
  mkdirSync(sidecarDirectory, { recursive: true });
  for (const [name, [folder, program]] of Object.entries(programs) as [Sidecar, readonly [string, string]][]) {
    const unwanted = wanted && !wanted.includes(name);
    const why = unwanted ? 'K8TS_SIDECARS' : hasGo ? await build(folder, program) : 'Go is not installed';
    if (why) missing[name] = why;
  }
  return missing;
}

async function build(folder: string, program: string): Promise<string | undefined> {
  const args = ['build', '-ldflags', '-s -w', '-o', `${sidecarDirectory}/`, program];
  const options = { cwd: join(here, folder), timeoutMs: 1_800_000 };
  const built = await run('env', ['CGO_ENABLED=0', 'go', ...args], options);
  if (built.code === 0) return undefined;
  // Away from the Go proxy, and without its modules from before.
  if (/dial tcp|no such host|403 Forbidden|404 Not Found|lookup /.test(built.stderr))
    return `its modules cannot be fetched: ${built.stderr.trim().split('\n').at(-1)}`;
  throw new Error(`building ${program}: ${built.stderr}`);
}
