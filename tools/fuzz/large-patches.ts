// Patches of many operations, and of long lists by long lists.
import {
  body,
  container,
  core,
  dry,
  fill,
  map,
  operations,
  patch,
  post,
  remove,
  type Scenario,
  short,
  strategic,
  text,
} from './large-request.ts';

export function* patchRequests(bytes: number): Generator<Scenario> {
  const folder = `${core}/configmaps`;
  const at = `${folder}/p`;
  const make = [
    remove(at),
    post(folder, body({ kind: 'ConfigMap', name: 'p', rest: `"data":${map(900_000, n => `"${short(n)}":""`)}` })),
  ];
  for (const [name, item] of [
    ['add', (n: number) => `{"op":"add","path":"/data/x${n}","value":""}`],
    ['test', () => `{"op":"test","path":"/data/1","value":""}`],
    ['test the whole', () => `{"op":"test","path":"","value":1}`],
    ['copy the whole', (n: number) => `{"op":"copy","from":"/data","path":"/metadata/annotations/x${n}"}`],
    ['copy data', (n: number) => `{"op":"copy","from":"/data","path":"/x${n}"}`],
    ['move', (n: number) => `{"op":"move","from":"/data/${short(n)}","path":"/data/x${n}"}`],
    [
      'move the map',
      (n: number) =>
        `{"op":"move","from":"/${n % 2 ? 'binaryData' : 'data'}","path":"/${n % 2 ? 'data' : 'binaryData'}"}`,
    ],
    ['replace all', () => `{"op":"replace","path":"/data","value":{"a":"b"}}`],
  ] as const) {
    let n = 0;
    const items = [];
    for (; n < 9_900; n++) items.push(item(n));
    yield { name: `json patch: ${name}`, before: make, request: patch(`${at}?${dry}`, `[${items}]`, operations) };
  }
  const list = [
    remove(at),
    post(
      folder,
      body({
        kind: 'ConfigMap',
        name: 'p',
        metadata: `,"finalizers":${fill(900_000, n => `"e.x/${short(n)}"`)}`,
        rest: '"data":{}',
      }),
    ),
  ];
  for (const [name, item] of [
    ['insert at the front', (n: number) => `{"op":"add","path":"/metadata/finalizers/0","value":"e.x/z${n}"}`],
    ['remove the front', () => `{"op":"remove","path":"/metadata/finalizers/0"}`],
    ['copy the list', (n: number) => `{"op":"copy","from":"/metadata/finalizers","path":"/x${n}"}`],
  ] as const)
    yield {
      name: `json patch of a list: ${name}`,
      before: list,
      request: patch(`${at}?${dry}`, `[${Array.from({ length: 9_900 }, (_, n) => item(n))}]`, operations),
    };
  yield {
    name: 'json patch: 100,000 operations',
    before: make,
    request: patch(
      `${at}?${dry}`,
      fill(bytes, () => '{}'),
      operations,
    ),
  };
  yield {
    name: 'json patch: deep path',
    before: make,
    request: patch(`${at}?${dry}`, `[{"op":"add","path":"${text(bytes, '/a')}","value":1}]`, operations),
  };
  const pod = '{"name":"c","image":"a"}';
  const podAt = `${core}/pods/q`;
  const podMade = [
    remove(`${podAt}?gracePeriodSeconds=0`),
    post(`${core}/pods`, body({ kind: 'Pod', name: 'q', rest: `"spec":{"containers":[${pod}]}` })),
  ];
  const many = `"volumes":${fill(bytes / 2, n => `{"name":"v${short(n)}"}`)}`;
  for (const [name, text] of [
    ['new volumes', `{"spec":{"volumes":${fill(bytes, n => `{"name":"v${short(n)}"}`)}}}`],
    ['deleted volumes', `{"spec":{"volumes":${fill(bytes, n => `{"$patch":"delete","name":"v${short(n)}"}`)}}}`],
    ['order', `{"spec":{"$setElementOrder/volumes":${fill(bytes / 2, n => `{"name":"v${short(n)}"}`)},${many}}}`],
    ['order of strangers', `{"spec":{"$setElementOrder/volumes":${fill(bytes, n => `{"name":"v${short(n)}"}`)}}}`],
    ['tolerations', `{"spec":{"tolerations":${fill(bytes, n => `{"key":"${short(n)}"}`)}}}`],
    ['finalizers', `{"metadata":{"finalizers":${fill(bytes, n => `"e.x/${short(n)}"`)}}}`],
    [
      'deleted finalizers',
      `{"metadata":{"$deleteFromPrimitiveList/finalizers":${fill(bytes / 2, n => `"e.x/${short(n)}"`)},"finalizers":${fill(bytes / 2, n => `"e.x/a${short(n)}"`)}}}`,
    ],
    ['retained keys', `{"spec":{"$retainKeys":${fill(bytes, n => `"${short(n)}"`)}}}`],
    ['labels', `{"metadata":{"labels":${map(bytes, n => `"${short(n)}":""`)}}}`],
  ] as const)
    yield { name: `strategic patch: ${name}`, before: podMade, request: patch(`${podAt}?${dry}`, text, strategic) };
  const manyTolerations = [
    remove(`${core}/podtemplates/t`),
    post(
      `${core}/podtemplates`,
      `{"metadata":{"name":"t","finalizers":${fill(bytes / 3, n => `"e.x/${short(n)}"`)}},"template":{"spec":{"containers":${fill(bytes / 3, container)},"volumes":${fill(bytes / 3, n => `{"name":"v${short(n)}"}`)}}}}`,
    ),
  ];
  for (const [name, text] of [
    [
      'deletes all',
      `{"template":{"spec":{"volumes":${fill(bytes / 2, n => `{"$patch":"delete","name":"v${short(n)}"}`)}}}}`,
    ],
    [
      'changes all',
      `{"template":{"spec":{"volumes":${fill(bytes / 2, n => `{"name":"v${short(n)}","emptyDir":{"medium":"Memory"}}`)}}}}`,
    ],
    [
      'orders all',
      `{"template":{"spec":{"$setElementOrder/volumes":${fill(bytes / 4, n => `{"name":"v${short(9_999 - n)}"}`)},"volumes":${fill(bytes / 3, n => `{"name":"w${short(n)}"}`)}}}}`,
    ],
    [
      'takes finalizers',
      `{"metadata":{"$deleteFromPrimitiveList/finalizers":${fill(bytes / 3, n => `"e.x/${short(n)}"`)}}}`,
    ],
    [
      'orders finalizers',
      `{"metadata":{"$setElementOrder/finalizers":${fill(bytes / 3, n => `"e.x/${short(90_000 - n)}"`)},"finalizers":${fill(bytes / 3, n => `"e.x/y${short(n)}"`)}}}`,
    ],
  ] as const)
    yield {
      name: `strategic patch of large: ${name}`,
      before: manyTolerations,
      request: patch(`${core}/podtemplates/t?${dry}`, text, strategic),
    };
}
