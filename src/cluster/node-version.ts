const wantedMajor = 26;

/** Throws where the library runs in a Node that lacks what it is written with, as the first thing a caller sees. */
export function checkNodeVersion(version: string = process.versions.node): void {
  if (Number.parseInt(version, 10) >= wantedMajor) return;
  throw new Error(
    `k8ts needs Node ${wantedMajor} or newer in this process, which is Node ${version}: run it from an npm script, ` +
      'where `node` is the one that k8ts brings, or with node_modules/.bin/node',
  );
}
