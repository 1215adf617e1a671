// What a delete is told in its body and its query: recorded from k8s.io/apiextensions-apiserver 1.36.2.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { definition, establish, widget, widgets } from './custom/test-definition.ts';
import { fileServer } from './test-file-server.ts';

const group = 'deletes.example.com';
const path = widgets(group);
const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const yaml = { 'content-type': 'application/yaml' };
const protobuf = { 'content-type': 'application/vnd.kubernetes.protobuf' };
const on = fileServer(async api => {
  await establish(api, definition(group));
  await api.expect(201, 'POST', path, widget(group, 'one'));
});

const notAnObject = (kind: string) =>
  `couldn't get version/kind; json parse error: json: cannot unmarshal ${kind} into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }`;
const unregistered = (kind: string, version: string) =>
  `no kind "${kind}" is registered for version "${version}" in scheme "pkg/runtime/scheme.go:111"`;
const unknown = (kind: string) => `converting (v1.${kind}) to (v1.DeleteOptions): unknown conversion`;

test('bodies that are no options', async () => {
  const cases: [body: string, message: string, headers?: Record<string, string>][] = [
    ['{"kind":"DeleteOptions","apiVersion":"x/y/z"}', 'unexpected GroupVersion string: x/y/z'],
    ['{"kind":"Foo","apiVersion":"v1"}', unregistered('Foo', 'v1')],
    [`{"kind":"Widget","apiVersion":"${group}/v1"}`, unregistered('Widget', `${group}/v1`)],
    ['{"kind":"Status","apiVersion":"apps/v1"}', unknown('Status')],
    ['{"kind":"CreateOptions"}', unknown('CreateOptions')],
    ['{"kind":"Foo"}', unregistered('Foo', 'meta.k8s.io/v1')],
    ['a: \u0001\n', 'yaml: control characters are not allowed', yaml],
    ['a: *x\n', "yaml: unknown anchor 'x' referenced", yaml],
    [
      '{"kind":5}',
      "couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .kind of type string",
    ],
    ['[]', notAnObject('array')],
    ['"x"', notAnObject('string')],
    ['5', notAnObject('number')],
    ['- a', notAnObject('array'), yaml],
    ['k8s\0', 'empty body', protobuf],
    [
      '{"propagationPolicy":5}',
      'json: cannot unmarshal number into Go struct field DeleteOptions.propagationPolicy of type v1.DeletionPropagation',
    ],
    [
      '{"preconditions":{"uid":5}}',
      'json: cannot unmarshal number into Go struct field Preconditions.preconditions.uid of type types.UID',
    ],
  ];
  for (const [body, message, headers] of cases) {
    const { object } = await on.api.send('DELETE', `${path}/one`, body, headers);
    assert.deepEqual([object.code, object.message], [400, message], body);
  }
});

test('options that are refused', async () => {
  const invalid = 'DeleteOptions.meta.k8s.io "" is invalid:';
  const policies = 'supported values: "Foreground", "Background", "Orphan", "nil"';
  const cases: [code: number, body: string | undefined, query: string, message: RegExp | string][] = [
    [422, '{"propagationPolicy":""}', '', `${invalid} propagationPolicy: Unsupported value: "": ${policies}`],
    [422, undefined, '?propagationPolicy=', `${invalid} propagationPolicy: Unsupported value: "": ${policies}`],
    [422, '{"dryRun":["All","x"]}', '', `${invalid} dryRun: Unsupported value: ["All","x"]: supported values: "All"`],
    [409, '{"preconditions":{"uid":""}}', '', /the UID in the precondition \(\) does not match the UID in record/],
    [409, undefined, '?uid=x', /the UID in the precondition \(x\) does not match/],
    [409, undefined, '?resourceVersion=1', /the ResourceVersion in the precondition \(1\) does not match/],
    [400, undefined, '?gracePeriodSeconds=', 'strconv.ParseInt: parsing "": invalid syntax'],
    [400, undefined, '?gracePeriodSeconds=0x5', 'strconv.ParseInt: parsing "0x5": invalid syntax'],
    [400, undefined, '?gracePeriodSeconds=9e3', 'strconv.ParseInt: parsing "9e3": invalid syntax'],
    [
      400,
      undefined,
      '?gracePeriodSeconds=99999999999999999999',
      'strconv.ParseInt: parsing "99999999999999999999": value out of range',
    ],
  ];
  for (const [code, body, query, message] of cases) {
    const { object } = await on.api.send('DELETE', `${path}/one${query}`, body);
    assert.equal(object.code, code, `${body} ${query}`);
    if (typeof message === 'string') assert.equal(object.message, message);
    else assert.match(object.message, message);
  }
  const { object } = await on.api.send('DELETE', `${path}?sendInitialEvents=true`);
  assert.match(object.message, /sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list$/);
});

test('the query counts only where there is no body', async () => {
  const gone = async (body: unknown, query: string, headers?: Record<string, string>) => {
    await on.api.expect(201, 'POST', path, widget(group, 'two'));
    const { status } = await on.api.expect(200, 'DELETE', `${path}/two${query}`, body, headers);
    assert.equal(status, 'Success');
  };
  await gone({}, '?propagationPolicy=Nope');
  await gone({}, '?dryRun=All');
  await gone('null', '');
  await gone({ apiVersion: 'apps/v1', kind: 'DeleteOptions' }, '?gracePeriodSeconds=x');
  // Protobuf that does not say what it is.
  await gone('k8s\0\x12\x02\x08\0', '', protobuf);
  await gone(undefined, '?orphanDependents=False');
  await on.api.expect(201, 'POST', path, widget(group, 'two'));
  for (const yes of ['x', '', '1']) {
    const { metadata } = await on.api.expect(200, 'DELETE', `${path}/two?dryRun=All&orphanDependents=${yes}`);
    assert.deepEqual(metadata.finalizers, ['orphan']);
  }
});

test('a definition that is to go has no grace, and no new generation', async () => {
  const { metadata } = await on.api.expect(200, 'DELETE', `${definitions}/widgets.${group}?dryRun=All`);
  assert.deepEqual([metadata.generation, metadata.deletionGracePeriodSeconds], [1, undefined]);
  assert.ok(metadata.deletionTimestamp);
});
