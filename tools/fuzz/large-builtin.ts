// Built-in kinds: each part of them that may be long, and long objects written and read in every way.
import {
  type Body,
  body,
  container,
  core,
  dry,
  fill,
  map,
  merge,
  patch,
  post,
  put,
  type Scenario,
  short,
  strategic,
  text,
  writes,
} from './large-request.ts';

export function* builtinRequests(bytes: number): Generator<Scenario> {
  const maps = (kind: string, field: string, value: (n: number) => string) => {
    const of = (mark: string): Body => ({
      kind,
      rest: `"${field}":${map(Math.min(bytes, 1_000_000), n => `"${mark}${short(n)}":${value(n)}`)}`,
    });
    return [{ kind, rest: `"${field}":{"a":${value(0)}}` }, of('a'), of('b')] as const;
  };
  yield* writes('configmap data', `${core}/configmaps`, ...maps('ConfigMap', 'data', () => '""'));
  yield* writes('secret data', `${core}/secrets`, ...maps('Secret', 'data', () => '""'));
  const annotated = (mark: string): Body => ({
    kind: 'ConfigMap',
    metadata: `,"annotations":${map(250_000 * 1.7, n => `"${mark}${short(n)}":""`)}`,
    rest: '"data":{}',
  });
  yield* writes(
    'annotations',
    `${core}/configmaps`,
    { kind: 'ConfigMap', rest: '"data":{}' },
    annotated('a'),
    annotated('b'),
  );
  const labelled = (mark: string): Body => ({
    kind: 'ConfigMap',
    metadata: `,"labels":${map(bytes, n => `"${mark}${short(n)}":""`)}`,
    rest: '"data":{}',
  });
  yield* writes('labels', `${core}/configmaps`, { kind: 'ConfigMap', rest: '"data":{}' }, labelled('a'), labelled('b'));
  const finalizers = (mark: string): Body => ({
    kind: 'ConfigMap',
    metadata: `,"finalizers":${fill(bytes, n => `"e.x/${mark}${short(n)}"`)}`,
    rest: '"data":{}',
  });
  yield { name: 'finalizers: create', request: post(`${core}/configmaps?${dry}`, body(finalizers('a'))) };
  const owners = (mark: string): Body => ({
    kind: 'ConfigMap',
    metadata: `,"ownerReferences":${fill(bytes, n => `{"apiVersion":"v1","kind":"Pod","name":"${mark}","uid":"${mark}${short(n)}"}`)}`,
    rest: '"data":{}',
  });
  yield* writes('owners', `${core}/configmaps`, { kind: 'ConfigMap', rest: '"data":{}' }, owners('a'), owners('b'));
  const managed = (fields: string): Body => ({
    kind: 'ConfigMap',
    metadata: `,"managedFields":[{"manager":"m","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":${fields}}]`,
    rest: '"data":{}',
  });
  for (const [name, fields] of [
    ['fields', `{"f:data":${map(bytes, n => `"f:${short(n)}":{}`)}}`],
    ['keys', `{"f:data":${map(bytes, n => `"k:{\\"a\\":${n}}":{}`)}}`],
    ['values, backwards', `{"f:data":${map(bytes, n => `"v:${9_999_999 - n}":{}`)}}`],
    ['indexes', `{"f:data":${map(bytes, n => `"i:${9_999_999 - n}":{}`)}}`],
    ['escaped', `{"f:data":${map(bytes, n => `"v:\\"\\\\n${short(9_999_999 - n)}\\"":{}`)}}`],
  ] as const)
    yield { name: `managedFields: ${name}`, request: post(`${core}/configmaps?${dry}`, body(managed(fields))) };
  yield {
    name: 'managedFields: entries',
    request: post(
      `${core}/configmaps?${dry}`,
      body({
        kind: 'ConfigMap',
        metadata: `,"managedFields":${fill(bytes, n => `{"manager":"m${n}","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:data":{"f:a${n}":{}}}}`)}`,
        rest: '"data":{}',
      }),
    ),
  };
  const pod = (field: string, items: string): Body => ({
    kind: 'Pod',
    rest: field
      ? `"spec":{"containers":[{"name":"c","image":"a","${field}":${items}}]}`
      : `"spec":{"containers":${items}}`,
  });
  const spec = (field: string, items: string): Body => ({
    kind: 'Pod',
    rest: `"spec":{"containers":[{"name":"c","image":"a"}],"${field}":${items}}`,
  });
  const podFolder = `${core}/pods?${dry}`;
  const posts = function* (kind: string, folder: string, bodies: Record<string, Body>): Generator<Scenario> {
    for (const [name, b] of Object.entries(bodies)) yield { name: `${kind} ${name}`, request: post(folder, body(b)) };
  };
  yield* posts('pod', podFolder, {
    'empty containers': pod(
      '',
      fill(bytes, () => '{}'),
    ),
    containers: pod('', fill(bytes, container)),
    env: pod(
      'env',
      fill(bytes, n => `{"name":"a${short(n)}"}`),
    ),
    'env alike': pod(
      'env',
      fill(bytes, () => `{"name":"a"}`),
    ),
    'env that refers': pod(
      'env',
      fill(bytes, n => `{"name":"a${short(n)}","valueFrom":{"configMapKeyRef":{"name":"a","key":"b"}}}`),
    ),
    ports: pod(
      'ports',
      fill(bytes, n => `{"containerPort":${1 + (n % 65_535)}}`),
    ),
    'host ports': pod(
      'ports',
      fill(bytes, n => `{"containerPort":${1 + (n % 65_535)},"hostPort":${1 + (n % 65_535)}}`),
    ),
    mounts: {
      kind: 'Pod',
      rest: `"spec":{"containers":[{"name":"c","image":"a","volumeMounts":${fill(bytes / 2, n => `{"name":"v${short(n)}","mountPath":"/${short(n)}"}`)}}],"volumes":${fill(bytes / 2, n => `{"name":"v${short(n)}"}`)}}`,
    },
    'requests and limits': pod(
      'resources',
      `{"limits":${map(bytes / 2, n => `"e.x/${short(n)}":1`)},"requests":${map(bytes / 2, n => `"e.x/${short(n)}":1`)}}`,
    ),
    volumes: spec(
      'volumes',
      fill(bytes, n => `{"name":"v${short(n)}"}`),
    ),
    'projected sources': spec(
      'volumes',
      `[{"name":"v","projected":{"sources":${fill(bytes, n => `{"configMap":{"name":"a","items":[{"key":"a","path":"${short(n)}"}]}}`)}}}]`,
    ),
    'config map items': spec(
      'volumes',
      `[{"name":"v","configMap":{"name":"a","items":${fill(bytes, n => `{"key":"a","path":"${short(n)}"}`)}}}]`,
    ),
    tolerations: spec(
      'tolerations',
      fill(bytes, n => `{"key":"${short(n)}"}`),
    ),
    'pull secrets': spec(
      'imagePullSecrets',
      fill(bytes, n => `{"name":"${short(n)}"}`),
    ),
    aliases: spec(
      'hostAliases',
      fill(bytes, n => `{"ip":"10.${n >> 16}.${(n >> 8) & 255}.${n & 255}"}`),
    ),
    gates: spec(
      'schedulingGates',
      fill(bytes, n => `{"name":"${short(n)}"}`),
    ),
    spread: spec(
      'topologySpreadConstraints',
      fill(bytes, n => `{"maxSkew":1,"topologyKey":"${short(n)}","whenUnsatisfiable":"DoNotSchedule"}`),
    ),
    sysctls: spec('securityContext', `{"sysctls":${fill(bytes, n => `{"name":"a.${short(n)}","value":"1"}`)}}`),
    'affinity terms': spec(
      'affinity',
      `{"podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":${fill(bytes, n => `{"topologyKey":"${short(n)}"}`)}}}`,
    ),
    'affinity expressions': spec(
      'affinity',
      `{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchExpressions":${fill(bytes, n => `{"key":"${short(n)}","operator":"Exists"}`)}}]}}}`,
    ),
    claims: spec(
      'resourceClaims',
      fill(bytes, n => `{"name":"${short(n)}","resourceClaimName":"a"}`),
    ),
    'init containers': spec('initContainers', fill(bytes, container)),
  });
  const containers = (mark: string): Body => ({
    kind: 'Pod',
    rest: `"spec":{"containers":${fill(bytes, n => `{"name":"${mark}${short(n)}","image":"a"}`)}}`,
  });
  yield* writes(
    'pod containers',
    `${core}/pods`,
    { kind: 'Pod', rest: '"spec":{"containers":[{"name":"a0","image":"a"}]}' },
    containers('a'),
    containers('b'),
  );
  const apps = '/apis/apps/v1/namespaces/default/deployments';
  const deployment = (items: string, name = 'x'): Body => ({
    kind: 'Deployment',
    apiVersion: 'apps/v1',
    name,
    rest: `"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"a","env":${items}}]}}}`,
  });
  yield* writes(
    'deployment env',
    apps,
    deployment('[]'),
    deployment(fill(bytes, n => `{"name":"a${short(n)}"}`)),
    deployment(fill(bytes, n => `{"name":"b${short(n)}"}`)),
  );
  const limits = (item: (n: number) => string): Body => ({
    kind: 'LimitRange',
    rest: `"spec":{"limits":${fill(bytes, item)}}`,
  });
  yield* posts('limitrange', `${core}/limitranges?${dry}`, {
    'many limits': limits(n => `{"type":"t${short(n)}"}`),
    'empty limits': limits(() => '{}'),
    'many quantities': {
      kind: 'LimitRange',
      rest: `"spec":{"limits":[{"type":"Container","max":${map(bytes / 2, n => `"e.x/${short(n)}":1`)},"min":${map(bytes / 2, n => `"e.x/${short(n)}":1`)}}]}`,
    },
    'large quantities': limits(
      n => `{"type":"t${n}","max":{"cpu":"${text(90, '9')}"},"min":{"cpu":"${text(90, '8')}"}}`,
    ),
    fractions: limits(n => `{"type":"t${n}","max":{"cpu":"0.${text(90, '9')}"},"min":{"cpu":"0.${text(90, '8')}"}}`),
  });
  yield* posts('resourcequota', `${core}/resourcequotas?${dry}`, {
    hard: { kind: 'ResourceQuota', rest: `"spec":{"hard":${map(bytes, n => `"count/${short(n)}":1`)}}` },
    scopes: { kind: 'ResourceQuota', rest: `"spec":{"scopes":${fill(bytes, () => '"BestEffort"')}}` },
    selector: {
      kind: 'ResourceQuota',
      rest: `"spec":{"scopeSelector":{"matchExpressions":${fill(bytes, () => '{"scopeName":"PriorityClass","operator":"Exists"}')}}}`,
    },
  });
  yield* posts('endpointslice', `/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?${dry}`, {
    '1,000 endpoints': {
      kind: 'EndpointSlice',
      apiVersion: 'discovery.k8s.io/v1',
      rest: `"addressType":"IPv4","endpoints":[${Array.from({ length: 1000 }, () => `{"addresses":${fill(bytes / 1010, n => `"10.0.${(n >> 8) & 255}.${n & 255}"`)}}`)}]`,
    },
    ipv6: {
      kind: 'EndpointSlice',
      apiVersion: 'discovery.k8s.io/v1',
      rest: `"addressType":"IPv6","endpoints":[${Array.from({ length: 1000 }, () => `{"addresses":${fill(bytes / 1010, n => `"::${n.toString(16)}"`)}}`)}]`,
    },
    'many endpoints': {
      kind: 'EndpointSlice',
      apiVersion: 'discovery.k8s.io/v1',
      rest: `"addressType":"IPv4","endpoints":${fill(bytes, () => '{}')}`,
    },
    ports: {
      kind: 'EndpointSlice',
      apiVersion: 'discovery.k8s.io/v1',
      rest: `"addressType":"IPv4","endpoints":[],"ports":${fill(bytes, n => `{"name":"${short(n)}","port":1}`)}`,
    },
    hints: {
      kind: 'EndpointSlice',
      apiVersion: 'discovery.k8s.io/v1',
      rest: `"addressType":"IPv4","endpoints":[{"addresses":["10.0.0.1"],"hints":{"forZones":${fill(bytes, n => `{"name":"${short(n)}"}`)}}}]`,
    },
    topology: {
      kind: 'EndpointSlice',
      apiVersion: 'discovery.k8s.io/v1',
      rest: `"addressType":"IPv4","endpoints":[{"addresses":["10.0.0.1"],"deprecatedTopology":${map(bytes, n => `"${short(n)}":""`)}}]`,
    },
  });
  const net = '/apis/networking.k8s.io/v1/namespaces/default';
  yield* posts('networkpolicy', `${net}/networkpolicies?${dry}`, {
    rules: {
      kind: 'NetworkPolicy',
      apiVersion: 'networking.k8s.io/v1',
      rest: `"spec":{"podSelector":{},"ingress":${fill(bytes, () => '{}')}}`,
    },
    blocks: {
      kind: 'NetworkPolicy',
      apiVersion: 'networking.k8s.io/v1',
      rest: `"spec":{"podSelector":{},"ingress":[{"from":${fill(bytes, n => `{"ipBlock":{"cidr":"10.${(n >> 8) & 255}.${n & 255}.0/24","except":["10.${(n >> 8) & 255}.${n & 255}.1/32"]}}`)}}]}`,
    },
    except: {
      kind: 'NetworkPolicy',
      apiVersion: 'networking.k8s.io/v1',
      rest: `"spec":{"podSelector":{},"ingress":[{"from":[{"ipBlock":{"cidr":"10.0.0.0/8","except":${fill(bytes, n => `"10.${(n >> 8) & 255}.${n & 255}.0/24"`)}}}]}]}`,
    },
    ports: {
      kind: 'NetworkPolicy',
      apiVersion: 'networking.k8s.io/v1',
      rest: `"spec":{"podSelector":{},"ingress":[{"ports":${fill(bytes, n => `{"port":${1 + (n % 65_535)}}`)}}]}`,
    },
    expressions: {
      kind: 'NetworkPolicy',
      apiVersion: 'networking.k8s.io/v1',
      rest: `"spec":{"podSelector":{"matchExpressions":${fill(bytes, n => `{"key":"${short(n)}","operator":"In","values":["a"]}`)}}}`,
    },
    values: {
      kind: 'NetworkPolicy',
      apiVersion: 'networking.k8s.io/v1',
      rest: `"spec":{"podSelector":{"matchExpressions":[{"key":"a","operator":"In","values":${fill(bytes, n => `"${short(n)}"`)}}]}}`,
    },
  });
  yield* posts('ingress', `${net}/ingresses?${dry}`, {
    rules: {
      kind: 'Ingress',
      apiVersion: 'networking.k8s.io/v1',
      rest: `"spec":{"rules":${fill(bytes, n => `{"host":"${short(n)}.x"}`)}}`,
    },
    paths: {
      kind: 'Ingress',
      apiVersion: 'networking.k8s.io/v1',
      rest: `"spec":{"rules":[{"http":{"paths":${fill(bytes, n => `{"path":"/${short(n)}","pathType":"Prefix","backend":{"service":{"name":"a","port":{"number":1}}}}`)}}}]}`,
    },
    hosts: {
      kind: 'Ingress',
      apiVersion: 'networking.k8s.io/v1',
      rest: `"spec":{"defaultBackend":{"service":{"name":"a","port":{"number":1}}},"tls":[{"hosts":${fill(bytes, n => `"${short(n)}"`)}}]}`,
    },
  });
  const services = `${core}/services?${dry}`;
  yield* posts('service', services, {
    ports: {
      kind: 'Service',
      rest: `"spec":{"ports":${fill(bytes, n => `{"name":"${short(n)}","port":${1 + (n % 65_535)}}`)}}`,
    },
    'node ports': {
      kind: 'Service',
      rest: `"spec":{"type":"NodePort","ports":${fill(bytes, n => `{"name":"${short(n)}","port":${1 + (n % 65_535)}}`)}}`,
    },
    'external ips': {
      kind: 'Service',
      rest: `"spec":{"ports":[{"port":1}],"externalIPs":${fill(bytes, n => `"11.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}"`)}}`,
    },
    'source ranges': {
      kind: 'Service',
      rest: `"spec":{"type":"LoadBalancer","ports":[{"port":1}],"loadBalancerSourceRanges":${fill(bytes, n => `"11.${(n >> 8) & 255}.${n & 255}.0/24"`)}}`,
    },
    selector: {
      kind: 'Service',
      rest: `"spec":{"ports":[{"port":1}],"selector":${map(bytes, n => `"${short(n)}":"a"`)}}`,
    },
  });
  const rbac = '/apis/rbac.authorization.k8s.io/v1';
  const rule = (n: number) => `{"apiGroups":[""],"resources":["r${short(n)}"],"verbs":["get"]}`;
  const role = (mark: string): Body => ({
    kind: 'ClusterRole',
    apiVersion: 'rbac.authorization.k8s.io/v1',
    rest: `"rules":${fill(bytes, n => rule(n).replace('r', 'r').replace('"r', `"${mark}`))}`,
  });
  yield* writes(
    'clusterrole',
    `${rbac}/clusterroles`,
    { kind: 'ClusterRole', apiVersion: 'rbac.authorization.k8s.io/v1', rest: '"rules":[]' },
    role('a'),
    role('b'),
  );
  const binding = (mark: string): Body => ({
    kind: 'ClusterRoleBinding',
    apiVersion: 'rbac.authorization.k8s.io/v1',
    rest: `"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"view"},"subjects":${fill(bytes, n => `{"kind":"User","name":"${mark}${short(n)}"}`)}`,
  });
  yield* writes(
    'clusterrolebinding',
    `${rbac}/clusterrolebindings`,
    {
      kind: 'ClusterRoleBinding',
      apiVersion: 'rbac.authorization.k8s.io/v1',
      rest: '"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"view"}',
    },
    binding('a'),
    binding('b'),
  );
  const webhooks = (item: (n: number) => string): Body => ({
    kind: 'ValidatingWebhookConfiguration',
    apiVersion: 'admissionregistration.k8s.io/v1',
    rest: `"webhooks":${fill(bytes, item)}`,
  });
  const admission = '/apis/admissionregistration.k8s.io/v1';
  yield* posts('webhooks', `${admission}/validatingwebhookconfigurations?${dry}`, {
    empty: webhooks(() => '{}'),
    'of different names': webhooks(n => `{"name":"${short(n)}"}`),
    rules: {
      kind: 'ValidatingWebhookConfiguration',
      apiVersion: 'admissionregistration.k8s.io/v1',
      rest: `"webhooks":[{"name":"a.b.c","clientConfig":{"url":"https://127.0.0.1:1/none"},"admissionReviewVersions":["v1"],"sideEffects":"None","rules":${fill(bytes, n => `{"apiGroups":["a${n}"],"apiVersions":["v1"],"operations":["CREATE"],"resources":["b"]}`)}}]`,
    },
    conditions: {
      kind: 'ValidatingWebhookConfiguration',
      apiVersion: 'admissionregistration.k8s.io/v1',
      rest: `"webhooks":[{"name":"a.b.c","clientConfig":{"url":"https://127.0.0.1:1/none"},"admissionReviewVersions":["v1"],"sideEffects":"None","matchConditions":${fill(bytes, n => `{"name":"${short(n)}","expression":"true"}`)}}]`,
    },
  });
  const webhooksEmpty = (rest: string): Body => ({
    kind: 'ValidatingWebhookConfiguration',
    apiVersion: 'admissionregistration.k8s.io/v1',
    rest,
  });
  yield* writes(
    'no webhooks named',
    `${admission}/validatingwebhookconfigurations`,
    webhooksEmpty('"webhooks":[]'),
    webhooks(() => '{}'),
    webhooks(() => '{"name":""}'),
  );
  yield {
    name: 'node status',
    before: [post('/api/v1/nodes', body({ kind: 'Node', name: 'n', rest: '"spec":{}' }))],
    request: put(
      '/api/v1/nodes/n/status',
      body({ kind: 'Node', name: 'n', rest: `"status":{"images":${fill(bytes, n => `{"names":["${short(n)}"]}`)}}` }),
    ),
  };
  yield {
    name: 'node addresses',
    request: patch(
      '/api/v1/nodes/n/status',
      `{"status":{"addresses":${fill(bytes, n => `{"type":"${short(n)}","address":"a"}`)}}}`,
      strategic,
    ),
  };
  yield {
    name: 'node conditions',
    request: patch(
      '/api/v1/nodes/n/status',
      `{"status":{"conditions":${fill(bytes, n => `{"type":"${short(n)}","status":"True"}`)}}}`,
      strategic,
    ),
  };
  yield {
    name: 'node taints',
    request: patch(
      '/api/v1/nodes/n',
      `{"spec":{"taints":${fill(bytes, n => `{"key":"${short(n)}","effect":"NoSchedule"}`)}}}`,
      strategic,
    ),
  };
  yield {
    name: 'node taints, merge',
    request: patch(
      '/api/v1/nodes/n',
      `{"spec":{"taints":${fill(bytes, n => `{"key":"${short(n)}","effect":"NoExecute"}`)}}}`,
      merge,
    ),
  };
  yield {
    name: 'node allocatable',
    request: patch(
      '/api/v1/nodes/n/status',
      `{"status":{"capacity":${map(bytes, n => `"e.x/${short(n)}":"1"`)}}}`,
      strategic,
    ),
  };
}
