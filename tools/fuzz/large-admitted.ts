// Policies, limits and quotas, and what is held to them.
import {
  body,
  container,
  core,
  dry,
  fill,
  type LargeRequest,
  map,
  post,
  remove,
  type Scenario,
  short,
  text,
} from './large-request.ts';

export function* admittedRequests(bytes: number): Generator<Scenario> {
  const admission = '/apis/admissionregistration.k8s.io/v1';
  const policy = (spec: string) =>
    `{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicy","metadata":{"name":"p"},"spec":{"matchConstraints":{"resourceRules":[{"apiGroups":[""],"apiVersions":["v1"],"operations":["CREATE"],"resources":["nothings"]}]},${spec}}}`;
  for (const [name, spec] of [
    ['validations', `"validations":${fill(bytes, () => '{"expression":"true"}')}`],
    ['different validations', `"validations":${fill(bytes, n => `{"expression":"${n}>0"}`)}`],
    ['wrong validations', `"validations":${fill(bytes, n => `{"expression":"a${n}"}`)}`],
    [
      'variables',
      `"variables":${fill(bytes, n => `{"name":"v${short(n)}","expression":"1"}`)},"validations":[{"expression":"variables.v1 == 1"}]`,
    ],
    ['annotations', `"auditAnnotations":${fill(bytes, n => `{"key":"k${short(n)}","valueExpression":"'a'"}`)}`],
    [
      'conditions',
      `"matchConditions":${fill(bytes, n => `{"name":"k${short(n)}","expression":"true"}`)},"validations":[{"expression":"true"}]`,
    ],
    ['a sum', `"validations":[{"expression":"${text(bytes, '1+')}1==1"}]`],
    ['a conjunction', `"validations":[{"expression":"${text(bytes, 'true&&')}true"}]`],
    ['parentheses', `"validations":[{"expression":"${text(bytes / 2, '(')}1${text(bytes / 2, ')')}"}]`],
    ['a list', `"validations":[{"expression":"[${text(bytes, '1,')}1].size() > 0"}]`],
    ['a map', `"validations":[{"expression":"{${Array.from({ length: bytes / 9 }, (_, n) => `${n}:1`)}}.size() > 0"}]`],
    ['negations', `"validations":[{"expression":"${text(bytes, '!')}true"}]`],
    ['selects', `"validations":[{"expression":"object${text(bytes, '.a')} == 1"}]`],
    ['a text', `"validations":[{"expression":"'${text(bytes, 'a')}' == ''"}]`],
    ['escapes', `"validations":[{"expression":"'${text(bytes, '\\\\n')}' == ''"}]`],
    ['a comment', `"validations":[{"expression":"true // ${text(bytes, 'a')}"}]`],
    ['ternaries', `"validations":[{"expression":"${text(bytes, 'true?true:')}true"}]`],
    ['calls', `"validations":[{"expression":"'a'${text(bytes, '.trim()')} == ''"}]`],
    ['macros', `"validations":[{"expression":"[1]${text(bytes, '.map(x,x)')} == [1]"}]`],
    ['a format', `"validations":[{"expression":"'${text(bytes, '%d')}'.format([]) == ''"}]`],
    ['a regex', `"validations":[{"expression":"'a'.matches('${text(bytes, 'a?')}')"}]`],
  ] as const)
    yield { name: `policy: ${name}`, request: post(`${admission}/validatingadmissionpolicies?${dry}`, policy(spec)) };
  // A policy that is asked of large objects.
  const asked = (expressions: string[]): LargeRequest[] => [
    remove(`${admission}/validatingadmissionpolicies/q`),
    post(
      `${admission}/validatingadmissionpolicies`,
      JSON.stringify({
        metadata: { name: 'q' },
        spec: {
          matchConstraints: {
            resourceRules: [
              { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] },
            ],
          },
          validations: expressions.map(expression => ({ expression })),
        },
      }),
    ),
    post(
      `${admission}/validatingadmissionpolicybindings`,
      JSON.stringify({ metadata: { name: 'q' }, spec: { policyName: 'q', validationActions: ['Deny'] } }),
    ),
  ];
  const large = body({
    kind: 'ConfigMap',
    name: 'asked',
    rest: `"data":${map(Math.min(bytes, 1_000_000), n => `"${short(n)}":""`)}`,
  });
  const long = body({ kind: 'ConfigMap', name: 'asked', rest: `"data":{"a":"${text(1_000_000, 'ab')}"}` });
  for (const [name, expressions, what] of [
    ['all of a map', ['object.data.all(k, object.data[k] == "")'], large],
    ['sizes', Array.from({ length: 500 }, () => 'object.data.size() > 0'), large],
    ['equal', Array.from({ length: 200 }, () => 'object.data == object.data'), large],
    ['keys in', ['object.data.all(k, k in object.data)'], large],
    ['lists', ['object.data.map(k, object.data.map(l, l)).size() > 0'], large],
    ['matches', ['object.data.a.matches("(a|b|ab)*c") || true'], long],
    ['split', ['object.data.a.split("").size() > 0'], long],
    ['replace', ['object.data.a.replace("a", "bbbbbbbb").size() > 0'], long],
    ['find', ['object.data.a.findAll("a").size() > 0'], long],
    ['index', ['object.data.a.lastIndexOf("aa") < 0'], long],
    ['concat', [`"${'x'}" + object.data.a + object.data.a != ""`], long],
    ['sizes of texts', Array.from({ length: 500 }, () => 'object.data.a.size() > 0'), long],
  ] as const) {
    yield {
      name: `asked of a policy: ${name}`,
      before: asked([...expressions]),
      request: post(`${core}/configmaps?${dry}`, what),
    };
  }
  yield { name: 'no policy again', request: remove(`${admission}/validatingadmissionpolicybindings/q`) };
  // Many quotas and limits in a namespace of large pods.
  const ns = '/api/v1/namespaces/quota';
  yield {
    name: 'pod below many limits',
    before: [
      post('/api/v1/namespaces', '{"metadata":{"name":"quota"}}'),
      post(`${ns}/serviceaccounts`, '{"metadata":{"name":"default"}}'),
      post(
        `${ns}/limitranges`,
        `{"metadata":{"name":"l"},"spec":{"limits":[{"type":"Container","default":${map(300_000, n => `"e.x/${short(n)}":1`)}}]}}`,
      ),
    ],
    request: post(
      `${ns}/pods?${dry}`,
      `{"metadata":{"name":"p"},"spec":{"containers":${fill(bytes / 1000, container)}}}`,
    ),
  };
  yield {
    name: 'pod below max of many',
    before: [
      remove(`${ns}/limitranges/l`),
      post(
        `${ns}/limitranges`,
        `{"metadata":{"name":"l"},"spec":{"limits":${fill(bytes / 3, n => `{"type":"Container","max":{"e.x/${short(n)}":1}}`)}}}`,
      ),
    ],
    request: post(`${ns}/pods?${dry}`, `{"metadata":{"name":"p"},"spec":{"containers":${fill(bytes / 3, container)}}}`),
  };
  yield {
    name: 'pod in large quota',
    before: [
      remove(`${ns}/limitranges/l`),
      post(
        `${ns}/resourcequotas`,
        `{"metadata":{"name":"q"},"spec":{"hard":${map(bytes / 3, n => `"requests.e.x/${short(n)}":1`)}}}`,
      ),
    ],
    request: post(`${ns}/pods?${dry}`, `{"metadata":{"name":"p"},"spec":{"containers":${fill(bytes / 3, container)}}}`),
  };
  yield { name: 'config map in large quota', request: post(`${ns}/configmaps?${dry}`, '{"metadata":{"name":"p"}}') };
}
