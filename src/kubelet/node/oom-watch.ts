// The machine has run out of memory, and its kernel has killed somebody for it.
import { messageOf } from '../../base/assert.ts';
import type { Log } from '../../base/log.ts';

export interface OomWatchOptions {
  readonly log: Log;
  /** Kills for the lack of memory since the machine started; undefined where that is not told. */
  kills(): Promise<number | undefined>;
  /** The kernel's log, as /dev/kmsg gives it. Throws where it may not be read. */
  records(): readonly string[];
  onOom(process: string, pid: number): void;
}

/** `priority,sequence,microseconds,flags;text` */
const record = /^\d+,(\d+),[^;]*;(.*)/;
/** Of the whole machine: a group that is over its own limit is its container's business. */
const victim = /^oom-kill:.*,global_oom,.*,task=(.*),pid=(\d+),uid=\d+$/;

export class OomWatch {
  readonly #o: OomWatchOptions;
  #kills: number | undefined;
  /** Of the last record seen. */
  #sequence = -1;
  #failed = false;

  constructor(options: OomWatchOptions) {
    this.#o = options;
  }

  /** Tells of what has happened since the last look. The log is read only when there is something in it. */
  async look(): Promise<void> {
    if (this.#failed) return;
    try {
      const kills = await this.#o.kills();
      const before = this.#kills;
      this.#kills = kills;
      // What was before the kubelet has been told, or nobody was there to hear it.
      if (before === undefined) return kills ? this.#read(() => {}) : undefined;
      if (kills !== undefined && kills > before) this.#read((process, pid) => this.#o.onOom(process, pid));
    } catch (error) {
      this.#failed = true;
      this.#o.log.info('kills for the lack of memory are not told', { error: messageOf(error) });
    }
  }

  #read(tell: (process: string, pid: number) => void): void {
    for (const line of this.#o.records()) {
      const [, sequence, text = ''] = record.exec(line) ?? [];
      if (sequence === undefined || Number(sequence) <= this.#sequence) continue;
      this.#sequence = Number(sequence);
      const [, process, pid] = victim.exec(text) ?? [];
      if (process !== undefined) tell(process, Number(pid));
    }
  }
}
