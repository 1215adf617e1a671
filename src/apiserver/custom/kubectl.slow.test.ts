// The stock kubectl on custom resources.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { kubectlFor } from '../test-request.ts';
import { startTestServer, type TestServer } from '../test-server.ts';
import { definition } from './test-definition.ts';

let server: TestServer;
let kubectl: ReturnType<typeof kubectlFor>;

before(async () => {
  server = await startTestServer();
  kubectl = kubectlFor(server);
});
after(async () => {
  kubectl.cleanup();
  await server.stop();
});

const group = 'kubectl.example.com';
const schema = {
  type: 'object',
  description: 'Something to try.',
  properties: {
    spec: {
      type: 'object',
      description: 'What is wanted.',
      required: ['schedule'],
      properties: {
        schedule: { type: 'string', description: 'When to run.' },
        replicas: { type: 'integer', default: 1 },
      },
    },
    status: { type: 'object', properties: { replicas: { type: 'integer' } } },
  },
};
const more = {
  subresources: { status: {}, scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' } },
  additionalPrinterColumns: [{ name: 'Schedule', type: 'string', jsonPath: '.spec.schedule' }],
};
const widget = (spec: object) =>
  JSON.stringify({ apiVersion: `${group}/v1`, kind: 'Widget', metadata: { name: 'a' }, spec });

async function run(args: string, input?: string): Promise<string> {
  const { code, out, err } = await kubectl.run(args.split(' '), input);
  assert.equal(code, 0, `kubectl ${args}: ${err}`);
  assert.doesNotMatch(err, /warning/i);
  return out;
}

test('apply, get, explain, scale and delete', async () => {
  await run('apply -f -', JSON.stringify(definition(group, [{ schema, more }])));
  await run(`wait --for=condition=Established crd/widgets.${group} --timeout=5s`);
  assert.match(await run('apply -f -', widget({ schedule: '@daily' })), /created/);
  assert.match(await run('apply -f -', widget({ schedule: '@hourly' })), /configured/);
  assert.match(await run('get wd'), /NAME\s+SCHEDULE\na\s+@hourly/);
  assert.match(await run('get all'), new RegExp(`widget.${group}/a`));
  // [sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for CRD with validation schema
  assert.match(
    await run('explain wd'),
    /DESCRIPTION:.*Something to try.*FIELDS:.*apiVersion.*<string>.*APIVersion defines.*spec.*<Object>.*What is wanted/s,
  );
  assert.match(
    await run('explain wd.metadata'),
    /DESCRIPTION:.*Standard object's metadata.*FIELDS:.*creationTimestamp.*<string>.*CreationTimestamp is a timestamp/s,
  );
  assert.match(
    await run('explain wd.spec'),
    /What is wanted\.[\s\S]*replicas\s+<integer>[\s\S]*schedule\s+<string> -required-\n\s+When to run\./,
  );
  assert.match(
    await run('explain wd.spec --output=plaintext-openapiv2'),
    /schedule\s+<string> -required-\n\s+When to run\./,
  );
  assert.match(await run('scale wd/a --replicas=3'), /scaled/);
  assert.equal(await run('get wd a -o jsonpath={.spec.replicas}'), '3');
  const bad = await kubectl.run(['apply', '-f', '-'], widget({ schedule: '@daily', nope: 1 }));
  assert.match(bad.err, /strict decoding error: unknown field "spec.nope"/);
  const wrong = await kubectl.run(['apply', '--validate=false', '-f', '-'], widget({ schedule: 1 }));
  assert.match(
    wrong.err,
    /spec.schedule: Invalid value: "integer": spec.schedule in body must be of type string: "integer"/,
  );
  const applied = await kubectl.run(
    ['apply', '--server-side', '--field-manager=me', '-f', '-'],
    widget({ schedule: '@weekly' }),
  );
  assert.match(applied.err, /conflict with "kubectl-client-side-apply" using kubectl.example.com\/v1: .spec.schedule/);
  assert.match(
    await run('apply --server-side --force-conflicts --field-manager=me -f -', widget({ schedule: '@weekly' })),
    /serverside-applied/,
  );
  assert.match(await run('delete wd a'), /deleted/);
  assert.match(await run(`delete crd widgets.${group}`), /deleted/);
});
