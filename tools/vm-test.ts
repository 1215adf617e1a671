// Runs root tests, or any command, in a virtual machine with another kernel and other control groups than this machine's:
//   node tools/vm-test.ts [options] [PATH-PART…]       tools/run-tests.ts root PATH-PART… inside
//   node tools/vm-test.ts [options] --run 'COMMAND'    a command of sh, in the project's folder
// The machine's files are shared read-only, what is written goes to a scratch disk; there is no network device.
// Needs root, qemu, busybox-static, e2fsprogs and a kernel: Debian's linux-image package, unpacked anywhere (dpkg-deb -x).
import { spawn, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

const project = resolve(import.meta.dirname, '..');
const usage = `usage: vm-test.ts [--kernel DIRECTORY] [--cgroup v2|hybrid|v1] [--init plain|systemd|container]
  [--without MODULE,…] [--accel kvm|tcg] [--memory MIB] [--disk GIB] [--timeout SECONDS] [--run COMMAND | PATH-PART…]`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    /** Below it lie boot/vmlinuz-* and lib/modules/*. */
    kernel: { type: 'string', default: process.env.K8TS_VM_KERNEL ?? '/' },
    cgroup: { type: 'string', default: 'v2' },
    init: { type: 'string', default: 'plain' },
    /** Modules that the machine shall not have. */
    without: { type: 'string', default: '' },
    /** tcg needs no /dev/kvm; it is about ten times slower. */
    accel: { type: 'string', default: existsSync('/dev/kvm') ? 'kvm' : 'tcg' },
    memory: { type: 'string', default: '6144' },
    disk: { type: 'string', default: '16' },
    timeout: { type: 'string', default: '1800' },
    run: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

function fail(message: string): never {
  throw new Error(message);
}

function run(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly input?: string } = {},
) {
  const { status, stderr, error } = spawnSync(program, args, { ...options, encoding: 'utf8' });
  if (status !== 0) fail(`${program} ${args[0]}: ${error?.message ?? stderr.trim()}`);
}

function findProgram(name: string, debianPackage: string): string {
  const found = (process.env.PATH ?? '')
    .split(':')
    .concat('/usr/sbin', '/sbin')
    .find(d => existsSync(join(d, name)));
  return found ? join(found, name) : fail(`${name} is missing: install ${debianPackage}`);
}

interface Kernel {
  readonly directory: string;
  readonly image: string;
  readonly release: string;
}

function findKernel(directory: string): Kernel {
  const image = globSync(join(directory, 'boot/vmlinuz-*')).sort().at(-1);
  const release = image && basename(image).slice('vmlinuz-'.length);
  if (!release || !existsSync(join(directory, 'lib/modules', release)))
    return fail(
      `no kernel with modules in ${directory}: apt-get download linux-image-amd64's package, dpkg-deb -x FILE DIRECTORY, --kernel DIRECTORY`,
    );
  return { directory, image, release };
}

/** Modules with what they need, as files below lib/modules/RELEASE. */
function withDependencies(kernel: Kernel, names: readonly string[]): string[] {
  const modules = join(kernel.directory, 'lib/modules', kernel.release);
  if (!existsSync(join(modules, 'modules.dep'))) run('busybox', ['depmod', '-b', kernel.directory, kernel.release]);
  const needs = new Map<string, string[]>();
  for (const line of readFileSync(join(modules, 'modules.dep'), 'utf8').split('\n')) {
    const [file, rest] = line.split(':');
    if (file) needs.set(file, rest!.trim().split(' ').filter(Boolean));
  }
  const found = new Set<string>();
  const add = (file: string) => {
    if (found.has(file)) return;
    found.add(file);
    needs.get(file)?.forEach(add);
  };
  for (const name of names) {
    const file = [...needs.keys()].find(f => basename(f).split('.')[0] === name);
    if (file) add(file); // Built in where there is none.
  }
  return [...found];
}

/** busybox, the modules that reach the disk and the shared files, the first process and what it is to run. */
function buildInitramfs(kernel: Kernel, command: string, scratch: string): string {
  const tree = join(scratch, 'initramfs');
  const put = (from: string, to: string) => {
    mkdirSync(dirname(join(tree, to)), { recursive: true });
    copyFileSync(from, join(tree, to));
  };
  put(findProgram('busybox', 'busybox-static'), 'bin/busybox');
  put(join(import.meta.dirname, 'vm-init.sh'), 'init');
  writeFileSync(join(tree, 'command'), `${command}\n`);
  const modules = join('lib/modules', kernel.release);
  const files = withDependencies(kernel, [
    'virtio_pci',
    'virtio_blk',
    '9pnet_virtio',
    '9p',
    'ext4',
    'overlay',
    'crc32c_generic',
  ]);
  for (const file of [...files, 'modules.dep']) put(join(kernel.directory, modules, file), join(modules, file));
  run('chmod', ['755', join(tree, 'init'), join(tree, 'bin/busybox')]);
  const archive = join(scratch, 'initramfs.cpio');
  run('sh', ['-c', 'find . | busybox cpio -o -H newc > "$1"', 'sh', archive], { cwd: tree });
  return archive;
}

function machineArguments(kernel: Kernel, initramfs: string, scratch: string): string[] {
  const [disk, copy] = [join(scratch, 'disk.img'), join(scratch, 'project.tar')];
  run('truncate', ['-s', `${values.disk}G`, disk]);
  run(findProgram('mkfs.ext4', 'e2fsprogs'), ['-q', '-F', disk]);
  run('tar', [
    '-c',
    '-f',
    copy,
    '--exclude=./.git',
    '--exclude=./.cache',
    '--exclude=./node_modules',
    '--exclude=./dist',
    '-C',
    project,
    '.',
  ]);
  const kernelLine = [
    'console=ttyS0 quiet panic=-1 mitigations=off',
    ...(['cgroup', 'init', 'without'] as const).map(name => `vm.${name}=${values[name]}`),
    `vm.kernel=${resolve(kernel.directory)} vm.project=${project}`,
    values.cgroup === 'v2' ? '' : 'systemd.unified_cgroup_hierarchy=0',
  ];
  return [
    ...[
      '-machine',
      'q35',
      '-accel',
      values.accel,
      '-cpu',
      values.accel === 'kvm' ? 'host' : 'Nehalem',
      '-smp',
      '2',
      '-m',
      values.memory,
      '-no-reboot',
      '-nodefaults',
    ],
    ...['-nic', 'none', '-display', 'none', '-serial', 'stdio', '-device', 'virtio-rng-pci'],
    ...['-kernel', kernel.image, '-initrd', initramfs, '-append', kernelLine.join(' ')],
    ...['-virtfs', 'local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap'],
    ...['-drive', `file=${disk},if=virtio,format=raw,cache=unsafe`],
    ...['-drive', `file=${copy},if=virtio,format=raw,readonly=on`],
  ];
}

/** Boots and shows what the machine prints; resolves with the command's status, 70 when the machine ended before it. */
async function boot(args: readonly string[]): Promise<number> {
  const qemu = spawn(findProgram('qemu-system-x86_64', 'qemu-system-x86'), args, {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const end = (why: string) => {
    console.error(`vm-test: ${why}`);
    qemu.kill('SIGTERM');
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => end(signal));
  const limit = setTimeout(() => end(`not done after ${values.timeout} s`), Number(values.timeout) * 1000);
  // A /dev/kvm that is itself virtual may not run kernels that do not know it.
  const start = setTimeout(() => end('the kernel says nothing: try --accel tcg'), 120_000);
  let status = 70;
  for await (const line of createInterface({ input: qemu.stdout })) {
    clearTimeout(start);
    const exit = /^vm-test: exit (\d+)/.exec(line);
    if (exit) status = Number(exit[1]);
    else if (line.trim() !== 'vm-test: booted') console.log(line);
  }
  clearTimeout(limit);
  clearTimeout(start);
  return status;
}

async function main(): Promise<number> {
  if (process.getuid?.() !== 0) fail('it must run as root, to share all files');
  const quoted = positionals.map(p => `'${p.replaceAll("'", "'\\''")}'`).join(' ');
  const command = values.run ?? `exec node bin/node26.js tools/run-tests.ts root ${quoted}`;
  findProgram('qemu-system-x86_64', 'qemu-system-x86 (--no-install-recommends)');
  const kernel = findKernel(values.kernel);
  const scratch = mkdtempSync(join(tmpdir(), 'k8ts-vm-'));
  try {
    return await boot(machineArguments(kernel, buildInitramfs(kernel, command, scratch), scratch));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

const known = { cgroup: ['v2', 'hybrid', 'v1'], init: ['plain', 'systemd', 'container'], accel: ['kvm', 'tcg'] };
if (values.help || Object.entries(known).some(([name, list]) => !list.includes(values[name as keyof typeof known]))) {
  console.log(usage);
  process.exitCode = values.help ? 0 : 2;
} else {
  try {
    process.exitCode = await main();
  } catch (error) {
    console.error(`vm-test: ${(error as Error).message}`);
    process.exitCode = 2;
  }
}
