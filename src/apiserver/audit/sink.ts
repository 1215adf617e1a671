// Where audit events go.
import type { Event } from '../../api/type/audit-v1.ts';

/**
 * Takes one event; never throws, never rejects. undefined, true: it is taken. A promise: answers wait for it. false: the event is lost, and where
 * `strict` is set the request that has just arrived is refused.
 */
export interface AuditSink {
  write(event: Event): undefined | boolean | Promise<boolean>;
  readonly strict?: boolean;
  /** Told of events that were lost; set by the auditor. */
  onLost?: ((plugin: string, events: number) => void) | undefined;
  /** Resolves when all is where it should be. */
  close?(): Promise<void>;
}

/** Puts several events at once where they belong. Rejects when they could not be taken. */
export type WriteEvents = (events: readonly Event[]) => Promise<void>;

/** As the flags: batch answers at once and writes later; blocking writes before it answers. */
export type AuditMode = 'batch' | 'blocking' | 'blocking-strict';
export const auditModes: readonly AuditMode[] = ['batch', 'blocking', 'blocking-strict'];
