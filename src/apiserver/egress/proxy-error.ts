/** At what a dial failed: reaching the proxy, or the proxy reaching who was asked for. */
export type DialStage = 'connect' | 'proxy';

export class ProxyError extends Error {
  override name = 'ProxyError';
  readonly stage: DialStage;

  constructor(message: string, stage: DialStage, cause?: unknown) {
    super(message, { cause });
    this.stage = stage;
  }
}
