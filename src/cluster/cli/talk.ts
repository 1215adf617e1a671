// What the command says while it works: on standard error, so that standard output stays data.
import type { Clock, Timer } from '../../base/clock.ts';

export interface TalkStream {
  write(text: string): void;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface Phase {
  /** Ends it with its line; `detail` replaces the title. */
  done(detail?: string): void;
  /** Ends it with a cross. */
  failed(): void;
}

export interface Talk {
  readonly isTerminal: boolean;
  /** A plain line. */
  say(text: string): void;
  warn(text: string): void;
  /** Something that takes time: a spinner on a terminal, one line with its seconds when it is done. */
  phase(title: string): Phase;
  /** Ends open spinners, before an error is printed. */
  close(): void;
}

const frames = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏';
const frameMs = 80;

export function createTalk(stream: TalkStream, clock: Clock, env: NodeJS.ProcessEnv): Talk {
  const isTerminal = stream.isTTY === true && env.TERM !== 'dumb';
  const paint = colors(isTerminal && !env.NO_COLOR);
  const spinner = isTerminal ? new Spinner(stream, clock) : undefined;
  const line = (mark: string, text: string) => {
    if (isTerminal) spinner!.above(`${mark} ${text}`);
    else stream.write(`${new Date(clock.now()).toISOString().slice(0, 19)}Z ${text}\n`);
  };
  return {
    isTerminal,
    say: text => (spinner ? spinner.above(text) : stream.write(`${text}\n`)),
    warn: text => line(paint.yellow('!'), `${isTerminal ? '' : 'warning: '}${text}`),
    phase(title) {
      const began = clock.monotonic();
      const seconds = () => `${((clock.monotonic() - began) / 1000).toFixed(1)} s`;
      const open = { title, began };
      spinner?.add(open);
      const end = (mark: string, text: string) => {
        spinner?.remove(open);
        line(mark, `${text} ${paint.dim(isTerminal ? seconds() : `(${seconds()})`)}`);
      };
      return {
        done: (detail = title) => end(paint.green('✓'), detail),
        failed: () => end(paint.red('✗'), `${title}${isTerminal ? '' : ': failed'}`),
      };
    },
    close: () => spinner?.close(),
  };
}

function colors(on: boolean) {
  const wrap = (code: number) => (text: string) => (on ? `\x1b[${code}m${text}\x1b[0m` : text);
  return { green: wrap(32), red: wrap(31), yellow: wrap(33), dim: wrap(2) };
}

/** One line at the bottom with what is under way; lines that are said come above it. */
class Spinner {
  readonly #stream: TalkStream;
  readonly #clock: Clock;
  readonly #open = new Set<{ title: string; began: number }>();
  #frame = 0;
  #timer: Timer | undefined;
  #drawn = false;

  constructor(stream: TalkStream, clock: Clock) {
    this.#stream = stream;
    this.#clock = clock;
  }

  add(phase: { title: string; began: number }): void {
    this.#open.add(phase);
    this.#timer ??= this.#clock.after(frameMs, () => this.#tick());
  }

  remove(phase: { title: string; began: number }): void {
    this.#open.delete(phase);
    if (this.#open.size === 0) this.close();
  }

  above(text: string): void {
    this.#clear();
    this.#stream.write(`${text}\n`);
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#open.clear();
    this.#clear();
  }

  #tick(): void {
    this.#timer = this.#clock.after(frameMs, () => this.#tick());
    const titles = [...this.#open].map(p => p.title);
    const seconds = Math.floor((this.#clock.monotonic() - Math.min(...[...this.#open].map(p => p.began))) / 1000);
    const text = `${frames[this.#frame++ % frames.length]} ${titles.join(', ')}${seconds ? ` ${seconds} s` : ''}`;
    this.#stream.write(`\r${text.slice(0, (this.#stream.columns ?? 80) - 1)}\x1b[K`);
    this.#drawn = true;
  }

  #clear(): void {
    if (this.#drawn) this.#stream.write('\r\x1b[K');
    this.#drawn = false;
  }
}
