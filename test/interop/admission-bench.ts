// The same requests to k8ts and to apiextensions-apiserver, which keeps to the webhooks and policies it finds in k8ts:
// what each asks of the webhooks, answers its clients and writes into its audit log.
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { checkPolicy } from '../../src/apiserver/audit/kernel/policy.ts';
import { establish } from '../../src/apiserver/custom/test-definition.ts';
import { startTestExtension, type TestExtension } from '../../src/apiserver/extension/test-extension.ts';
import type { Caller, Json } from '../../src/apiserver/test-caller.ts';
import { startTestServer, type TestServer } from '../../src/apiserver/test-server.ts';
import { systemClock } from '../../src/base/clock.ts';
import { type EtcdProcess, startEtcd } from '../../src/store/test-etcd.ts';
import { callerOf } from './cluster-content.ts';
import { type RealServer, startRealServer } from './real-server.ts';

export type Request = readonly [method: string, path: string, body?: unknown, headers?: Record<string, string>];

/** One call of a webhook. */
interface Asked {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Json;
}

/** What came of one request. */
export interface Told {
  readonly asked: readonly Asked[];
  readonly code: number;
  readonly object: Json;
  readonly warning: string | undefined;
  readonly annotations: Json;
}

/** What a webhook does with the review it gets. */
export type Handler = (response: ServerResponse, review: Json) => void;

export interface AdmissionBench {
  readonly ours: Caller;
  readonly real: Caller;
  readonly extension: TestExtension;
  /** By path. */
  readonly handlers: Map<string, Handler>;
  /** One at a time: all that webhooks are asked meanwhile is taken for its. */
  tell(server: 'ours' | 'real', request: Request): Promise<Told>;
  stop(): Promise<void>;
}

const auditPolicy = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [
    { level: 'None', verbs: ['get', 'list', 'watch'] },
    { level: 'Request', resources: [{ group: 'hooks.example' }] },
    { level: 'None' },
  ],
};

/** `definitions` are made on both. */
export async function startAdmissionBench(program: string, definitions: readonly Json[]): Promise<AdmissionBench> {
  const handlers = new Map<string, Handler>();
  const asked: Asked[] = [];
  const events: Json[] = [];
  const extension = await startTestExtension(({ url = '', headers }, response, text) => {
    const body = JSON.parse(text);
    asked.push({ url, headers, body });
    handlers.get(url.split('?')[0]!)!(response, body);
  });
  let etcd: EtcdProcess | undefined;
  let home: TestServer | undefined;
  let real: RealServer | undefined;
  let ours: Caller | undefined;
  const stop = async () => {
    ours?.close();
    await real?.stop();
    await home?.stop();
    await etcd?.remove();
    await extension.stop();
  };
  try {
    etcd = await startEtcd();
    const sink = { write: (event: Json) => events.push(structuredClone(event)) > 0 };
    home = await startTestServer({ audit: { policy: checkPolicy(auditPolicy as never), sinks: [sink] } });
    ours = callerOf(home);
    real = await startRealServer({ program, name: 'definitions', etcd: etcd.url, home, auditPolicy });
  } catch (error) {
    await stop();
    throw error;
  }
  const apis = { ours, real: real.api };
  const logs = {
    ours: () => events,
    real: () =>
      real
        .audit()
        .trim()
        .split('\n')
        .map(line => JSON.parse(line)),
  };
  for (const definition of definitions) for (const api of [ours, real.api]) await establish(api, definition);
  return {
    ...apis,
    ...{ extension, handlers, stop },
    async tell(server, [method, path, body, sent]) {
      asked.length = 0;
      const { code, object, headers } = await apis[server].send(method, path, body, sent);
      const find = () => logs[server]().find(event => event.auditID === headers['audit-id']);
      while (method !== 'GET' && !find()) await systemClock.sleep(10);
      const { annotations } = find() ?? {};
      return { asked: [...asked], code, object, warning: headers.warning as string | undefined, annotations };
    },
  };
}

const unequal = new Set(['connection', 'content-length', 'time', 'user-agent']);

/** Without what is chance or the name of a program; what is made by chance is numbered in the order it comes. */
export function comparable(told: Told): Json {
  const seen = new Map<string, string>();
  const numbered = (what: string) => (text: string) => seen.getOrInsertComputed(text, () => `${what}-${seen.size}`);
  const byUrl = [...told.asked].sort((a, b) => (a.url < b.url ? -1 : 1));
  const text = JSON.stringify({ ...told, asked: byUrl }, (key, value) => {
    if (unequal.has(key) || key.startsWith('apiserver.latency.')) return undefined;
    return key === 'resourceVersion' && value ? numbered('version')(value) : value;
  })
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, numbered('uid'))
    .replace(/(made-)[a-z0-9]{5}/g, '$1xxxxx')
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, 'TIME');
  return JSON.parse(text);
}
