// The paths that are of no resource: what groups, versions and resources there are, the program's version, keys of tokens.
import type { Resource } from '../../api/resource.ts';
import { answers, meta, objectTypes, textAnswer } from './operation.ts';
import type { Json } from './schema.ts';

const titleOf = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** `rbac.authorization.k8s.io` is `RbacAuthorization`, the core group `Core`. */
export function groupTitle(group: string): string {
  if (!group) return 'Core';
  return group
    .replace(/\.k8s\.io$/, '')
    .split(/[.-]/)
    .map(titleOf)
    .join('');
}

/** `rbacAuthorization`, `apps_v1`. */
export function tagOf(group: string, version?: string): string {
  const title = groupTitle(group);
  return `${title.charAt(0).toLowerCase()}${title.slice(1)}${version ? `_${version}` : ''}`;
}

const getting = (description: string, tag: string, operationId: string, responses: Json): Json => ({
  get: { description, tags: [tag], operationId, responses },
});

const discovering = (description: string, tag: string, operationId: string, kind: string): Json =>
  getting(description, tag, operationId, answers(meta + kind, [200], objectTypes));

/** `/apis/apps/v1/`: the resources of a group version. */
export function resourcesRoot(group: string, version: string): [path: string, item: Json] {
  const id = `get${groupTitle(group)}${titleOf(version)}APIResources`;
  return [
    group ? `/apis/${group}/${version}/` : `/api/${version}/`,
    discovering('get available resources', tagOf(group, version), id, 'APIResourceList'),
  ];
}

const version = 'io.k8s.apimachinery.pkg.version.Info';

/** All others, by the name of their document: `api`, `apis`, `apis/apps`, `version`. */
export function rootPaths(resources: readonly Resource[]): Map<string, [path: string, item: Json]> {
  const groups = new Set(resources.filter(r => r.typeName).map(r => r.group));
  const roots: [path: string, item: Json][] = [
    [
      '/.well-known/openid-configuration',
      getting(
        'get the OpenID configuration of who issues tokens of service accounts',
        'WellKnown',
        'getServiceAccountIssuerOpenIDConfiguration',
        textAnswer(['application/json']),
      ),
    ],
    ['/apis/', discovering('get available API versions', 'apis', 'getAPIVersions', 'APIGroupList')],
    [
      '/openid/v1/jwks',
      getting(
        'get the keys of who issues tokens of service accounts',
        'openid',
        'getServiceAccountIssuerOpenIDKeyset',
        textAnswer(['application/jwk-set+json']),
      ),
    ],
    [
      '/version/',
      getting(
        'get the version of the server',
        'version',
        'getCodeVersion',
        answers(version, [200], ['application/json']),
      ),
    ],
  ];
  for (const group of groups)
    roots.push(
      group
        ? [
            `/apis/${group}/`,
            discovering('get information of a group', tagOf(group), `get${groupTitle(group)}APIGroup`, 'APIGroup'),
          ]
        : ['/api/', discovering('get available API versions', 'core', 'getCoreAPIVersions', 'APIVersions')],
    );
  return new Map(roots.map(root => [root[0].replace(/^\/|\/$/g, ''), root]));
}
