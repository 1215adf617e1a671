import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { policyEnvironment } from '../../api/cel/admission.ts';
import { compile } from '../../api/cel/compile.ts';
import { admissionregistrationV1, coreV1 } from '../../api/refs.ts';
import { builtinResources } from '../../api/resource.ts';
import type { Attributes, Verdict } from '../authz/authorizer.ts';
import { startTestServer } from '../test-server.ts';
import type { AdmissionAttributes } from './admission.ts';
import { authorizerBindings, withAnswers } from './cel-authorizer.ts';

const attributes = (): AdmissionAttributes => ({
  operation: 'CREATE',
  resource: builtinResources().byId('/v1/pods')!,
  ...{ subresource: '', namespace: 'ns', name: 'p', user: { name: 'u', groups: [] }, dryRun: false },
  ...{ object: undefined, old: undefined, options: {}, warn() {} },
});

const checks = ['get', 'list', 'delete'].map(
  verb => `authorizer.group('').resource('pods').check('${verb}').allowed()`,
);
const own = "authorizer.requestResource.check('create').reason() == 'table'";
const expression: fc.Arbitrary<string> = fc.letrec(tie => ({
  all: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(...checks, own),
    fc.tuple(tie('all'), fc.constantFrom('&&', '||'), tie('all')).map(([a, op, b]) => `(${a} ${op} ${b})`),
    tie('all').map(a => `!(${a})`),
  ),
})).all as fc.Arbitrary<string>;

test('expressions come to the same whether the authorizer answers at once or later, each question asked once', async () => {
  await fc.assert(
    fc.asyncProperty(
      expression,
      fc.uniqueArray(fc.constantFrom<string>('get', 'list', 'delete', 'create')),
      async (text, may) => {
        const { program } = compile(text, policyEnvironment({ webhook: true }));
        const decide = ({ verb }: Attributes): Verdict => ({
          decision: may.includes(verb) ? 'allow' : 'noOpinion',
          reason: may.includes(verb) ? 'table' : '',
        });
        const asked: string[] = [];
        const later = (a: Attributes) => {
          asked.push(a.verb);
          return Promise.resolve(decide(a));
        };
        const of = (authorize: (a: Attributes) => Verdict | Promise<Verdict>) => {
          const bindings = authorizerBindings({ authorize }, attributes());
          return withAnswers(() => program!.evaluate(bindings));
        };
        const now = of(decide);
        assert.ok(!(now instanceof Promise));
        assert.deepEqual(await of(later), now);
        assert.equal(new Set(asked).size, asked.length);
      },
    ),
  );
});

test('policies ask a webhook authorizer; what an evaluation that began again said is said once', async () => {
  const api = await startTestServer();
  try {
    const { context } = api.server;
    const inner = context.authorizer.authorize.bind(context.authorizer);
    context.authorizer.authorize = a =>
      a.resource === 'flags'
        ? Promise.resolve<Verdict>({ decision: a.verb === 'no' ? 'deny' : 'allow', reason: '' })
        : inner(a);
    const admin = await api.http();
    const check = (verb: string) => `authorizer.group('x').resource('flags').check('${verb}').allowed()`;
    await admin.create(admissionregistrationV1.validatingadmissionpolicies, {
      metadata: { name: 'p' },
      spec: {
        matchConstraints: {
          resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'], operations: ['CREATE'] }],
        },
        matchConditions: [{ name: 'c', expression: check('first') }],
        validations: [
          { expression: "object.metadata.name != 'warned'", message: 'warned of' },
          { expression: `object.metadata.name != 'refused' || ${check('no')}`, message: 'refused' },
        ],
      },
    } as never);
    await admin.create(admissionregistrationV1.validatingadmissionpolicybindings, {
      metadata: { name: 'b' },
      spec: { policyName: 'p', validationActions: ['Deny'] },
    } as never);
    const create = (name: string) =>
      admin.create(coreV1.configmaps, { metadata: { name, namespace: 'default' } } as never);
    const until = async (name: string) => {
      for (let i = 0; ; i++) {
        try {
          await admin.delete(coreV1.configmaps, {
            namespace: 'default',
            name: (await create(`${name}-${i}`)).metadata.name,
          });
          await create(name);
          await admin.delete(coreV1.configmaps, { namespace: 'default', name });
        } catch (error) {
          return (error as Error).message;
        }
      }
    };
    assert.match(await until('refused'), /ValidatingAdmissionPolicy 'p' with binding 'b' denied request: refused/);
    await assert.rejects(create('warned'), /denied request: warned of/);
    await create('fine');
  } finally {
    await api.stop();
  }
});
