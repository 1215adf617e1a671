import type { Container, Pod } from '../../api/type/core-v1.ts';
import type { Hints, NodeMask } from './kernel/hint.ts';

/** Who gives containers a part of the machine. Calls for several pods never overlap. */
export interface HintProvider {
  /** Frees what is held by other pods than these. */
  keepOnly(uids: ReadonlySet<string>): void;
  containerHints(pod: Pod, container: Container): Hints;
  podHints(pod: Pod): Hints;
  /** From those NUMA nodes as far as they have it; undefined: from anywhere. Throws why it cannot be. */
  allocate(pod: Pod, container: Container, nodes: NodeMask | undefined): void | Promise<void>;
  release(uid: string): void;
  /** Resolves when what was given out is on disk. */
  save(): Promise<void>;
}

/** A pod is turned away for a reason of its own. */
export class AdmissionError extends Error {
  override name = 'AdmissionError';
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}
