// The container runtime contract. Implementations: containerd.ts (gRPC) and simulated.ts; both run runtime-conformance.ts.
import type { ImageService, RuntimeService } from './type.ts';

/** A container or sandbox started or ended. A hint: whoever gets it looks for itself. */
export interface RuntimeEvent {
  readonly type: 'started' | 'exited' | 'deleted' | 'oom';
  /** Container or sandbox id. */
  readonly id: string;
}

export interface ContainerRuntime extends RuntimeService, ImageService {
  /** Endpoint in words, for messages: the socket's path. */
  readonly endpoint: string;
  /** Tells of events until the signal aborts; reconnects by itself and calls `onGap` when events may have been missed. */
  watchEvents(handler: { onEvent(event: RuntimeEvent): void; onGap(): void }, signal: AbortSignal): Promise<void>;
  close(): void;
}
