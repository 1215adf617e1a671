// Runs a pod of one container to its end, and gives its log.
import type { Container, Volume, VolumeMount } from '../../src/api/type/core-v1.ts';
import { type ClusterAccess, sh } from '../cluster-access.ts';

export function containerOutput(c: () => ClusterAccess) {
  return async (name: string, container: Partial<Container>, spec: object = {}, metadata: object = {}) => {
    await c().pod(name, { ...spec, containers: [{ name: 'main', ...container }] }, metadata);
    await c().ended(name);
    return c().log(name);
  };
}

/** Of a script under a security context. */
export function securedOutput(c: () => ClusterAccess) {
  const output = containerOutput(c);
  return (
    name: string,
    script: string,
    securityContext: object = {},
    spec: object = {},
    container: Partial<Container> = {},
  ) => output(name, { command: sh(script), securityContext, ...container }, spec);
}

export const mount = (name: string, mountPath = `/${name}`, more: Partial<VolumeMount> = {}) => ({
  name,
  mountPath,
  ...more,
});

/** Of a script with each volume mounted at its name. */
export function volumeOutput(c: () => ClusterAccess) {
  const output = containerOutput(c);
  return (name: string, script: string, volumes: readonly Volume[], spec: object = {}, container: object = {}) => {
    const volumeMounts = volumes.map(v => mount(v.name));
    return output(name, { command: sh(script), volumeMounts, ...container }, { volumes: [...volumes], ...spec });
  };
}

/** A script that lists a directory: name, mode, owner, group, content. */
export const modes = (dir: string) =>
  `for f in $(find ${dir}/ -maxdepth 1 ! -name '..*' ! -path ${dir}/ | sort); do echo $f $(stat -L -c '%a %u %g' $f) $(cat $f); done`;
