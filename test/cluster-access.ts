// Raw requests to the API server of a test's cluster, and what tests of pods ask again and again.

import { readFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { parse } from 'yaml';
import type { KubeObject } from '../src/api/meta.ts';
import type { Event, Pod, PodSpec } from '../src/api/type/core-v1.ts';
import { eventually, type Lab } from './lab.ts';

export interface Answer<T> {
  readonly code: number;
  readonly text: string;
  readonly body: T;
}

export interface Seen<T> {
  readonly type: string;
  readonly object: T;
}

export interface Watch<T> {
  readonly seen: readonly Seen<T>[];
  /** The first event, seen or still to come, that the look is true of. */
  next(look: (event: Seen<T>) => boolean): Promise<Seen<T>>;
  stop(): void;
}

const patchTypes = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  strategic: 'application/strategic-merge-patch+json',
} as const;

/** A test's objects live in one namespace; names are the test's to choose. */
export class ClusterAccess {
  readonly lab: Lab;
  readonly namespace: string;
  readonly image: string;
  /** URL of the API server. */
  readonly server: string;
  /** What a connection to it needs. */
  readonly tls: { readonly ca: Buffer; readonly cert: Buffer; readonly key: Buffer };

  constructor(lab: Lab, namespace: string, image: string) {
    this.lab = lab;
    this.namespace = namespace;
    this.image = image;
    const config = parse(readFileSync(lab.env.KUBECONFIG ?? '', 'utf8'));
    const decode = (text: string) => Buffer.from(text, 'base64');
    const [{ cluster }] = config.clusters;
    const [{ user }] = config.users;
    this.server = cluster.server;
    this.tls = {
      ca: decode(cluster['certificate-authority-data']),
      cert: decode(user['client-certificate-data']),
      key: decode(user['client-key-data']),
    };
  }

  /** The same cluster seen from another namespace. */
  in(namespace: string): ClusterAccess {
    return new ClusterAccess(this.lab, namespace, this.image);
  }

  request<T = any>(method: string, path: string, body?: unknown, type = 'application/json'): Promise<Answer<T>> {
    const payload = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
    return new Promise((done, failed) => {
      const headers =
        payload === undefined ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(payload) };
      const sent = httpsRequest(`${this.server}${path}`, { method, headers, ...this.tls }, response => {
        const chunks: Buffer[] = [];
        response.on('data', chunk => chunks.push(chunk));
        response.on('error', failed);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          let parsed: unknown = text;
          try {
            parsed = JSON.parse(text);
          } catch {
            // Logs and proxied answers are text.
          }
          done({ code: response.statusCode ?? 0, text, body: parsed as T });
        });
      });
      sent.on('error', failed);
      sent.end(payload);
    });
  }

  /** The body of a successful answer; rejects with the server's words. */
  async ask<T = any>(method: string, path: string, body?: unknown, type?: string): Promise<T> {
    const answer = await this.request<T>(method, path, body, type);
    if (answer.code >= 300) throw new Error(`${method} ${path}: ${answer.code}: ${answer.text}`);
    return answer.body;
  }

  /** Events of a watch from now on; stop it. */
  watch<T = KubeObject>(path: string): Watch<T> {
    const seen: Seen<T>[] = [];
    let rest = '';
    const sent = httpsRequest(`${this.server}${path}`, this.tls, response => {
      response.setEncoding('utf8');
      response.on('error', () => {});
      response.on('data', text => {
        const lines = (rest + text).split('\n');
        rest = lines.pop()!;
        seen.push(...lines.map(line => JSON.parse(line)));
      });
    });
    sent.on('error', () => {});
    sent.end();
    return {
      seen,
      next: look => eventually(`an event of ${path}`, async () => seen.find(look), 60_000),
      stop: () => sent.destroy(),
    };
  }

  path(resource: string, name = ''): string {
    return `/api/v1/namespaces/${this.namespace}/${resource}${name && `/${name}`}`;
  }

  create<T = KubeObject>(resource: string, object: object): Promise<T> {
    return this.ask('POST', this.path(resource), object);
  }

  patch<T = KubeObject>(
    resource: string,
    name: string,
    body: unknown,
    type: keyof typeof patchTypes = 'merge',
  ): Promise<T> {
    return this.ask('PATCH', this.path(resource, name), body, patchTypes[type]);
  }

  delete(resource: string, name: string, options: object = {}): Promise<unknown> {
    return this.ask('DELETE', this.path(resource, name), options);
  }

  // ---- pods ----

  /** Containers without an image get the test's; without restartPolicy the pod runs once. */
  async pod(name: string, spec: Partial<PodSpec>, metadata: object = {}): Promise<Pod> {
    const filled = {
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 1,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      ...spec,
    };
    const withImages = JSON.parse(JSON.stringify(filled), (key, value) =>
      /^(init|ephemeral)?[cC]ontainers$/.test(key)
        ? value.map((c: object) => ({ image: this.image, imagePullPolicy: 'IfNotPresent', ...c }))
        : value,
    );
    return this.create<Pod>('pods', { metadata: { name, ...metadata }, spec: withImages });
  }

  get(name: string): Promise<Pod> {
    return this.ask('GET', this.path('pods', name));
  }

  /** Resolves with the pod once the look is true of it. */
  async when(name: string, what: string, look: (pod: Pod) => unknown, timeoutMs = 60_000): Promise<Pod> {
    let last: Pod | undefined;
    try {
      return await eventually(
        `pod ${name} ${what}`,
        async () => {
          last = await this.get(name);
          return look(last) ? last : undefined;
        },
        timeoutMs,
      );
    } catch (error) {
      const events = await this.events(name).catch(() => []);
      const text = events.map(e => `${e.reason}: ${e.message}`).join('\n');
      throw new Error(`${error}\n${JSON.stringify(last?.status, null, 1)}\n${text}`);
    }
  }

  ready(name: string, timeoutMs?: number): Promise<Pod> {
    return this.when(name, 'ready', p => conditionOf(p, 'Ready')?.status === 'True', timeoutMs);
  }

  ended(name: string, timeoutMs?: number): Promise<Pod> {
    return this.when(name, 'ended', p => ['Succeeded', 'Failed'].includes(p.status?.phase ?? ''), timeoutMs);
  }

  async gone(name: string, timeoutMs?: number): Promise<void> {
    await eventually(
      `pod ${name} gone`,
      async () => (await this.request('GET', this.path('pods', name))).code === 404,
      timeoutMs,
    );
  }

  async log(name: string, container = '', query = ''): Promise<string> {
    const { code, text } = await this.request('GET', `${this.path('pods', name)}/log?container=${container}${query}`);
    if (code !== 200) throw new Error(`log of ${name}: ${code}: ${text}`);
    return text;
  }

  async events(name: string): Promise<readonly Event[]> {
    const selector = encodeURIComponent(`involvedObject.name=${name}`);
    return (await this.ask('GET', `${this.path('events')}?fieldSelector=${selector}`)).items;
  }

  /** Ends all pods of the namespace, so that they do not slow down what comes next. */
  async clear(): Promise<void> {
    await this.ask('DELETE', this.path('pods'), { gracePeriodSeconds: 1 });
  }

  /** What a shell line prints in a container. */
  async exec(pod: string, line: string, container?: string): Promise<string> {
    const which = container ? ['-c', container] : [];
    const { code, stdout, stderr } = await this.lab.run('kubectl', [
      ...['exec', '-n', this.namespace, pod, ...which, '--', 'sh', '-c', line],
    ]);
    if (code !== 0) throw new Error(`exec in ${pod}: ${line}: exit ${code}: ${stdout}${stderr}`);
    return stdout;
  }
}

export const conditionOf = (pod: Pod, type: string) => pod.status?.conditions?.find(c => c.type === type);

export const sh = (script: string): string[] => ['sh', '-c', script];

/** Ends at once on SIGTERM, which the first process of a container would ignore otherwise; costs nothing meanwhile. */
export const waiting = "trap 'exit 0' TERM; sleep 100000 & wait";
