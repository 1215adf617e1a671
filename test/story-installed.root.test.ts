// The story of a user, told by the kubectl on the PATH.
// Runs beside others: its cluster is its own, and what kubectl prints tells of nothing else on the machine.
import { after, test } from 'node:test';
import { installedKubectl } from './kubectl.ts';
import { newLab } from './lab.ts';
import { record, tellStory } from './story.ts';

const lab = newLab('told');

after(() => lab.dispose());

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

test('a user of the kubectl on the PATH', async t => {
  if (record) return t.skip('recording');
  const installed = await installedKubectl();
  if (!installed) t.skip('no kubectl on the PATH');
  else if (installed.minor < 32 || installed.minor > 36)
    t.skip(`transcripts are for kubectl 1.32 to 1.36, not for 1.${installed.minor}`);
  else await tellStory(lab, installed.program, onlyTheCluster);
});
