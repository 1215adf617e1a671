// Finds the sockets that plugins of this node register with, and hands each plugin to who can use it.
import { join } from 'node:path';
import { messageOf } from '../../base/assert.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import { aborted, type Service } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import { RuntimeError } from '../../cri/runtime-error.ts';
import type { Host } from '../host/host.ts';
import type { KubeletRoot } from './kubelet-root.ts';
import { type PluginInfo, type Registration, withRegistration } from './plugin-registration.ts';

/**
 * What takes plugins of one type. `endpoint` is a path on this machine; `said` is the same as the plugin calls it, which
 * tells how it names the kubelet's directory. Calls for one socket never overlap.
 */
export interface PluginHandler {
  /** Throws why this plugin is not taken. */
  validate(name: string, endpoint: string, versions: readonly string[]): void | Promise<void>;
  /** Rejects when the plugin cannot be used; it is told so, and tried again later. */
  register(name: string, endpoint: string, versions: readonly string[], said: string): void | Promise<void>;
  /** The plugin's registration socket is gone. Not called when the kubelet stops. */
  deregister(name: string, endpoint: string): void | Promise<void>;
}

export interface PluginWatcherOptions {
  /** `<kubelet root>/plugins_registry`; made when it is missing. */
  readonly directory: string;
  readonly root: KubeletRoot;
  readonly host: Host;
  readonly clock: Clock;
  readonly log: Log;
}

interface Plugin {
  readonly socket: string;
  /** Tells a socket from a later one at the same path. */
  readonly identity: string;
  /** Once it is registered. */
  registered?: { readonly type: string; readonly name: string; readonly endpoint: string };
  busy: boolean;
  failures: number;
  retry: Timer | undefined;
  readonly gone: AbortController;
}

const firstRetryMs = 500;
const maxRetryMs = 122_000;
/** Beside the file system's own word. */
const rescanMs = 10_000;

export class PluginWatcher implements Service {
  readonly name = 'plugins';
  readonly #o: PluginWatcherOptions;
  readonly #handlers = new Map<string, PluginHandler>();
  readonly #plugins = new Map<string, Plugin>();
  /** Ends of watching, by directory. */
  readonly #watched = new Map<string, () => void>();
  #scanning: Promise<void> | undefined;
  #again = false;
  #stopped = false;

  constructor(options: PluginWatcherOptions) {
    this.#o = options;
  }

  /** Before `run`. `type`: CSIPlugin, DRAPlugin, DevicePlugin. */
  registerHandler(type: string, handler: PluginHandler): void {
    this.#handlers.set(type, handler);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { host, directory, clock, log } = this.#o;
    await host.makeDirectory(directory, 0o750);
    const stopped = aborted(signal);
    while (!signal.aborted) {
      await this.scan().catch(error => log.warn('looking for plugins failed', { error }));
      await Promise.race([clock.sleep(rescanMs, signal).catch(() => {}), stopped]);
    }
    this.#stopped = true;
    for (const end of this.#watched.values()) end();
    for (const plugin of this.#plugins.values()) plugin.retry?.cancel();
    await this.#scanning?.catch(() => {});
  }

  /** Looks at the sockets there are now; resolves when that is done, registrations may still be under way. */
  scan(): Promise<void> {
    this.#again = true;
    this.#scanning ??= this.#scanWhileAsked().finally(() => {
      this.#scanning = undefined;
    });
    return this.#scanning;
  }

  async #scanWhileAsked(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      const found = new Map<string, string>();
      const directories = new Set<string>();
      await this.#find(this.#o.directory, found, directories);
      for (const [directory, end] of this.#watched) {
        if (directories.has(directory)) continue;
        end();
        this.#watched.delete(directory);
      }
      this.#reconcile(found);
    }
  }

  async #find(directory: string, found: Map<string, string>, directories: Set<string>): Promise<void> {
    const { host } = this.#o;
    directories.add(directory);
    // Watched before it is listed: what comes in between is seen twice and not never.
    if (!this.#watched.has(directory)) this.#watch(directory);
    for (const name of await host.list(directory)) {
      if (name.startsWith('.')) continue;
      const path = join(directory, name);
      const info = await host.info(path);
      if (info?.kind === 'directory') await this.#find(path, found, directories);
      else if (info?.kind === 'socket') found.set(path, info.identity ?? '');
    }
  }

  #watch(directory: string): void {
    const look = () => {
      if (!this.#stopped) void this.scan().catch(error => this.#o.log.warn('looking for plugins failed', { error }));
    };
    try {
      this.#watched.set(directory, this.#o.host.watch(directory, look));
    } catch (error) {
      this.#o.log.warn('watching a plugin directory failed', { directory, error });
    }
  }

  #reconcile(found: ReadonlyMap<string, string>): void {
    for (const plugin of this.#plugins.values()) {
      if (found.get(plugin.socket) === plugin.identity) continue;
      plugin.gone.abort(new Error('the plugin is gone'));
      plugin.retry?.cancel();
      if (!plugin.busy) void this.#deregister(plugin);
    }
    for (const [socket, identity] of found) {
      if (this.#plugins.has(socket)) continue;
      const plugin = { socket, identity, busy: false, failures: 0, retry: undefined, gone: new AbortController() };
      this.#plugins.set(socket, plugin);
      void this.#register(plugin);
    }
  }

  async #deregister(plugin: Plugin): Promise<void> {
    const { registered, socket } = plugin;
    plugin.busy = true;
    if (registered) {
      const { type, name, endpoint } = registered;
      try {
        await this.#handlers.get(type)?.deregister(name, endpoint);
        this.#o.log.info('plugin deregistered', { type, name, endpoint });
      } catch (error) {
        this.#o.log.warn('deregistering a plugin failed', { type, name, error });
      }
    }
    if (this.#plugins.get(socket) === plugin) this.#plugins.delete(socket);
    // There may be another one already.
    this.#again = true;
    if (!this.#stopped) await this.scan().catch(() => {});
  }

  async #register(plugin: Plugin): Promise<void> {
    const { clock, log } = this.#o;
    plugin.busy = true;
    try {
      plugin.registered = await withRegistration(plugin.socket, clock, calls => this.#introduce(plugin, calls));
      plugin.failures = 0;
      log.info('plugin registered', plugin.registered);
    } catch (error) {
      const delayMs = Math.min(maxRetryMs, firstRetryMs * 2 ** plugin.failures++);
      log.warn('registering a plugin failed', { socket: plugin.socket, error: messageOf(error), againMs: delayMs });
      if (!this.#stopped && !plugin.gone.signal.aborted)
        plugin.retry = clock.after(delayMs, () => {
          plugin.retry = undefined;
          void this.#register(plugin);
        });
    }
    plugin.busy = false;
    if (plugin.gone.signal.aborted) await this.#deregister(plugin);
  }

  async #introduce(plugin: Plugin, calls: Registration): Promise<NonNullable<Plugin['registered']>> {
    const { socket } = plugin;
    const info = await askWho(socket, calls);
    const { type, name } = info;
    const refuse = async (message: string): Promise<never> => {
      await notify(socket, calls, message);
      throw new Error(message);
    };
    const handler = this.#handlers.get(type);
    if (!handler)
      return refuse(`RegisterPlugin error -- no handler registered for plugin type: ${type} at socket ${socket}`);
    const said = info.endpoint || this.#o.root.toStock(socket);
    const endpoint = this.#o.root.toHost(info.endpoint || socket);
    try {
      await handler.validate(name, endpoint, info.supported_versions);
    } catch (error) {
      return refuse(`RegisterPlugin error -- plugin validation failed with err: ${messageOf(error)}`);
    }
    try {
      await handler.register(name, endpoint, info.supported_versions, said);
    } catch (error) {
      return refuse(`RegisterPlugin error -- plugin registration failed with err: ${messageOf(error)}`);
    }
    const registered = { type, name, endpoint };
    // It is registered also when it cannot be told.
    await notify(socket, calls, '').catch(error => this.#o.log.warn('plugin', { name, error: messageOf(error) }));
    return registered;
  }
}

async function askWho(socket: string, calls: Registration): Promise<PluginInfo> {
  try {
    return await calls.GetInfo({});
  } catch (error) {
    const text =
      error instanceof RuntimeError && error.details.startsWith('connection error')
        ? 'RegisterPlugin error -- dial failed at'
        : 'RegisterPlugin error -- failed to get plugin info using RPC GetInfo at';
    throw new Error(`${text} socket ${socket}, err: ${messageOf(error)}`, { cause: error });
  }
}

/** `error` empty: all went well. */
async function notify(socket: string, calls: Registration, error: string): Promise<void> {
  try {
    await calls.NotifyRegistrationStatus({ plugin_registered: error === '', error });
  } catch (cause) {
    const because = error ? `${error}, and ` : '';
    const text = `${because}RegisterPlugin error -- failed to send registration status at socket ${socket}, err: ${messageOf(cause)}`;
    throw new Error(text, { cause });
  }
}
