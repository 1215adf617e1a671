// The contract of admission plugins. The registry runs all `mutate` in order, then validates, then runs all `validate`.
import type { KubeObject, Mutable } from '../../api/meta.ts';
import type { Resource } from '../../api/resource.ts';
import type { Level } from '../audit/kernel/policy.ts';
import type { UserInfo } from '../authn/user.ts';
import type { AdmissionMeter, AdmissionPhase } from '../observe/admission-meter.ts';

export type Operation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';

export interface AdmissionAttributes {
  readonly operation: Operation;
  readonly resource: Resource;
  readonly subresource: string;
  readonly namespace: string;
  /** On a create with generateName that, as long as plugins mutate. */
  readonly name: string;
  readonly user: UserInfo;
  readonly dryRun: boolean;
  /** The object as it would be stored; of a DELETE undefined. Plugins that mutate may change it in place. */
  readonly object: Mutable<KubeObject> | undefined;
  readonly old: KubeObject | undefined;
  /** The request's options object (CreateOptions, DeleteOptions, …). */
  readonly options: Readonly<Record<string, unknown>>;
  /** Adds a Warning header. */
  warn(message: string): void;
  /** Adds to the request's audit event, with `level` only where as much as that is recorded; a key's first value stays. */
  annotate?(key: string, value: string, level?: Level): void;
  /** The resource in the version the client used, when that is another than `resource`'s. */
  readonly requested?: Resource;
  /** Set by the chain while it mutates. */
  reinvocation?: Reinvocation;
}

/** All that mutate run a second time, once, when a webhook or policy changed the object. */
export interface Reinvocation {
  /** Set by who changed the object in a way that others should see. */
  asked: boolean;
  /** This is the second run. */
  again: boolean;
}

/** Rejects by throwing StatusError, as a rule `forbidden(...)`. */
export interface AdmissionPlugin {
  readonly name: string;
  /** Whether it has anything to say; called first, must be cheap. */
  handles(attributes: AdmissionAttributes): boolean;
  mutate?(attributes: AdmissionAttributes): void | Promise<void>;
  validate?(attributes: AdmissionAttributes): void | Promise<void>;
}

function measured(
  meter: AdmissionMeter,
  done: (rejected: boolean, startMs: number) => void,
  run: () => void | Promise<void>,
): void | Promise<void> {
  const startMs = meter.now();
  let waiting: void | Promise<void>;
  try {
    waiting = run();
  } catch (error) {
    done(true, startMs);
    throw error;
  }
  if (!waiting) return done(false, startMs);
  return waiting.then(
    () => done(false, startMs),
    error => {
      done(true, startMs);
      throw error;
    },
  );
}

export class AdmissionChain {
  readonly #plugins: readonly AdmissionPlugin[];
  readonly #meter: AdmissionMeter | undefined;

  constructor(plugins: readonly AdmissionPlugin[], meter?: AdmissionMeter) {
    this.#plugins = plugins;
    this.#meter = meter;
  }

  /** Undefined when all of it ran at once, so that the caller need not wait a tick. */
  mutate(attributes: AdmissionAttributes): void | Promise<void> {
    attributes.reinvocation = { asked: false, again: false };
    return this.#timed('mutate', attributes, () => {
      const waiting = this.#run('mutate', attributes, 0);
      return waiting ? waiting.then(() => this.#reinvoke(attributes)) : this.#reinvoke(attributes);
    });
  }

  #reinvoke(attributes: AdmissionAttributes): void | Promise<void> {
    if (!attributes.reinvocation?.asked) return;
    attributes.reinvocation.again = true;
    return this.#run('mutate', attributes, 0);
  }

  validate(attributes: AdmissionAttributes): void | Promise<void> {
    return this.#timed('validate', attributes, () => this.#run('validate', attributes, 0));
  }

  #timed(
    phase: AdmissionPhase,
    attributes: AdmissionAttributes,
    run: () => void | Promise<void>,
  ): void | Promise<void> {
    const meter = this.#meter;
    if (!meter) return run();
    const { operation } = attributes;
    return measured(meter, (rejected, startMs) => meter.step(phase, operation, rejected, startMs), run);
  }

  #run(phase: AdmissionPhase, attributes: AdmissionAttributes, from: number): void | Promise<void> {
    const meter = this.#meter;
    // The end of one plugin is the beginning of the next: reading the clock costs as much as most of them.
    let startMs = meter ? meter.now() : 0;
    for (let i = from; i < this.#plugins.length; i++) {
      const plugin = this.#plugins[i]!;
      if (!plugin[phase] || !plugin.handles(attributes)) continue;
      let waiting: void | Promise<void>;
      try {
        waiting = plugin[phase](attributes);
      } catch (error) {
        meter?.plugin(plugin.name, phase, attributes.operation, true, startMs);
        throw error;
      }
      if (waiting) return this.#settled(plugin, phase, attributes, startMs, waiting, i + 1);
      if (meter) startMs = meter.plugin(plugin.name, phase, attributes.operation, false, startMs);
    }
  }

  #settled(
    plugin: AdmissionPlugin,
    phase: AdmissionPhase,
    attributes: AdmissionAttributes,
    startMs: number,
    waiting: Promise<void>,
    next: number,
  ): Promise<void> {
    const { name } = plugin;
    return waiting.then(
      () => {
        this.#meter?.plugin(name, phase, attributes.operation, false, startMs);
        return this.#run(phase, attributes, next);
      },
      error => {
        this.#meter?.plugin(name, phase, attributes.operation, true, startMs);
        throw error;
      },
    );
  }
}
