// What the cases of the runtimes' conformance suite have in hand.
import { join } from 'node:path';
import type { ContainerRuntime } from './runtime.ts';
import { behaviourAnnotation, type ContainerBehaviour } from './simulated-container.ts';
import type { ContainerConfig, ContainerStatus, PodSandboxConfig } from './type.ts';

export interface RuntimeHarness {
  readonly runtime: ContainerRuntime;
  /** An image that is there; real ones hold /bin/busybox. */
  readonly image: string;
  /** Of the pods' logs. */
  readonly logDirectory: string;
  readonly cgroupParent: string;
  /** Lets time pass until the operation settles. */
  during<T>(operation: Promise<T>): Promise<T>;
  /** Lets time pass until the condition holds. */
  until(condition: () => boolean | Promise<boolean>): Promise<void>;
  dispose(): Promise<void>;
}

/** One program as a shell script for real runtimes and as behaviour for simulated ones. */
export interface Program {
  readonly script: string;
  readonly behaviour: ContainerBehaviour;
}
export const obedient: Program = { script: 'trap "exit 143" TERM; busybox sleep 1000 & wait', behaviour: {} };
export const stubborn: Program = {
  script: 'trap "" TERM; while :; do busybox sleep 1; done',
  behaviour: { ignoresTerm: true },
};
export const exiting = (exitCode: number): Program => ({
  script: `exit ${exitCode}`,
  behaviour: { exitAfterMs: 20, exitCode },
});

/** Registers a case. */
export type RuntimeCheck = (sentence: string, body: (bench: RuntimeBench) => Promise<void>) => void;

export type RuntimeBench = ReturnType<typeof runtimeBench>;

/** Pods and containers of the harness's runtime, each under a name of its own. */
export function runtimeBench(harness: RuntimeHarness) {
  let pods = 0;
  const podConfig = (labels: Record<string, string> = {}): PodSandboxConfig => {
    const uid = `uid-${++pods}`;
    return {
      metadata: { name: `pod-${pods}`, uid, namespace: 'default', attempt: 0 },
      hostname: `pod-${pods}`,
      log_directory: join(harness.logDirectory, uid),
      labels,
      annotations: { note: 'kept' },
      linux: { cgroup_parent: `${harness.cgroupParent}/pod${uid}` },
    };
  };
  const runPod = async (labels: Record<string, string> = {}) => {
    const config = podConfig(labels);
    const { pod_sandbox_id: id = '' } = await harness.during(harness.runtime.RunPodSandbox({ config }));
    return { id, config };
  };
  const create = async (
    pod: { id: string; config: PodSandboxConfig },
    program: Program,
    more: Partial<ContainerConfig> = {},
  ) => {
    const response = await harness.during(
      harness.runtime.CreateContainer({
        pod_sandbox_id: pod.id,
        sandbox_config: pod.config,
        config: {
          metadata: { name: 'main', attempt: 0 },
          image: { image: harness.image },
          command: ['/bin/busybox', 'sh', '-c', program.script],
          envs: [{ key: 'GREETING', value: Buffer.from('grüße') }],
          log_path: 'main/0.log',
          annotations: { [behaviourAnnotation]: JSON.stringify(program.behaviour) },
          ...more,
        },
      }),
    );
    return response.container_id ?? '';
  };
  const start = (id: string) => harness.during(harness.runtime.StartContainer({ container_id: id }));
  const run = async (program: Program) => {
    const pod = await runPod();
    const id = await create(pod, program);
    await start(id);
    return { pod, id };
  };
  const status = async (id: string): Promise<ContainerStatus> =>
    (await harness.runtime.ContainerStatus({ container_id: id })).status!;
  const exited = (id: string) => harness.until(async () => (await status(id)).state === 'CONTAINER_EXITED');
  const stop = (id: string, timeout: number) =>
    harness.during(harness.runtime.StopContainer({ container_id: id, timeout }));
  const removePod = async (id: string) => {
    await harness.during(harness.runtime.StopPodSandbox({ pod_sandbox_id: id }));
    await harness.during(harness.runtime.RemovePodSandbox({ pod_sandbox_id: id }));
  };
  return { harness, podConfig, runPod, create, start, run, status, exited, stop, removePod };
}
