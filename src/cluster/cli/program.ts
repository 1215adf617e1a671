// The command line: names, flags and help; what a command does is loaded when it is called.
import { Command, CommanderError, Option } from 'commander';
import { messageOf } from '../../base/assert.ts';
import { systemClock } from '../../base/clock.ts';
import { systemRandom } from '../../base/random.ts';
import { k8tsVersion, kubernetesVersion } from '../version.ts';
import { addComponents } from './component.ts';
import type { CliContext } from './context.ts';
import { CliError, exitCode } from './exit.ts';
import { createTalk } from './talk.ts';

const collect = (value: string, list: string[] = []): string[] => [...list, value];
const named = (c: Command): Command =>
  c.option('--name <cluster>', 'name of the cluster (default: $K8TS_CLUSTER, else dev)');
const json = (): Option => new Option('-o, --output <format>', 'print data on standard output').choices(['json']);
const waiting = (c: Command): Command =>
  c
    .option('--wait', 'wait until control plane and nodes are ready (default)')
    .option('--no-wait', 'do not wait')
    .option('--timeout <duration>', 'wait no longer than this, as 90s or 2m', '2m');

/** The whole tree; `context` is made when a command runs. */
export function createProgram(makeContext: () => CliContext): Command {
  const program = new Command('k8ts')
    .description(`Kubernetes ${kubernetesVersion} in TypeScript: clusters on this machine.`)
    .helpCommand('help [command]', 'help for a command')
    .version(k8tsVersion, '-V, --version', 'print the version')
    .showSuggestionAfterError()
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 not found or not running, 4 not ready in time, 130 interrupted.' +
        '\nNO_COLOR switches colours off. Clusters of root lie in /var/lib/k8ts, others in ~/.local/share/k8ts.',
    );
  addLifecycle(program, makeContext);
  addInspection(program, makeContext);
  addStore(program, makeContext);
  addDaemons(program);
  addComponents(program, () => makeContext().signal);
  program.commands
    .find(c => c.name() === 'controllers')!
    .command('graph')
    .description('print who watches and writes what')
    .action(async () => (await import('./graph.ts')).graph(makeContext()));
  return program;
}

function addLifecycle(program: Command, make: () => CliContext): void {
  waiting(named(program.command('up').description('make a cluster, or start a stopped one')))
    .option('--nodes <count>', 'number of nodes (default 1)')
    .option('--config <file>', 'ClusterConfiguration to read; - is standard input')
    .option('-p, --publish <mapping>', 'port of this machine for a node port, as 8080:30080; repeatable', collect)
    .option('--egress <on|off>', 'let nodes reach the world outside, for image pulls (default off)')
    .option('--api-port <port>', 'port of the API on 127.0.0.1 (default 6443, or a free one)')
    .option('--simulate [nodes]', 'nodes without containers: needs neither root nor Linux')
    .addOption(json())
    .action(async options => (await import('./up.ts')).up(make(), options));
  named(program.command('down').description('remove a cluster and everything it made'))
    .option('--all', 'all clusters')
    .action(async options => (await import('./down.ts')).down(make(), options));
  named(program.command('stop').description('stop a cluster; its data stays')).action(async options =>
    (await import('./stop-start.ts')).stop(make(), options),
  );
  waiting(named(program.command('start').description('start a stopped cluster'))).action(async options =>
    (await import('./stop-start.ts')).start(make(), options),
  );
  program
    .command('setup')
    .description('install what this machine lacks, through its package manager')
    .option('-y, --yes', 'do not ask')
    .option('--etcd', 'also the etcd that tests of the store use')
    .action(async options => (await import('./setup-command.ts')).setup(make(), options));
}

function addInspection(program: Command, make: () => CliContext): void {
  named(program.command('status').description('how a cluster does'))
    .addOption(json())
    .action(async options => (await import('./status.ts')).status(make(), options));
  program
    .command('list')
    .alias('ls')
    .description('the clusters of this machine')
    .addOption(json())
    .action(async options => (await import('./status.ts')).list(make(), options));
  named(program.command('logs').description('log of a component, or of all').argument('[component]'))
    .option('-f, --follow', 'go on as it grows')
    .option('--tail <lines>', 'only the last lines')
    .action(async (component, options) => (await import('./logs.ts')).logs(make(), component, options));
  named(program.command('kubeconfig').description("print a cluster's kubeconfig"))
    .option('--merge', "put it into the user's own instead, as up does")
    .action(async options => (await import('./kubeconfig.ts')).kubeconfig(make(), options));
  const image = program.command('image').description('images on the nodes');
  named(image.command('load').description('bring images of tar archives onto the nodes').argument('<archive...>'))
    .option('--node <node>', 'only this node')
    .action(async (files, options) => (await import('./image.ts')).loadImages(make(), files, options));
  named(image.command('ls').description('list the images of the nodes'))
    .option('--node <node>', 'only this node')
    .addOption(json())
    .action(async options => (await import('./image.ts')).listImages(make(), options));
  program
    .command('why')
    .description('why something is as it is')
    .command('pod')
    .description('what a pod waits for, and who can change that')
    .argument('<name>')
    .option('-n, --namespace <namespace>', "default: the kubeconfig's")
    .option('--kubeconfig <file>', 'default: KUBECONFIG, ~/.kube/config')
    .action(async (name, options) => (await import('./why.ts')).whyPod(make(), name, options));
  program
    .command('doctor')
    .description('check this machine: programs, kernel, rights, space, leftovers')
    .addOption(json())
    .action(async options => (await import('./doctor.ts')).doctor(make(), options));
  program
    .command('version')
    .description('versions of k8ts, Kubernetes and Node')
    .addOption(json())
    .action(options => {
      const versions = { k8ts: k8tsVersion, kubernetes: kubernetesVersion, node: process.version };
      const text = `k8ts ${k8tsVersion} (Kubernetes ${kubernetesVersion}, Node ${process.version})`;
      make().print(`${options.output === 'json' ? JSON.stringify(versions) : text}\n`);
    });
  program
    .command('completion')
    .description('print a completion script')
    .argument('<bash|zsh|fish>')
    .action(async shell => {
      const { completionScript } = await import('./completion.ts');
      make().print(completionScript(program, shell));
    });
}

const etcdFlags = (c: Command): Command =>
  c
    .option('--etcd-prefix <prefix>', 'what stands for /registry in its keys')
    .option('--etcd-cafile <file>', 'what signed its certificate')
    .option('--etcd-certfile <file>', "the client's certificate")
    .option('--etcd-keyfile <file>', 'and its key')
    .addOption(json());
const ofStore = (c: Command): Command =>
  etcdFlags(
    named(c)
      .option('--config <file>', 'the store of a k8ts server with this configuration')
      .option('--directory <directory>', 'the store in this directory')
      .option('--etcd-servers <urls>', 'the store in this etcd'),
  );

function addStore(program: Command, make: () => CliContext): void {
  const empty = '--most-empty-writes <count>';
  const emptyHelp = "writes that may be spent on bringing etcd's revision past the old one (default 1000000)";
  const load = () => import('./store.ts');
  const store = program.command('store').description("a cluster's data: backup, restore, migrate, compact, status");
  ofStore(
    store.command('backup').description('write all of it to one file, also while it is used').argument('<file>'),
  ).action(async (file, options) => (await load()).backup(make(), file, options));
  ofStore(
    store
      .command('restore')
      .description('put a backup in the place of the data of a stopped cluster')
      .argument('<file>'),
  )
    .option('--bump-revision <count>', 'revisions to leave out, for those given since the backup (default 10000000)')
    .option(empty, emptyHelp)
    .action(async (file, options) => (await load()).restore(make(), file, options));
  etcdFlags(store.command('migrate').description('copy a store that nobody uses into an empty one'))
    .requiredOption('--from <store>', 'a directory, or https://HOST:PORT[,…] of an etcd')
    .requiredOption('--to <store>', 'the same')
    .option(empty, emptyHelp)
    .action(async options => (await load()).migrate(make(), options));
  ofStore(store.command('compact').description('forget superseded values and give back space')).action(async options =>
    (await load()).compact(make(), options),
  );
  ofStore(store.command('status').description('what it holds, how full it is, who uses it')).action(async options =>
    (await load()).status(make(), options),
  );
}

// main.ts runs these before it comes here; they stand here for the help and for wrong usage.
function addDaemons(program: Command): void {
  for (const [name, what, more] of [
    ['server', 'a control plane', ", by its file and kube-apiserver's flags, which win over it"],
    ['agent', 'a node', ''],
  ] as const)
    program
      .command(name)
      .description(`run ${what} in the foreground${more}`)
      .requiredOption('--config <file>', 'its configuration')
      .action(() => {
        throw new CliError(`give --config once: k8ts ${name} --config FILE`, exitCode.usage);
      });
}

/** Runs the command line; the exit code. */
export async function main(argv: readonly string[], mainFile: string): Promise<number> {
  const interrupted = new AbortController();
  let signals = 0;
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      if (++signals > 1) process.exit(exitCode.interrupted);
      interrupted.abort(new Error(`interrupted by ${signal}`));
    });
  const talk = createTalk(process.stderr, systemClock, process.env);
  process.stdout.on('error', error => {
    // Whoever reads may have read enough: `k8ts logs | head`.
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') process.exit(exitCode.ok);
    process.stderr.write(`k8ts: writing standard output: ${messageOf(error)}\n`);
    process.exit(exitCode.failure);
  });
  // Nobody listens any more; what was begun is done all the same.
  process.stderr.on('error', () => {});
  const program = createProgram(() => ({
    env: process.env,
    clock: systemClock,
    random: systemRandom,
    talk,
    print: text => void process.stdout.write(text),
    signal: interrupted.signal,
    main: mainFile,
  }));
  try {
    throwInsteadOfExit(program);
    if (argv[2] === 'help') checkTopic(program, argv.slice(3));
    await program.parseAsync(argv as string[]);
    return exitCode.ok;
  } catch (error) {
    talk.close();
    return report(error, interrupted.signal);
  }
}

// Commander shows what it knows, as if nothing else had been asked.
function checkTopic(program: Command, path: readonly string[]): void {
  let at = program;
  for (const name of path.filter(p => !p.startsWith('-'))) {
    const next = at.commands.find(c => c.name() === name || c.aliases().includes(name));
    if (!next) throw new CliError(`unknown command '${name}'`, exitCode.usage, 'k8ts help lists them');
    at = next;
  }
}

function throwInsteadOfExit(command: Command): void {
  command.exitOverride();
  for (const sub of command.commands) throwInsteadOfExit(sub);
}

function report(error: unknown, signal: AbortSignal): number {
  // Commander has said it itself; asking for help is no failure.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.ok : exitCode.usage;
  if (signal.aborted && !(error instanceof CliError)) return exitCode.interrupted;
  process.stderr.write(`k8ts: ${messageOf(error)}\n`);
  if (error instanceof CliError && error.hint) process.stderr.write(`  ${error.hint}\n`);
  if (process.env.K8TS_DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  return error instanceof CliError ? error.code : exitCode.failure;
}
