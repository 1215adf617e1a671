// How a plugin answers. No status at all (undefined) is success, so that the common case costs nothing.

export type StatusCode =
  | 'Success'
  | 'Error'
  | 'Unschedulable'
  | 'UnschedulableAndUnresolvable'
  | 'Wait'
  | 'Skip'
  | 'Pending';

/** Immutable. Filters hand out shared instances: a node that fails allocates nothing. */
export class Status {
  readonly code: StatusCode;
  readonly reasons: readonly string[];
  /** The plugin that gave it. */
  readonly plugin: string;
  readonly cause: unknown;

  constructor(code: StatusCode, reasons: readonly string[] = [], plugin = '', cause?: unknown) {
    this.code = code;
    this.reasons = reasons;
    this.plugin = plugin;
    this.cause = cause;
  }

  get message(): string {
    return this.reasons.join(', ');
  }

  /** The pod cannot go there now: no bug, no failure. */
  get isRejected(): boolean {
    return this.code === 'Unschedulable' || this.code === 'UnschedulableAndUnresolvable' || this.code === 'Pending';
  }

  from(plugin: string): Status {
    return this.plugin === plugin ? this : new Status(this.code, this.reasons, plugin, this.cause);
  }
}

export const unschedulable = (plugin: string, ...reasons: string[]) => new Status('Unschedulable', reasons, plugin);
/** No preemption would help. */
export const unresolvable = (plugin: string, ...reasons: string[]) =>
  new Status('UnschedulableAndUnresolvable', reasons, plugin);
export const errorStatus = (plugin: string, cause: unknown) =>
  new Status('Error', [cause instanceof Error ? cause.message : String(cause)], plugin, cause);
export const skip = new Status('Skip');

export const isSkip = (status: Status | undefined): boolean => status?.code === 'Skip';
