import { readFileSync } from 'node:fs';

/** Kubernetes version whose API is served. */
export const kubernetesVersion = 'v1.36.2';

/** The package's own version. */
export const k8tsVersion: string = readOwnVersion();

function readOwnVersion(): string {
  for (const up of ['../../package.json', '../package.json']) {
    try {
      const found = JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')) as {
        name?: string;
        version?: string;
      };
      if (found.name === 'k8ts' && found.version) return found.version;
    } catch {
      // The bundle lies elsewhere than the source.
    }
  }
  return '0.0.0';
}
