// `k8ts controllers`, `k8ts scheduler`, `k8ts proxy`: one component in the foreground.
import type { Command } from 'commander';
import { systemClock } from '../../base/clock.ts';
import { createLog } from '../../base/log.ts';
import { systemRandom } from '../../base/random.ts';
import type { CommonOptions, ControllersOptions, ProxyOptions, SchedulerOptions } from '../component/component.ts';
import { addControllerFlags, tuningOf } from './controller-flags.ts';
import { CliError, exitCode } from './exit.ts';
import { parseGates } from './gates.ts';
import { parseNodeAddresses } from './node-addresses.ts';

/** Commands that run until they are stopped or cannot go on, and then are over: nobody waits for what they still try. */
export const componentCommands: ReadonlySet<string> = new Set(['controllers', 'scheduler', 'proxy']);

interface Flags {
  readonly kubeconfig?: string;
  readonly leaderElect?: boolean;
  readonly statusPort: string;
  readonly bindAddress: string;
  readonly [flag: string]: unknown;
}

const common = (command: Command, port: number): Command =>
  command
    .option('--kubeconfig <file>', "default: KUBECONFIG, ~/.kube/config, or the pod's own service account")
    .option('--status-port <port>', 'of /healthz and /metrics; 0: none', String(port))
    .option('--bind-address <address>', 'where the status port listens', '127.0.0.1');

const elected = (command: Command): Command =>
  command
    .option('--leader-elect', 'run only while holding the lease in kube-system (default)')
    .option('--no-leader-elect', 'run at once');

const collect = (value: string, list: string[] = []): string[] => [...list, ...value.split(',')];

/** `stop` aborts when the command is interrupted. */
export function addComponents(program: Command, stop: () => AbortSignal): void {
  addControllerFlags(
    elected(common(program.command('controllers').description('run the controllers beside any API server'), 10257)),
  )
    .option('--cluster-cidr <cidr>', "range of pods' addresses that nodes get their part of")
    .option('--controllers <names>', 'which: *, NAME, -NAME; repeatable', collect)
    .option('--root-ca-file <file>', 'what pods are given to verify the API server')
    .option('--cluster-signing-cert-file <file>', 'signs certificates asked for through the API')
    .option('--cluster-signing-key-file <file>', 'its key')
    .option('--service-account-private-key-file <file>', 'signs tokens of service accounts in Secrets')
    .option('--feature-gates <gates>', 'NAME=true or NAME=false, parted by commas; repeatable', collect)
    .action(async (flags: Flags) => {
      const { runControllersAlone } = await import('../component/component.ts');
      await runControllersAlone(
        { ...flags, ...settled(flags), ...gates(flags), tuning: tuningOf(flags) } as ControllersOptions,
        surroundings('controllers'),
        stop(),
      );
    });
  elected(common(program.command('scheduler').description('run the scheduler beside any API server'), 10259))
    .option('--config <file>', 'KubeSchedulerConfiguration')
    .option('--plugin <module>', 'a module with plugins; repeatable', collect)
    .option('--feature-gates <gates>', 'NAME=true or NAME=false, parted by commas; repeatable', collect)
    .action(async (flags: Flags) => {
      const { runSchedulerAlone } = await import('../component/component.ts');
      const options = { ...flags, ...settled(flags), ...gates(flags) } as SchedulerOptions;
      await runSchedulerAlone(options, surroundings('scheduler'), stop());
    });
  common(program.command('proxy').description('run the service proxy of this machine'), 0)
    .requiredOption('--node-name <name>', "this node's name")
    .requiredOption('--node-address <address>', 'where node ports answer; one of each family, parted by a comma')
    .option('--cluster-cidr <cidr>', "range of pods' addresses", '10.244.0.0/16')
    .option('--service-cidr <cidr>', "range of services' addresses", '10.96.0.0/12')
    .option('--feature-gates <gates>', 'NAME=true or NAME=false, parted by commas; repeatable', collect)
    .action(async (flags: Flags) => {
      const { runProxyAlone } = await import('../component/component.ts');
      const nodeAddresses = parseNodeAddresses(String(flags.nodeAddress));
      const options = { ...flags, ...settled(flags), ...gates(flags), nodeAddresses } as unknown as ProxyOptions;
      await runProxyAlone(options, surroundings('proxy'), stop());
    });
}

const surroundings = (name: string) => ({ clock: systemClock, random: systemRandom, log: createLog(name) });

/** The last value of a gate counts. */
function gates({ featureGates }: Flags): Pick<ControllersOptions, 'featureGates'> {
  return featureGates ? { featureGates: parseGates(featureGates as string[]) } : {};
}

function settled(flags: Flags): Pick<CommonOptions, 'statusPort'> {
  const statusPort = Number(flags.statusPort);
  if (!Number.isInteger(statusPort) || statusPort < 0 || statusPort > 65_535)
    throw new CliError(`--status-port ${JSON.stringify(flags.statusPort)}: want a port, or 0 for none`, exitCode.usage);
  return { statusPort };
}
