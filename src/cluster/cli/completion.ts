import type { Command } from 'commander';
import { CliError, exitCode } from './exit.ts';

interface Entry {
  /** Words after `k8ts`, `image load`. */
  readonly path: string;
  readonly words: readonly { readonly word: string; readonly about: string }[];
}

/** Subcommands and long flags of every command of the tree. */
export function completionEntries(command: Command, path: readonly string[] = []): Entry[] {
  const subs = command.commands.map(c => ({ word: c.name(), about: c.description() }));
  const flags = command.options.flatMap(o => (o.long ? [{ word: o.long, about: o.description }] : []));
  const own = { path: path.join(' '), words: [...subs, ...flags, { word: '--help', about: 'help' }] };
  return [own, ...command.commands.flatMap(c => completionEntries(c, [...path, c.name()]))];
}

export function completionScript(program: Command, shell: string): string {
  const entries = completionEntries(program);
  if (shell === 'bash') return bash(entries);
  if (shell === 'zsh') return zsh(entries);
  if (shell === 'fish') return fish(entries);
  throw new CliError(`completion for ${JSON.stringify(shell)}: want bash, zsh or fish`, exitCode.usage);
}

/** Also a file on `fpath`: zsh runs that when it is first asked, and wants an answer of that first run too. */
function zsh(entries: readonly Entry[]): string {
  return `#compdef k8ts
autoload -U +X bashcompinit && bashcompinit
${bash(entries)}if [ "\${funcstack[1]}" = _k8ts ]; then _bash_complete -F _k8ts; fi
`;
}

/** For zsh's emulation too: there `path` and `words` are the shell's own, and a slice takes no bare expression. */
function bash(entries: readonly Entry[]): string {
  const cases = entries.map(e => `    "${e.path}") choices="${e.words.map(w => w.word).join(' ')}" ;;`);
  return `# k8ts completion: source <(k8ts completion bash)
_k8ts() {
  local current="\${COMP_WORDS[COMP_CWORD]}" command="" word choices=""
  for word in "\${COMP_WORDS[@]:1:$((COMP_CWORD - 1))}"; do
    case "$word" in -*) ;; *) command="\${command:+$command }$word" ;; esac
  done
  case "$command" in
${cases.join('\n')}
    *) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  COMPREPLY=($(compgen -W "$choices" -- "$current"))
}
complete -F _k8ts k8ts
`;
}

function fish(entries: readonly Entry[]): string {
  const quote = (text: string) => `'${text.replace(/['\\]/g, c => `\\${c}`)}'`;
  const lines = entries.flatMap(e => {
    const words = e.path.split(' ').filter(Boolean);
    const here = words.length
      ? words.map(w => `__fish_seen_subcommand_from ${w}`).join('; and ')
      : '__fish_use_subcommand';
    return e.words.map(({ word, about }) => {
      const what = word.startsWith('--') ? `-l ${word.slice(2)}` : `-f -a ${word}`;
      return `complete -c k8ts -n ${quote(here)} ${what} -d ${quote(about)}`;
    });
  });
  return `# k8ts completion: k8ts completion fish | source\n${lines.join('\n')}\n`;
}
