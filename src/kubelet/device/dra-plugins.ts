// Drivers of dynamic resources that are there to be called; the slices of those that are not are taken away.
import { connect } from 'node:http2';
import { createConnection } from 'node:net';
import { resourceV1 } from '../../api/refs.ts';
import { isNotFound } from '../../api/status.ts';
import { messageOf } from '../../base/assert.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Client } from '../../client/client.ts';
import type { PluginHandler } from '../plugin/plugin-watcher.ts';
import {
  type DeviceHealthReport,
  type DraPlugin,
  type DraService,
  draChannel,
  draHealthService,
  draServices,
} from './dra-api.ts';

export interface DraPluginsOptions {
  readonly nodeName: string;
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Log;
  onHealth(driver: string, reports: readonly DeviceHealthReport[]): void;
}

interface Endpoint {
  readonly driver: string;
  readonly socket: string;
  readonly calls: ReturnType<typeof draChannel>;
  readonly stop: AbortController;
  connected: boolean;
}

/** So long a driver may be away before what it published is taken back. */
const wipeDelayMs = 30_000;
const reconnectMs = 1_000;
const firstRetryMs = 1_000;
const maxRetryMs = 60_000;

export class DraPlugins {
  readonly #o: DraPluginsOptions;
  /** By driver, the newest last: during an update there are two. */
  readonly #endpoints = new Map<string, Endpoint[]>();
  /** What will be or is being wiped, by driver; '' is all of them. */
  readonly #wiping = new Map<string, Timer | undefined>();
  #stopped = false;

  constructor(options: DraPluginsOptions) {
    this.#o = options;
  }

  /** Throws when the driver is not there. */
  plugin(driver: string): DraPlugin {
    const all = this.#endpoints.get(driver) ?? [];
    const found = all.findLast(e => e.connected) ?? all.at(-1);
    if (!found) throw new Error(`DRA driver ${driver} is not registered`);
    return found.calls.plugin;
  }

  isThere(driver: string): boolean {
    return this.#endpoints.get(driver)?.some(e => e.connected) ?? false;
  }

  /**
   * After a start no driver is registered, and some may never be again: pods must not be sent here for what those have
   * published.
   */
  start(): void {
    void this.#wipe('', firstRetryMs);
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#wiping.values()) timer?.cancel();
    for (const e of [...this.#endpoints.values()].flat()) close(e);
  }

  get handler(): PluginHandler {
    return {
      validate: (driver, _endpoint, versions) => void chooseService(driver, versions),
      register: (driver, socket, versions) => {
        const service = chooseService(driver, versions);
        const calls = draChannel(socket, this.#o.clock, service);
        const endpoint = { driver, socket, calls, stop: new AbortController(), connected: true };
        const all = this.#endpoints.getOrInsertComputed(driver, () => []);
        const same = all.findIndex(e => e.socket === socket);
        if (same >= 0) close(all.splice(same, 1)[0]!);
        all.push(endpoint);
        this.#keepSlices(driver);
        this.#monitor(endpoint);
        if (versions.includes(draHealthService)) void this.#watchHealth(endpoint);
      },
      deregister: (driver, socket) => {
        const all = this.#endpoints.get(driver) ?? [];
        const index = all.findIndex(e => e.socket === socket);
        if (index >= 0) close(all.splice(index, 1)[0]!);
        if (!all.length) this.#endpoints.delete(driver);
        this.#checkPresence(driver);
      },
    };
  }

  /** A driver that was killed leaves its socket: only a connection tells that nobody listens any more. */
  #monitor(endpoint: Endpoint): void {
    if (endpoint.stop.signal.aborted) return;
    const session = connect('http://localhost', { createConnection: () => createConnection(endpoint.socket) });
    session.unref();
    const end = () => session.destroy();
    endpoint.stop.signal.addEventListener('abort', end, { once: true });
    session.on('error', () => {});
    session.once('remoteSettings', () => {
      endpoint.connected = true;
      this.#keepSlices(endpoint.driver);
    });
    session.once('close', () => {
      endpoint.stop.signal.removeEventListener('abort', end);
      if (endpoint.stop.signal.aborted) return;
      endpoint.connected = false;
      this.#checkPresence(endpoint.driver);
      this.#o.clock.after(reconnectMs, () => this.#monitor(endpoint));
    });
  }

  async #watchHealth(endpoint: Endpoint): Promise<void> {
    const { driver, calls, stop } = endpoint;
    while (!stop.signal.aborted) {
      try {
        await calls.health.NodeWatchResources({}, { signal: stop.signal }, m => this.#o.onHealth(driver, m.devices));
      } catch (error) {
        if ((error as { codeName?: string }).codeName === 'Unimplemented') return;
        this.#o.log.warn('watching the health of devices failed', { driver, error: messageOf(error) });
      }
      await this.#o.clock.sleep(5 * reconnectMs, stop.signal).catch(() => {});
    }
  }

  // ---- slices ----

  #keepSlices(driver: string): void {
    this.#wiping.get(driver)?.cancel();
    this.#wiping.delete(driver);
  }

  #checkPresence(driver: string): void {
    if (this.#stopped || this.isThere(driver) || this.#wiping.has(driver)) return;
    this.#o.log.warn('DRA driver is gone', { driver, wipeInMs: wipeDelayMs });
    this.#wiping.set(
      driver,
      this.#o.clock.after(wipeDelayMs, () => void this.#wipe(driver, firstRetryMs)),
    );
  }

  async #wipe(driver: string, retryMs: number): Promise<void> {
    const { client, nodeName, clock, log } = this.#o;
    if (this.#stopped) return;
    this.#wiping.set(driver, undefined);
    const wanted = driver ? [`spec.driver=${driver}`] : [...this.#endpoints.keys()].map(d => `spec.driver!=${d}`);
    const fieldSelector = [...wanted, `spec.nodeName=${nodeName}`].join(',');
    try {
      await client.deleteCollection(resourceV1.resourceslices, { fieldSelector });
      this.#wiping.delete(driver);
    } catch (error) {
      // A server that knows no slices has none.
      if (isNotFound(error)) return void this.#wiping.delete(driver);
      log.warn('deleting resource slices failed', { driver, error: messageOf(error) });
      // It may have come back meanwhile.
      if (this.#stopped || !this.#wiping.has(driver)) return;
      const next = Math.min(maxRetryMs, retryMs * 2);
      this.#wiping.set(
        driver,
        clock.after(retryMs, () => void this.#wipe(driver, next)),
      );
    }
  }
}

function close(endpoint: Endpoint): void {
  endpoint.stop.abort();
  endpoint.calls.close();
}

function chooseService(driver: string, versions: readonly string[]): DraService {
  const service = draServices.find(s => versions.includes(s));
  if (!service)
    throw new Error(
      `DRA driver ${driver}: none of the gRPC services [${versions.join(' ')}] is supported by the kubelet, which needs one of [${draServices.join(' ')}]`,
    );
  return service;
}
