// Which resource a kind is, asked of the server's discovery and remembered for a while.

import type { KubeObject } from '../../api/meta.ts';
import type { ResourceRef } from '../../api/ref.ts';
import { isNotFound } from '../../api/status.ts';
import type { Clock } from '../../base/clock.ts';
import type { Client } from '../../client/client.ts';
import type { ApiResourceList } from '../api-resources.ts';

const rememberedMs = 300_000;

export class ApiKinds {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #found = new Map<string, { readonly ref: ResourceRef<KubeObject>; readonly atMs: number }>();

  constructor(client: Client, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** The version is a hint: any version of the group that has the kind will do. Rejects when there is none. */
  async find(apiVersion: string, kind: string): Promise<ResourceRef<KubeObject>> {
    const id = `${apiVersion}/${kind}`;
    const known = this.#found.get(id);
    const nowMs = this.#clock.monotonic();
    if (known && nowMs - known.atMs < rememberedMs) return known.ref;
    const [group, version] = apiVersion.includes('/') ? (apiVersion.split('/') as [string, string]) : ['', apiVersion];
    for (const candidate of new Set([version, ...(await this.#versions(group))])) {
      const list = await this.#list(group, candidate);
      const resource = list?.resources?.find(r => r.kind === kind && !r.name.includes('/'));
      if (!resource) continue;
      const { name, namespaced } = resource;
      const ref = { group, version: candidate, resource: name, kind, namespaced };
      this.#found.set(id, { ref, atMs: nowMs });
      return ref;
    }
    throw new Error(`no matches for kind ${JSON.stringify(kind)} in group ${JSON.stringify(group)}`);
  }

  async #versions(group: string): Promise<readonly string[]> {
    if (!group) return ['v1'];
    const found = (await this.#client.raw(`/apis/${group}`).catch(noneIfMissing)) as
      | { readonly versions?: readonly { readonly version: string }[] }
      | undefined;
    return found?.versions?.map(v => v.version) ?? [];
  }

  async #list(group: string, version: string): Promise<ApiResourceList | undefined> {
    const path = group ? `/apis/${group}/${version}` : `/api/${version}`;
    return (await this.#client.raw(path).catch(noneIfMissing)) as ApiResourceList | undefined;
  }
}

function noneIfMissing(error: unknown): undefined {
  if (!isNotFound(error)) throw error;
}
