// What is asked without an object: reviews, selectors, heads, and bodies that are hard to read.
import { core, dry, fill, json, map, post, type Scenario, short, text, yaml } from './large-request.ts';

export function* askedRequests(bytes: number): Generator<Scenario> {
  const authorization = '/apis/authorization.k8s.io/v1';
  const review = (kind: string, spec: string) =>
    `{"apiVersion":"authorization.k8s.io/v1","kind":"${kind}","spec":${spec}}`;
  const resource = '"resourceAttributes":{"verb":"get","resource":"pods"}';
  for (const [name, spec] of [
    ['groups', `{"user":"a","groups":${fill(bytes, n => `"${short(n)}"`)},${resource}}`],
    ['extra', `{"user":"a","extra":${map(bytes, n => `"${short(n)}":["a"]`)},${resource}}`],
    ['extra values', `{"user":"a","extra":{"a":${fill(bytes, n => `"${short(n)}"`)}},${resource}}`],
    ['name', `{"user":"a","resourceAttributes":{"verb":"get","resource":"pods","name":"${text(bytes, 'a')}"}}`],
    ['path', `{"user":"a","nonResourceAttributes":{"verb":"get","path":"${text(bytes, '/a')}"}}`],
    [
      'selector',
      `{"user":"a","resourceAttributes":{"verb":"list","resource":"pods","labelSelector":{"requirements":${fill(bytes, n => `{"key":"${short(n)}","operator":"In","values":["a"]}`)}}}}`,
    ],
    [
      'raw selector',
      `{"user":"a","resourceAttributes":{"verb":"list","resource":"pods","labelSelector":{"rawSelector":"${text(bytes, 'a=b,')}c"}}}`,
    ],
    [
      'raw set selector',
      `{"user":"a","resourceAttributes":{"verb":"list","resource":"pods","labelSelector":{"rawSelector":"a in (${text(bytes, 'b,')}c)"}}}`,
    ],
    [
      'raw fields',
      `{"user":"a","resourceAttributes":{"verb":"list","resource":"pods","fieldSelector":{"rawSelector":"${text(bytes, 'a=b,')}c=d"}}}`,
    ],
  ] as const)
    yield {
      name: `access review: ${name}`,
      request: post(`${authorization}/subjectaccessreviews`, review('SubjectAccessReview', spec)),
    };
  yield {
    name: 'rules review',
    request: post(
      `${authorization}/selfsubjectrulesreviews`,
      review('SelfSubjectRulesReview', '{"namespace":"default"}'),
    ),
  };
  const tokens = '/apis/authentication.k8s.io/v1/tokenreviews';
  for (const [name, spec] of [
    ['token', `{"token":"${text(bytes, 'a')}"}`],
    ['dots', `{"token":"${text(bytes, 'a.')}"}`],
    ['three parts', `{"token":"${text(bytes / 3, 'a')}.${text(bytes / 3, 'a')}.${text(bytes / 3, 'a')}"}`],
    ['audiences', `{"token":"a","audiences":${fill(bytes, n => `"${short(n)}"`)}}`],
  ] as const)
    yield {
      name: `token review: ${name}`,
      request: post(tokens, `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":${spec}}`),
    };
  yield {
    name: 'token request: audiences',
    request: post(
      `${core}/serviceaccounts/default/token`,
      `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"audiences":${fill(bytes, n => `"${short(n)}"`)}}}`,
    ),
  };
  yield {
    name: 'eviction',
    request: post(
      `${core}/pods/none/eviction`,
      `{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"none","labels":${map(bytes, n => `"${short(n)}":""`)}}}`,
    ),
  };
  yield {
    name: 'delete options',
    request: {
      method: 'DELETE',
      path: `${core}/configmaps/none`,
      headers: json,
      body: `{"kind":"DeleteOptions","apiVersion":"v1","dryRun":${fill(bytes, () => '"All"')}}`,
    },
  };
  const longUri = 900_000;
  for (const [name, query] of [
    ['labels', `labelSelector=${text(longUri, 'a,')}b`],
    ['labels in', `labelSelector=a%20in%20(${text(longUri, 'a,')}b)`],
    ['different labels in', `labelSelector=a%20in%20(${fill(longUri, short, '', '')})`],
    ['not labels', `labelSelector=${text(longUri, '!a,')}b`],
    ['blank labels', `labelSelector=${text(longUri, '%20')}`],
    ['fields', `fieldSelector=${text(longUri, 'metadata.name!=b,')}metadata.name!=c`],
    ['escaped fields', `fieldSelector=metadata.name=${text(longUri, '%5C%5C')}`],
    ['parameters', `${text(longUri, 'a&')}a`],
    ['a parameter again', `${text(longUri, 'labelSelector=a&')}a=1`],
    ['escapes', `labelSelector=${text(longUri, '%61')}`],
    ['continue', `continue=${text(longUri, 'a')}`],
  ] as const)
    yield { name: `list by long ${name}`, request: { method: 'GET', path: `${core}/configmaps?${query}` } };
  yield { name: 'long path', request: { method: 'GET', path: text(longUri, '/a') } };
  yield { name: 'long name', request: { method: 'GET', path: `${core}/configmaps/${text(longUri, 'a')}` } };
  yield { name: 'escaped name', request: { method: 'GET', path: `${core}/configmaps/${text(longUri, '%61')}` } };
  yield {
    name: 'long accept',
    request: { method: 'GET', path: `${core}/configmaps`, headers: { accept: text(longUri, 'a/b,') } },
  };
  yield {
    name: 'accept with parameters',
    request: {
      method: 'GET',
      path: `${core}/configmaps`,
      headers: { accept: `application/json${text(longUri, ';a=b')}` },
    },
  };
  yield {
    name: 'accept with quotes',
    request: {
      method: 'GET',
      path: `${core}/configmaps`,
      headers: { accept: `application/json;a="${text(longUri, '\\\\')}` },
    },
  };
  yield {
    name: 'content type',
    request: {
      method: 'POST',
      path: `${core}/configmaps`,
      body: '{}',
      headers: { 'content-type': `application/json${text(longUri, ';a=b')}` },
    },
  };
  yield {
    name: 'accept-encoding',
    request: { method: 'GET', path: `${core}/configmaps`, headers: { 'accept-encoding': text(longUri, 'a,') } },
  };
  yield {
    name: 'authorization',
    request: { method: 'GET', path: `${core}/configmaps`, headers: { authorization: `Bearer ${text(longUri, 'a.')}` } },
  };
  yield {
    name: 'user agent',
    request: { method: 'GET', path: `${core}/configmaps`, headers: { 'user-agent': text(longUri, 'a/b ') } },
  };
  yield {
    name: 'cookie',
    request: { method: 'GET', path: `${core}/configmaps`, headers: { cookie: text(longUri, 'a=b;') } },
  };
  yield {
    name: 'impersonated extra',
    request: {
      method: 'GET',
      path: `${core}/configmaps`,
      headers: {
        'impersonate-user': 'a',
        'impersonate-group': 'system:masters',
        'impersonate-extra-a': text(longUri, '%61'),
      },
    },
  };
  for (const [name, text_] of [
    ['arrays', text(bytes / 2, '[') + text(bytes / 2, ']')],
    ['open arrays', text(bytes, '[')],
    ['objects', `${text(bytes, '{"a":')}`],
    ['digits', `{"data":${text(bytes, '9')}}`],
    ['an exponent', `{"data":1e${text(bytes, '9')}}`],
    ['numbers', `{"data":${fill(bytes, () => '1e1')}}`],
    ['long numbers', `{"data":${fill(bytes, () => '12345678901234567890')}}`],
    ['escapes', `{"data":{"a":"${text(bytes, '\\u0061')}"}}`],
    ['quotes', `{"data":{"a":"${text(bytes, '\\"')}"}}`],
    ['blanks', `${text(bytes, ' ')}{}`],
    ['one key again', `{"data":${map(bytes, () => '"a":""')}}`],
    ['unknown fields', map(bytes, n => `"${short(n)}":1`)],
    ['unknown fields alike', fill(bytes, () => '"a":1', '{', '}')],
    ['unknown fields in data', `{"metadata":{"ownerReferences":${fill(bytes, n => `{"${short(n)}":1}`)}}}`],
    ['surrogates', `{"data":{"a":"${text(bytes, '\\ud800')}"}}`],
    ['case', map(bytes, n => `"${n % 2 ? 'DATA' : 'Data'}${n}":1`)],
  ] as const)
    for (const [how, headers] of [
      ['json', json],
      ['yaml', yaml],
    ] as const)
      for (const validation of ['Warn', 'Strict'])
        yield {
          name: `${how}, ${validation}: ${name}`,
          request: post(`${core}/configmaps?${dry}&fieldValidation=${validation}`, text_, headers),
        };
  for (const [name, text_] of [
    ['comments', text(bytes, '#\n')],
    ['anchors', `a: &a x\n${text(bytes, '- *a\n')}`],
    [
      'a line each',
      `kind: ConfigMap\ndata:\n${Array.from({ length: bytes / 11 }, (_, n) => ` ${short(n)}: ""`).join('\n')}`,
    ],
    ['flow', `{data: {${Array.from({ length: bytes / 10 }, (_, n) => `${short(n)}: ""`)}}}`],
    ['question marks', text(bytes, '? ')],
    ['dashes', text(bytes, '- ')],
    ['documents', text(bytes, '---\n')],
    ['folded', `data:\n a: >\n${text(bytes, '  a\n')}`],
    ['tags', `data: {a: ${text(bytes, '!a ')}}`],
    ['quoted', `data: {a: "${text(bytes, '\\\n ')}"}`],
  ] as const)
    yield { name: `only yaml: ${name}`, request: post(`${core}/configmaps?${dry}`, text_, yaml) };
  const pb = { 'content-type': 'application/vnd.kubernetes.protobuf' };
  for (const [name, unit] of [
    ['zeros', '\0'],
    ['groups', '\x0b'],
    ['empty fields', '\x12\x00'],
    ['varints', '\x08\x01'],
  ] as const)
    yield { name: `protobuf: ${name}`, request: post(`${core}/configmaps?${dry}`, `k8s\0${text(bytes, unit)}`, pb) };
}
