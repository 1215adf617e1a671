// Runs in pods: what extends the API server, over HTTPS with the certificate under /tls. On 8444 webhooks that answer as the
// official suite's do; on 443 a sample API server with one kind, which believes the aggregator's word for who asks, and
// asks the cluster's own API server what they may do. Its readiness is http://:8080.
const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');

const certificate = { cert: fs.readFileSync('/tls/tls.crt'), key: fs.readFileSync('/tls/tls.key') };
const account = '/var/run/secrets/kubernetes.io/serviceaccount';

const textOf = async stream => {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
};
const answer = (response, code, object) => {
  response.writeHead(code, { 'content-type': 'application/json' });
  response.end(JSON.stringify(object));
};

/** As the pod's service account. */
const ask = (method, path, body) =>
  new Promise((done, failed) => {
    const headers = {
      authorization: `Bearer ${fs.readFileSync(`${account}/token`, 'utf8')}`,
      'content-type': 'application/json',
    };
    const options = { method, headers, ca: fs.readFileSync(`${account}/ca.crt`), agent: false };
    const request = https.request(`https://kubernetes.default.svc${path}`, options, async response => {
      const text = await textOf(response);
      if (response.statusCode < 300) done(JSON.parse(text));
      else failed(new Error(`${method} ${path}: ${response.statusCode} ${text}`));
    });
    request.on('error', failed);
    request.end(body && JSON.stringify(body));
  });

// ---- webhooks ----

const denied = message => ({ allowed: false, status: { message } });
const webhooks = {
  '/pods': ({ object }) =>
    object.spec.containers.some(c => c.name === 'webhook-disallow')
      ? denied('the pod contains unwanted container name')
      : { allowed: true },
  '/pods/attach': ({ name }) => denied(`attaching to pod '${name}' is not allowed`),
  '/mutating-pods': ({ object }) => {
    const [{ image }] = object.spec.containers;
    const added = [{ image, name: 'webhook-added-init-container', command: ['echo', 'added'], resources: {} }];
    const patch = JSON.stringify([{ op: 'add', path: '/spec/initContainers', value: added }]);
    return { allowed: true, patchType: 'JSONPatch', patch: Buffer.from(patch).toString('base64') };
  },
};

https
  .createServer(certificate, async (request, response) => {
    const { request: asked, apiVersion, kind } = JSON.parse(await textOf(request));
    const { pathname } = new URL(request.url, 'https://x');
    answer(response, 200, { apiVersion, kind, response: { uid: asked.uid, ...webhooks[pathname](asked) } });
  })
  .listen(8444);

// ---- the sample API server ----

const groupVersion = 'wardle.example.com/v1alpha1';
const resources = {
  kind: 'APIResourceList',
  apiVersion: 'v1',
  groupVersion,
  resources: [
    {
      name: 'flunders',
      singularName: 'flunder',
      namespaced: true,
      kind: 'Flunder',
      verbs: ['create', 'delete', 'get', 'list'],
    },
  ],
};
const flunders = new Map();
let revision = 0;

/** Only the holder of the aggregator's certificate may name others. */
function userOf(request, names) {
  const peer = request.socket.authorized && request.socket.getPeerCertificate().subject.CN;
  if (!peer || (names.length && !names.includes(peer))) return undefined;
  const { 'x-remote-user': user, 'x-remote-group': groups = '' } = request.headers;
  return { user, groups: groups.split(', ') };
}

const verbs = { GET: 'get', POST: 'create', DELETE: 'delete' };

async function serveFlunders(request, response, user) {
  const failure = (code, reason, message) =>
    answer(response, code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message });
  const { pathname } = new URL(request.url, 'https://x');
  if (pathname === `/apis/${groupVersion}`) return answer(response, 200, resources);
  const [, namespace, name] = /\/namespaces\/([^/]+)\/flunders(?:\/(.+))?$/.exec(pathname) ?? [];
  if (!namespace) return failure(404, 'NotFound', pathname);
  const verb = request.method === 'GET' && !name ? 'list' : verbs[request.method];
  const resourceAttributes = { namespace, verb, group: 'wardle.example.com', version: 'v1alpha1', resource: 'flunders' };
  const review = await ask('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', {
    spec: { ...user, resourceAttributes },
  });
  if (!review.status.allowed) return failure(403, 'Forbidden', `${user.user} may not ${verb} flunders`);
  if (verb === 'create') {
    const object = JSON.parse(await textOf(request));
    Object.assign(object.metadata, { namespace, uid: `uid-${++revision}`, resourceVersion: String(revision) });
    flunders.set(object.metadata.name, object);
    return answer(response, 201, object);
  }
  const list = { kind: 'FlunderList', apiVersion: groupVersion, metadata: {}, items: [...flunders.values()] };
  if (verb === 'list') return answer(response, 200, list);
  const found = flunders.get(name);
  if (!found) return failure(404, 'NotFound', `flunders.wardle.example.com "${name}" not found`);
  if (verb === 'delete') flunders.delete(name);
  return answer(response, 200, found);
}

async function main() {
  const path = '/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication';
  const { data } = await ask('GET', path);
  const names = JSON.parse(data['requestheader-allowed-names']);
  const options = {
    ...certificate,
    ca: data['requestheader-client-ca-file'],
    requestCert: true,
    rejectUnauthorized: false,
  };
  https
    .createServer(options, (request, response) => {
      const user = userOf(request, names);
      if (!user) return answer(response, 401, { kind: 'Status', status: 'Failure', code: 401, reason: 'Unauthorized' });
      serveFlunders(request, response, user).catch(error => answer(response, 500, { message: String(error) }));
    })
    .listen(443);
  http.createServer((_, response) => response.end('ready')).listen(8080);
}
main();
