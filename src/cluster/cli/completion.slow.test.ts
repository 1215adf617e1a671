// The completion scripts in their shells; of a shell that is not installed, what can be told without it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { mainScript } from '../../../bin/entry.js';
import { findProgram } from '../../cri/command.ts';

const run = promisify(execFile);
const main = mainScript();
const directory = mkdtempSync(join(tmpdir(), 'k8ts-completion-'));
const scripts: Record<string, string> = {};

before(async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    scripts[shell] = (await run(process.execPath, [main, 'completion', shell])).stdout;
    writeFileSync(join(directory, `k8ts.${shell}`), scripts[shell]);
  }
  writeFileSync(join(directory, '_k8ts'), scripts.zsh!);
});
after(() => rmSync(directory, { recursive: true }));

async function shell(name: string, args: readonly string[]): Promise<string> {
  const env = { ...process.env, HOME: directory, TERM: 'dumb' };
  return (await run(name, args, { cwd: directory, env, timeout: 20_000 })).stdout;
}

/** What comes for `k8ts image l` and for `k8ts store mi`, with the script in bash. */
const inBash = (script: string) => {
  const ask = (words: string, at: number) => `COMP_WORDS=(${words}); COMP_CWORD=${at}; _k8ts; echo "\${COMPREPLY[@]}"`;
  const lines = [script, ask('k8ts image l', 2), ask('k8ts --name x store mi', 4), ask('k8ts store mi', 2)];
  return shell('bash', ['-c', lines.join('\n')]);
};
const has = (name: string) => (findProgram(name) ? {} : { skip: `${name} is not installed` });

test('bash', has('bash'), async () => {
  const [image, , store] = (await inBash(scripts.bash!)).split('\n');
  assert.deepEqual([image, store], ['load ls', 'migrate']);
});

/** zsh at a terminal of its own: types `line`, a tab, and Ctrl-X, which shows the line as it is then. */
const atTerminal = (setUp: string, line: string) => `
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z 'PS1=; stty -echo; autoload -U compinit; ${setUp}; show() { print -r -- "<<$BUFFER>>" }; zle -N show'
zpty -w z 'bindkey "^X" show; print -r rea""dy'
zpty -r z told '*ready*'
zpty -w -n z '${line}'$'\\t\\C-x'
zpty -r z told '*<<*>>*'
print -r -- "$told"
`;

const zshSetUps = {
  'sourced from .zshrc': 'compinit -u -D; source ./k8ts.zsh',
  'as a file on fpath, first time asked': 'fpath=($PWD $fpath); compinit -u -D',
};
for (const [how, setUp] of Object.entries(zshSetUps)) {
  test(`zsh: ${how}`, has('zsh'), async () => {
    for (const [typed, completed] of [
      ['k8ts image lo', 'k8ts image load'],
      ['k8ts --no-color stor', 'k8ts --no-color store'],
      ['k8ts store mi', 'k8ts store migrate'],
    ] as const)
      assert.match(await shell('zsh', ['-f', '-c', atTerminal(setUp, typed)]), new RegExp(`<<${completed} ?>>`));
  });
}

test('zsh: the script is that of bash in its emulation, without names and forms that are otherwise in zsh', async t => {
  assert.match(scripts.zsh!, /^#compdef k8ts\nautoload -U \+X bashcompinit && bashcompinit\n/);
  // `path` is PATH there, `words` the line; a bare name in a slice is a modifier.
  assert.doesNotMatch(scripts.zsh!, /\b(?:path|words|status)=|:[A-Z]/);
  if (!findProgram('bash')) return t.skip('bash is not installed');
  const [image, , store] = (await inBash(`autoload() { :; }; bashcompinit() { :; }\n${scripts.zsh}`)).split('\n');
  assert.deepEqual([image, store], ['load ls', 'migrate']);
});

test('fish', has('fish'), async () => {
  const ask = async (line: string) => {
    const said = await shell('fish', ['--no-config', '-c', `source k8ts.fish; complete -C '${line}'`]);
    return said.trimEnd().split('\n');
  };
  assert.deepEqual(await ask('k8ts image l'), [
    'load\tbring images of tar archives onto the nodes',
    'ls\tlist the images of the nodes',
  ]);
  assert.match((await ask('k8ts store mi')).join(), /^migrate\t/);
  assert.match((await ask('k8ts image load --n')).join('\n'), /^--name\t.*\n--node\t/);
});

test('fish: every line is a whole command', () => {
  const [head, ...lines] = scripts.fish!.trimEnd().split('\n');
  assert.equal(head, '# k8ts completion: k8ts completion fish | source');
  const quoted = String.raw`'(?:[^'\\]|\\['\\])*'`;
  const form = new RegExp(`^complete -c k8ts -n ${quoted} (?:-l|-f -a) [a-z][a-z0-9-]* -d ${quoted}$`);
  assert.deepEqual(
    lines.filter(line => !form.test(line)),
    [],
  );
  assert.ok(lines.length > 150);
});
