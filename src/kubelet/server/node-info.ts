// What the kubelet tells about itself and its pods.
import { createReadStream } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join, normalize } from 'node:path';
import { podNameLabel, podNamespaceLabel, podUidLabel, readContainerMarks } from '../kernel/label.ts';
import { HttpError } from './http-error.ts';
import { answerJson, answerStream, answerText, type Route, type RouteContext } from './route.ts';

/** Pods bound to this node with their newest status. */
export function podsRoute({ kubelet }: RouteContext): Route {
  return ({ response }) =>
    answerJson(response, { kind: 'PodList', apiVersion: 'v1', metadata: {}, items: kubelet.pods() });
}

/** Pods as the runtime knows them, those that the API server does not included. */
export function runningPodsRoute({ kubelet }: RouteContext): Route {
  return async ({ response }) => {
    const filter = { state: { state: 'CONTAINER_RUNNING' as const } };
    const { containers = [] } = await kubelet.runtime.ListContainers({ filter });
    const pods = new Map<string, { metadata: object; spec: { containers: object[] }; status: object }>();
    for (const c of containers) {
      const labels = c.labels ?? {};
      const uid = labels[podUidLabel];
      if (!uid) continue;
      const metadata = { name: labels[podNameLabel], namespace: labels[podNamespaceLabel], uid };
      const pod = pods.get(uid) ?? { metadata, spec: { containers: [] }, status: {} };
      pods.set(uid, pod);
      pod.spec.containers.push({
        name: readContainerMarks(c.labels, c.annotations)?.name ?? c.metadata?.name,
        image: c.image_ref ?? c.image?.image,
        resources: {},
      });
    }
    answerJson(response, { kind: 'PodList', apiVersion: 'v1', metadata: {}, items: [...pods.values()] });
  };
}

/** /healthz and its checks. */
export function healthRoute({ kubelet }: RouteContext): Route {
  const checks: Readonly<Record<string, () => readonly string[]>> = {
    ping: () => [],
    log: () => [],
    syncloop: () => kubelet.problems(),
  };
  return ({ response, segments, query }) => {
    const one = segments[1];
    if (one) {
      const check = checks[one];
      if (!check) throw new HttpError(404, '404 page not found\n');
      const [problem] = check();
      if (problem) throw new HttpError(500, `internal server error: ${problem}\n`);
      return answerText(response, 200, 'ok');
    }
    const lines = Object.entries(checks).map(([name, check]) => ({ name, ok: check().length === 0 }));
    const report = lines.map(l => (l.ok ? `[+]${l.name} ok\n` : `[-]${l.name} failed: reason withheld\n`)).join('');
    if (lines.some(l => !l.ok)) throw new HttpError(500, `${report}healthz check failed\n`);
    answerText(response, 200, query.has('verbose') ? `${report}healthz check passed\n` : 'ok');
  };
}

/** The configuration in effect, in the words of kubelet.config.k8s.io/v1beta1. */
export function configRoute(config: object): Route {
  const kubeletconfig = { ...config, apiVersion: 'kubelet.config.k8s.io/v1beta1', kind: 'KubeletConfiguration' };
  return ({ response }) => answerJson(response, { kubeletconfig });
}

const markup: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;' };
const escapeHtml = (text: string) => text.replace(/[&<>"']/g, c => markup[c]!);

/** /logs/…: files below `directory`, which no link leads out of. */
export function logsRoute(directory: string): Route {
  return async asked => {
    const { response, path } = asked;
    if (path === '/logs') {
      response.writeHead(301, { location: '/logs/' }).end();
      return;
    }
    const wanted = normalize(join(directory, `/${asked.segments.slice(1).join('/')}`));
    const [root, file] = await Promise.all([realpath(directory), realpath(wanted)]).catch(() => {
      throw new HttpError(404, '404 page not found\n');
    });
    if (file !== root && !file.startsWith(`${root}/`)) throw new HttpError(404, '404 page not found\n');
    const info = await stat(file);
    if (info.isFile()) {
      const headers = { 'content-type': 'text/plain; charset=utf-8', 'content-length': String(info.size) };
      const source = info.size ? createReadStream(file, { end: info.size - 1 }) : [];
      return answerStream(asked, 200, headers, source as AsyncIterable<Buffer>);
    }
    if (!info.isDirectory()) throw new HttpError(404, '404 page not found\n');
    if (!path.endsWith('/')) {
      response.writeHead(301, { location: `${path}/` }).end();
      return;
    }
    const entries = await readdir(file, { withFileTypes: true });
    const names = entries.map(e => (e.isDirectory() ? `${e.name}/` : e.name)).sort();
    const lines = names.map(n => `<a href="${encodeURI(n)}">${escapeHtml(n)}</a>\n`);
    answerText(
      response,
      200,
      `<!doctype html>\n<meta name="viewport" content="width=device-width">\n<pre>\n${lines.join('')}</pre>\n`,
      {
        'content-type': 'text/html; charset=utf-8',
      },
    );
  };
}
