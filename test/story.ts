/**
 * The story of a user on a two-node cluster with real containers, told by a stock kubectl and compared with what it prints
 * on a Kubernetes 1.36 cluster. Every kubectl has a cluster of its own: half of a telling is waiting for the cluster.
 */
import assert from 'node:assert/strict';
import { cpSync, globSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Lab, loadBusybox } from './lab.ts';
import { normalize } from './normalize.ts';
import { playTranscript, type Shell } from './transcript.ts';

/** RECORD=1 writes the transcripts again, with the newest kubectl. */
export const record = process.env.RECORD === '1';
const scripts = join(import.meta.dirname, 'testdata', 'story');
const chapters = globSync('*.txt', { cwd: scripts }).sort();

/** A shell in a directory of its own that finds this kubectl. */
function shellWith(lab: Lab, kubectl: string): Shell {
  const cwd = join(lab.home, 'story');
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

/** Brings the lab up and plays the chapters in it; `blur` takes out of what is printed and expected what does not count. */
export async function tellStory(lab: Lab, kubectl: string, blur?: (output: string) => string): Promise<void> {
  await lab.k8ts('up', '--nodes', '2');
  await loadBusybox(lab, 'docker.io/library/busybox:1.35');
  const shell = shellWith(lab, kubectl);
  for (const chapter of chapters) {
    await test(chapter, async () => {
      const differences = await playTranscript(join(scripts, chapter), shell, { record: record && !blur, blur });
      assert.equal(
        differences.map(d => `$ ${d.command}\n${d.actual}\n`).join('\n'),
        differences.map(d => `$ ${d.command}\n${d.expected}\n`).join('\n'),
      );
    });
  }
}
