// Records what clients within the process ask for, as requests of the same meaning would be.
import type { KubeObject, ObjectKey } from '../../api/meta.ts';
import type { ResourceRef } from '../../api/ref.ts';
import { internalError, StatusError } from '../../api/status.ts';
import { pathDecoded } from '../../base/percent.ts';
import type { Client, WatchHandle, WatchHandler, WatchOptions } from '../../client/client.ts';
import { deleteBody, listQuery, pathOf, type Query, watchQuery, withQuery, writeQuery } from '../../client/request.ts';
import { serviceAccountUser, type UserInfo } from '../authn/user.ts';
import { parseRequest } from '../request-info.ts';
import type { Auditor, AuditRecord } from './auditor.ts';
import { sentOptions } from './kernel/sent-options.ts';

interface Identity {
  readonly user: UserInfo;
  readonly userAgent: string;
}

interface Asking {
  readonly method: string;
  readonly path: string;
  readonly query?: Query;
  readonly body?: unknown;
  /** Of success; default: 200. */
  readonly code?: number;
}

const decisionKey = 'authorization.k8s.io/decision';

export function auditedClient(inner: Client, auditor: Auditor, identity: Identity): Client {
  const { user, userAgent } = identity;

  function begin({ method, path, query }: Asking): AuditRecord | undefined {
    const requestURI = withQuery(path, query ?? {});
    const [, asked = ''] = requestURI.split('?');
    return auditor.call(
      { requestURI, userAgent },
      parseRequest(method, pathDecoded(path) ?? path, new URLSearchParams(asked)),
      user,
    );
  }

  async function run<R>(asking: Asking, act: () => Promise<R>): Promise<R> {
    const record = begin(asking);
    if (!record) return act();
    const { body, code = 200 } = asking;
    if (!(await record.emit('RequestReceived'))) throw internalError(new Error('failed to store audit event'));
    if (body !== undefined) record.sent(() => body);
    try {
      const responseObject = await act();
      record.annotate(decisionKey, 'allow');
      await record.emit('ResponseComplete', { code, responseObject });
      return responseObject;
    } catch (error) {
      await failed(record, error);
      throw error;
    }
  }

  const at = (ref: ResourceRef<never>, key: { namespace?: string | undefined; name?: string }, sub?: string) =>
    pathOf(ref as ResourceRef, key.namespace, key.name || undefined, sub);
  const keyOf = (object: object) => ((object as Partial<KubeObject>).metadata ?? {}) as ObjectKey;
  const update = (ref: ResourceRef<never>, body: object, sub: string, query: Query): Asking => ({
    method: 'PUT',
    path: at(ref, keyOf(body), sub),
    query,
    body,
  });

  return {
    get: (ref, key, options) =>
      run({ method: 'GET', path: at(ref as never, key), query: { ...options } }, () => inner.get(ref, key, options)),
    list: (ref, options = {}) =>
      run({ method: 'GET', path: at(ref as never, options), query: listQuery(options) }, () =>
        inner.list(ref, options),
      ),
    create(ref, body, options) {
      const path = at(ref as never, { namespace: keyOf(body).namespace });
      const asking = { method: 'POST', path, query: writeQuery(options ?? {}), body, code: 201 };
      return run(asking, () => inner.create(ref, body, options));
    },
    update: (ref, body, options) =>
      run(update(ref as never, body, '', writeQuery(options ?? {})), () => inner.update(ref, body, options)),
    updateStatus: (ref, body, options) =>
      run(update(ref as never, body, 'status', writeQuery(options ?? {})), () =>
        inner.updateStatus(ref, body, options),
      ),
    patch(ref, key, patch, options = {}) {
      const query = { ...writeQuery(options), ...(patch.type === 'apply' && patch.force ? { force: true } : {}) };
      const asking = { method: 'PATCH', path: at(ref as never, key, options.subresource), query, body: patch.body };
      return run(asking, () => inner.patch(ref, key, patch, options));
    },
    delete: (ref, key, options = {}) =>
      run({ method: 'DELETE', path: at(ref as never, key), body: sentOptions(deleteBody(options)) }, () =>
        inner.delete(ref, key, options),
      ),
    deleteCollection: (ref, list, options = {}) =>
      run(
        {
          method: 'DELETE',
          path: at(ref as never, list),
          query: listQuery(list),
          body: sentOptions(deleteBody(options)),
        },
        () => inner.deleteCollection(ref, list, options),
      ),
    watch(ref, options, handler) {
      const record = begin({ method: 'GET', path: at(ref as never, options), query: watchQuery(options) });
      return record ? auditedWatch(inner, record, ref, options, handler) : inner.watch(ref, options, handler);
    },
    createSubresource: (ref, key, sub, body, options) =>
      run({ method: 'POST', path: at(ref as never, key, sub), query: writeQuery(options ?? {}), body, code: 201 }, () =>
        inner.createSubresource(ref, key, sub, body, options),
      ),
    getSubresource: (ref, key, sub) =>
      run({ method: 'GET', path: at(ref as never, key, sub) }, () => inner.getSubresource(ref, key, sub)),
    updateSubresource: (ref, key, sub, body) =>
      run({ method: 'PUT', path: at(ref as never, key, sub), body }, () =>
        inner.updateSubresource(ref, key, sub, body),
      ),
    raw(path) {
      const [bare, query] = path.split('?');
      const asked = Object.fromEntries(new URLSearchParams(query ?? ''));
      return run({ method: 'GET', path: bare!, query: asked }, () => inner.raw(path));
    },
    as({ userAgent: agent, serviceAccount }) {
      const next = serviceAccount ? serviceAccountUser('kube-system', serviceAccount) : user;
      return auditedClient(inner.as({ userAgent: agent, ...(serviceAccount ? { serviceAccount } : {}) }), auditor, {
        user: next,
        userAgent: agent,
      });
    },
  };
}

async function failed(record: AuditRecord, error: unknown): Promise<void> {
  if (!(error instanceof StatusError)) {
    const message = `APIServer panic'd: ${error instanceof Error ? error.message : String(error)}`;
    const status = { metadata: {}, status: 'Failure', message, reason: 'InternalError', code: 500 };
    await record.emit('Panic', { code: 500, status });
    return;
  }
  record.annotate(decisionKey, error.code === 403 && error.status.reason === 'Forbidden' ? 'forbid' : 'allow');
  await record.emit('ResponseComplete', { code: error.code, responseObject: error.status });
}

function auditedWatch<T extends KubeObject>(
  inner: Client,
  record: AuditRecord,
  ref: ResourceRef<T>,
  options: WatchOptions,
  handler: WatchHandler<T>,
): WatchHandle {
  void record.emit('RequestReceived');
  let begun = false;
  let ended = false;
  const start = () => {
    if (begun || ended) return;
    begun = true;
    record.annotate(decisionKey, 'allow');
    void record.emit('ResponseStarted', { code: 200 });
  };
  const end = () => {
    if (ended) return;
    start();
    ended = true;
    void record.emit('ResponseComplete', { code: 200 });
  };
  const handle = inner.watch(ref, options, {
    onEvent(type, object) {
      start();
      handler.onEvent(type, object);
    },
    onClose(error) {
      if (begun || !error) end();
      else {
        ended = true;
        void failed(record, error);
      }
      handler.onClose(error);
    },
  });
  // What is not refused at once has begun, with or without events.
  setImmediate(start);
  return {
    stop() {
      end();
      handle.stop();
    },
  };
}
