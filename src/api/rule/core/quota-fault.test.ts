import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FieldErrors, path } from '../../field-error.ts';
import { checkFaults, create, update, validated, wording } from '../testing.ts';
import { limitRangeStrategy } from './limit-range.ts';
import { replicationControllerStrategy } from './replication-controller.ts';
import { resourceQuotaStrategy } from './resource-quota.ts';
import { validateReadOnlyDisks, validateWorkloadSelector } from './workload-template.ts';

const metadata = { name: 'x', namespace: 'a' };

test('limit ranges', () => {
  const at = 'spec.limits[0]';
  const bare = (item: object) => validated(limitRangeStrategy, { metadata, spec: { limits: [item] } });
  const one = (more: object) => ({ type: 'Container', ...more });
  const notStandard = 'must be a standard resource type or fully qualified';
  checkFaults(
    {
      'no type': [{ type: '-' }, `${at}.type: Invalid value: "-": ${wording.qualified}`],
      'unknown type': [
        { type: 'Thing' },
        `${at}.type: Invalid value: "Thing": must be a standard limit type or fully qualified`,
      ],
      'type of somebody': [{ type: 'a.io/Thing', max: { cpu: '1' } }],
      'default of pods': [
        { type: 'Pod', default: { cpu: '1' } },
        `${at}.default: Forbidden: may not be specified when \`type\` is 'Pod'`,
      ],
      'request of pods': [
        { type: 'Pod', defaultRequest: { cpu: '1' } },
        `${at}.defaultRequest: Forbidden: may not be specified when \`type\` is 'Pod'`,
      ],
      'resource of another': [
        { type: 'a.io/Thing', max: { thing: '1' } },
        `${at}.max[thing]: Invalid value: "thing": ${notStandard}`,
      ],
      'resource that is no name': [
        { type: 'a.io/Thing', max: { '-': '1' } },
        `${at}.max[-]: Invalid value: "-": ${wording.qualified}`,
      ],
      'resource of containers': [
        one({ max: { pods: '1' } }),
        `${at}.max[pods]: Invalid value: "pods": must be a standard resource for containers`,
      ],
      'extended resource': [
        one({ max: { 'requests.a.io/b': '1' } }),
        `${at}.max[requests.a.io/b]: Invalid value: "requests.a.io/b": doesn't follow extended resource name standard`,
      ],
      'no storage': [
        { type: 'PersistentVolumeClaim' },
        `${at}.limits: Required value: either minimum or maximum storage value is required, but neither was provided`,
      ],
      'min and max': [
        one({ min: { cpu: '2' }, max: { cpu: '1' } }),
        `${at}.min[cpu]: Invalid value: "2": min value 2 is greater than max value 1`,
      ],
      'min and request': [
        one({ min: { cpu: '2' }, defaultRequest: { cpu: '1' } }),
        `${at}.defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than default request value 1`,
      ],
      'request and max': [
        one({ defaultRequest: { cpu: '2' }, max: { cpu: '1' } }),
        `${at}.defaultRequest[cpu]: Invalid value: "2": default request value 2 is greater than max value 1`,
      ],
      'request and limit': [
        one({ defaultRequest: { cpu: '2' }, default: { cpu: '1' } }),
        `${at}.defaultRequest[cpu]: Invalid value: "2": default request value 2 is greater than default limit value 1`,
      ],
      'min and limit': [
        one({ min: { cpu: '2' }, default: { cpu: '1' } }),
        `${at}.default[cpu]: Invalid value: "2": min value 2 is greater than default value 1`,
      ],
      'limit and max': [
        one({ default: { cpu: '2' }, max: { cpu: '1' } }),
        `${at}.default[cpu]: Invalid value: "1": default value 2 is greater than max value 1`,
      ],
      'ratio below one': [
        one({ maxLimitRequestRatio: { cpu: '500m' } }),
        `${at}.maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1`,
      ],
      'ratio nobody reaches': [
        one({ maxLimitRequestRatio: { cpu: '4' }, min: { cpu: '1' }, max: { cpu: '3' } }),
        `${at}.maxLimitRequestRatio[cpu]: Invalid value: "4": ratio 4 is greater than max/min = 3.000000`,
      ],
      'request of devices': [
        one({ default: { 'a.io/b': '2' }, defaultRequest: { 'a.io/b': '1' } }),
        `${at}.defaultRequest[a.io/b]: Invalid value: "1": default value 2 must equal to defaultRequest value 1 in a.io/b`,
      ],
    },
    bare,
  );
  assert.deepEqual(validated(limitRangeStrategy, { metadata, spec: { limits: [one({}), one({})] } }), [
    'spec.limits[1].type: Duplicate value: "Container"',
  ]);
});

test('quotas', () => {
  const at = 'spec.scopeSelector.matchExpressions';
  const selector = (...matchExpressions: object[]) => ({ scopeSelector: { matchExpressions } });
  const exists = (scopeName: string) => ({ scopeName, operator: 'Exists' });
  const priority = (operator: string, ...values: string[]) =>
    selector({ scopeName: 'PriorityClass', operator, ...(values.length ? { values } : {}) });
  checkFaults(
    {
      resource: [
        { hard: { thing: '1' } },
        'spec.hard[thing]: Invalid value: "thing": must be a standard resource type or fully qualified',
        'spec.hard[thing]: Invalid value: "thing": must be a standard resource for quota',
      ],
      negative: [{ hard: { pods: '-1' } }, 'spec.hard[pods]: Invalid value: "-1": must be greater than or equal to 0'],
      'part of a pod': [{ hard: { pods: '1500m' } }, 'spec.hard[pods]: Invalid value: "1500m": must be an integer'],
      scope: [{ scopes: ['All'] }, 'spec.scopes: Invalid value: ["All"]: unsupported scope'],
      'scope of other resources': [
        { scopes: ['Terminating'], hard: { services: '1', secrets: '1' } },
        'spec.scopes: Invalid value: ["Terminating"]: unsupported scope applied to resource',
        'spec.scopes: Invalid value: ["Terminating"]: unsupported scope applied to resource',
      ],
      'opposite scopes': [
        { scopes: ['BestEffort', 'NotBestEffort'] },
        'spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes',
      ],
      'selected scope': [selector(exists('All')), `${at}.scopeName: Invalid value: "All": unsupported scope`],
      'selected scope of other resources': [
        { ...selector(exists('Terminating')), hard: { services: '1', secrets: '1' } },
        ...Array<string>(2).fill(
          `${at}: Invalid value: {"MatchExpressions":[{"ScopeName":"Terminating","Operator":"Exists","Values":null}]}: unsupported scope applied to resource`,
        ),
      ],
      'scope that is there or not': [
        selector({ scopeName: 'BestEffort', operator: 'DoesNotExist' }),
        `${at}.operator: Invalid value: "DoesNotExist": must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity`,
      ],
      'in none': [
        priority('In'),
        `${at}.values: Required value: must be at least one value when \`operator\` is 'In' or 'NotIn' for scope selector`,
      ],
      'exists with a value': [
        priority('Exists', 'a'),
        `${at}.values: Invalid value: ["a"]: must be no value when \`operator\` is 'Exist' or 'DoesNotExist' for scope selector`,
      ],
      operator: [priority('Like', 'a'), `${at}.operator: Invalid value: "Like": not a valid selector operator`],
      'opposite selected scopes': [
        selector(exists('Terminating'), exists('NotTerminating')),
        `${at}: Invalid value: null: conflicting scopes`,
      ],
    },
    spec => create(resourceQuotaStrategy, { metadata, spec }).errors,
  );
  const quota = (...scopes: string[]) => ({ metadata: { ...metadata, resourceVersion: '1' }, spec: { scopes } }) as any;
  assert.deepEqual(update(resourceQuotaStrategy, quota('Terminating'), quota()).errors, [
    'spec.scopes: Invalid value: ["Terminating"]: field is immutable',
  ]);
});

test('what controllers make pods from', () => {
  const container = { name: 'c', image: 'i' };
  const template = (labels: object | undefined, spec: object = {}) => ({
    template: { metadata: labels ? { labels } : {}, spec: { containers: [container], ...spec } },
  });
  const selector = { a: 'b' };
  checkFaults(
    {
      whole: [template(selector)],
      'no selector': [template(undefined), 'spec.selector: Required value'],
      'no template': [{ selector }, 'spec.template: Required value'],
      'fewer than none': [
        { ...template(selector), replicas: -1 },
        'spec.replicas: Invalid value: -1: must be greater than or equal to 0',
      ],
      'less than no time': [
        { ...template(selector), minReadySeconds: -1 },
        'spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0',
      ],
      'other labels': [
        { ...template({ a: 'c' }), selector },
        'spec.template.metadata.labels: Invalid value: {"a":"c"}: `selector` does not match template `labels`',
      ],
      'no labels': [
        { ...template(undefined), selector },
        'spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`',
      ],
      'pods that end': [
        template(selector, { restartPolicy: 'Never' }),
        'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
      ],
      'pods that have to end': [
        template(selector, { activeDeadlineSeconds: 1 }),
        'spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicationController is not Supported',
      ],
    },
    spec => create(replicationControllerStrategy, { metadata, spec }).errors,
  );
  const told = (check: (errors: FieldErrors) => void) => {
    const errors = new FieldErrors();
    check(errors);
    return errors.list.map(e => `${e.field}: ${e.message}`);
  };
  const spec = path('spec');
  const selecting = (labelSelector: object | undefined, labels?: object) =>
    told(e => validateWorkloadSelector({ selector: labelSelector, ...template(labels) } as any, 'deployment', spec, e));
  assert.deepEqual(selecting(undefined), ['spec.selector: Required value']);
  assert.deepEqual(selecting({}), ['spec.selector: Invalid value: {}: empty selector is invalid for deployment']);
  assert.deepEqual(selecting({ matchExpressions: [{ key: 'a', operator: 'Like' }] }, selector), [
    'spec.selector.matchExpressions[0].operator: Invalid value: "Like": not a valid selector operator',
    'spec.selector: Invalid value: {"matchExpressions":[{"key":"a","operator":"Like"}]}: invalid label selector',
  ]);
  assert.deepEqual(selecting({ matchLabels: selector }), [
    'spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`',
  ]);
  const disks = template(selector, { volumes: [{ name: 'd', gcePersistentDisk: { pdName: 'p' } }] });
  const shared = (replicas: number) =>
    told(e => validateReadOnlyDisks(disks.template as any, replicas, path('spec.template'), e));
  assert.deepEqual(shared(1), []);
  assert.deepEqual(shared(2), [
    'spec.template.spec.volumes[0].gcePersistentDisk.readOnly: Invalid value: false: must be true for replicated pods > 1; GCE PD can only be mounted on multiple machines if it is read-only',
  ]);
});
