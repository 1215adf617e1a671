/**
 * The story of a user on a two-node cluster with real containers, told by stock kubectl programs and compared with what
 * they print on a Kubernetes 1.36 cluster. RECORD=1 writes the transcripts again, with the newest kubectl.
 */
// Runs beside others: its cluster is its own, and what kubectl prints tells of nothing else on the machine.
import assert from 'node:assert/strict';
import { cpSync, globSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { installedKubectl, newestKubectl } from './kubectl.ts';
import { loadBusybox, newLab } from './lab.ts';
import { normalize } from './normalize.ts';
import { playTranscript, type Shell } from './transcript.ts';

const record = process.env.RECORD === '1';
const scripts = join(import.meta.dirname, 'testdata', 'story');
const chapters = globSync('*.txt', { cwd: scripts }).sort();
const lab = newLab('story');

before(async () => {
  await lab.k8ts('up', '--nodes', '2');
  await loadBusybox(lab, 'docker.io/library/busybox:1.35');
});

after(() => lab.dispose());

/** A shell in a directory of its own that finds this kubectl. */
function shellWith(kubectl: string, label: string): Shell {
  const cwd = join(lab.home, label);
  const bin = join(cwd, 'bin');
  mkdirSync(bin, { recursive: true });
  cpSync(scripts, cwd, { recursive: true });
  symlinkSync(kubectl, join(bin, 'kubectl'));
  return async command => {
    const script = `exec 2>&1; PATH=${bin}:$PATH\n${command}`;
    const { code, stdout } = await lab.run('sh', ['-c', script], { cwd });
    return normalize(code === 0 ? stdout : `${stdout.trimEnd()}\n[exit ${code}]`);
  };
}

async function tell(kubectl: string, label: string, blur?: (output: string) => string): Promise<void> {
  const shell = shellWith(kubectl, label);
  // Of an earlier telling; those of nodes belong to this one too.
  await shell('kubectl delete events --field-selector=involvedObject.kind!=Node');
  // The kubelet sees a cordon of the telling before if it looks in time.
  for (const reason of ['NodeNotSchedulable', 'NodeSchedulable'])
    await shell(`kubectl delete events --field-selector=reason=${reason}`);
  for (const chapter of chapters) {
    await test(`${label}: ${chapter}`, async () => {
      const differences = await playTranscript(join(scripts, chapter), shell, { record: record && !blur, blur });
      assert.equal(
        differences.map(d => `$ ${d.command}\n${d.actual}\n`).join('\n'),
        differences.map(d => `$ ${d.command}\n${d.expected}\n`).join('\n'),
      );
    });
  }
}

/** What kubectl says otherwise from 1.32 to 1.36; all of it is the program's, not the cluster's. */
const wordsThatChanged = [
  / from \S+ namespace$/gm,
  / \(http\)$/gm,
  /\bspec\.containers\{\S+\}: /g,
  / out of: \S.*$/gm,
  /^(error|Error from server \(BadRequest\))(?=: container)/gm,
  /cannot delete (?=cannot delete Pods)/g,
  /^ *(Mountable secrets|Tokens|Kube-Proxy Version|ConfigMapOptional|Optional):.*\n/gm,
  /^Warning: resource .* was previously managed with .*\n/gm,
  /^All commands and output from this session .*\n/gm,
];
const onlyTheCluster = (output: string) =>
  wordsThatChanged.reduce((text, words) => text.replace(words, ''), `${output}\n`).trimEnd();

describe('a user of kubectl', () => {
  test('the newest', async t => {
    const newest = await newestKubectl().catch((error: Error) => error);
    if (newest instanceof Error) t.skip(newest.message);
    else await tell(newest, 'newest');
  });

  test('the one on the PATH', async t => {
    if (record) return t.skip('recording');
    const installed = await installedKubectl();
    if (!installed) t.skip('no kubectl on the PATH');
    else if (installed.minor < 32 || installed.minor > 36)
      t.skip(`transcripts are for kubectl 1.32 to 1.36, not for 1.${installed.minor}`);
    else await tell(installed.program, 'installed', onlyTheCluster);
  });
});
