// What a node does for pods and services, on one cluster of two nodes with real containers and real traffic.
// Runs beside others: its cluster is its own, and it ends and measures only what is in there.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { findProgram } from '../src/cri/command.ts';
import { hostArchitecture, ociArchive } from '../src/cri/oci-image.ts';
import { ClusterAccess } from './cluster-access.ts';
import { loadBusybox, newLab } from './lab.ts';
import { apiProxyTests } from './node/api-proxy.ts';
import { conformanceContainers } from './node/conformance-containers.ts';
import { conformanceEnvironment } from './node/conformance-environment.ts';
import { conformancePods } from './node/conformance-pods.ts';
import { conformanceProbes } from './node/conformance-probes.ts';
import { conformanceResize } from './node/conformance-resize.ts';
import { containerTests, namedUserImage, userImage } from './node/containers.ts';
import { disruptionTests } from './node/disruption.ts';
import { extensionTests } from './node/extensions.ts';
import { imageTests } from './node/images.ts';
import { initContainerTests } from './node/init-containers.ts';
import { lifecycleTests } from './node/lifecycle.ts';
import { mountTests } from './node/mounts.ts';
import { nameTests } from './node/names.ts';
import { networkTests } from './node/network.ts';
import { podChangeTests } from './node/pod-changes.ts';
import { probeTests } from './node/probes.ts';
import { restartTests } from './node/restart.ts';
import { sandboxTests } from './node/sandbox.ts';
import { securityTests } from './node/security.ts';
import { serviceTests } from './node/services.ts';
import { variableTests } from './node/variables.ts';
import { volumeConformanceTests } from './node/volume-conformance.ts';
import { projectedVolumeTests } from './node/volume-projected.ts';
import { volumeTests } from './node/volumes.ts';

const image = 'k8ts.test/busybox:1';
const lab = newLab('node');
let access: ClusterAccess;

/** Busybox with another user and an entrypoint, as images come that their makers have thought about. */
async function loadUserImages(): Promise<void> {
  const program = readFileSync(findProgram('busybox') ?? '/bin/busybox');
  for (const [reference, user] of [
    [userImage, '1234'],
    [namedUserImage, 'someone'],
  ] as const) {
    const files = [
      { name: 'bin/' },
      { name: 'bin/busybox', content: program, mode: 0o755 },
      ...['echo', 'sh', 'id'].map(applet => ({ name: `bin/${applet}`, link: 'busybox' })),
      { name: 'etc/' },
      { name: 'etc/passwd', content: Buffer.from('root:x:0:0:root:/:/bin/sh\nsomeone:x:1234:1234::/:/bin/sh\n') },
      { name: 'etc/group', content: Buffer.from('root:x:0:\nsomeone:x:1234:\nfriends:x:50000:someone\n') },
    ];
    const config = { Entrypoint: ['echo', 'entry'], Cmd: ['default'], Env: ['PATH=/bin'], User: user };
    const archive = join(lab.home, `${user}.tar`);
    writeFileSync(archive, ociArchive({ reference, architecture: hostArchitecture(), files, config }));
    await lab.k8ts('image', 'load', archive);
  }
}

before(async () => {
  await lab.k8ts('up', '--nodes', '2');
  await loadBusybox(lab, image);
  await loadUserImages();
  access = new ClusterAccess(lab, 'node-test', image);
  await access.ask('POST', '/api/v1/namespaces', { metadata: { name: 'node-test' } });
});

after(() => lab.dispose());

type Tests = (c: () => ClusterAccess) => void;
const together =
  (...all: Tests[]): Tests =>
  c => {
    for (const tests of all) tests(c);
  };

const groups = {
  containers: together(containerTests, variableTests),
  volumes: together(volumeTests, projectedVolumeTests),
  lifecycle: together(initContainerTests, probeTests, podChangeTests, lifecycleTests),
  security: together(securityTests, sandboxTests),
};
const volumeGroups = { mounts: mountTests, 'volume conformance': volumeConformanceTests, extensions: extensionTests };
const networkGroups = {
  network: networkTests,
  services: serviceTests,
  'names, proxies, images': together(nameTests, apiProxyTests, imageTests),
};
const conformanceTests = together(
  conformancePods,
  conformanceContainers,
  conformanceEnvironment,
  conformanceProbes,
  conformanceResize,
);

for (const [name, tests] of Object.entries({
  ...groups,
  ...volumeGroups,
  ...networkGroups,
  conformance: conformanceTests,
}))
  describe(name, { concurrency: true }, () => {
    tests(() => access);
    after(() => access.clear());
  });
// One after the other: each takes something away from the node.
describe('restart', () => restartTests(() => access));
describe('disruption', () => disruptionTests(() => access));
