// Writes src/kubelet/csi/csi-v1.json (message and service names, field names, numbers and types) from a csi.proto.
// Run: node tools/generate-csi.ts PATH/csi.proto   (the Go module github.com/container-storage-interface/spec carries it)
import { readFileSync, writeFileSync } from 'node:fs';
import protobuf from 'protobufjs';

const source = process.argv[2];
if (!source) throw new Error('usage: node tools/generate-csi.ts PATH/csi.proto');
const text = readFileSync(source, 'utf8')
  .replace(/^import .*$/gm, '')
  .replace(/^extend [^}]*}/gms, '')
  .replace(/\[[^\]]*\]/gs, '');
const { root } = protobuf.parse(text, { keepCase: true, alternateCommentMode: false });
root.addJSON({
  google: {
    nested: {
      protobuf: {
        nested: {
          Int64Value: { fields: { value: { type: 'int64', id: 1 } } },
          BoolValue: { fields: { value: { type: 'bool', id: 1 } } },
          Timestamp: { fields: { seconds: { type: 'int64', id: 1 }, nanos: { type: 'int32', id: 2 } } },
        },
      },
    },
  },
});
root.resolveAll();

// Everything at one level: a message within another one gets both names, Outer_Inner.
const prefix = '.csi.v1.';
const flatName = (o: protobuf.ReflectionObject) =>
  o.fullName
    .replace(prefix, '')
    .replace(/^\.google\.protobuf\./, '')
    .replaceAll('.', '_');
const wanted = ['Identity', 'Controller', 'Node'];
const out: Record<string, object> = {};

function addType(type: protobuf.Type): void {
  const name = flatName(type);
  if (out[name]) return;
  const fields: Record<string, object> = {};
  out[name] = { fields };
  for (const f of type.fieldsArray) {
    f.resolve();
    const resolved = f.resolvedType;
    fields[f.name] = {
      type: resolved ? flatName(resolved) : f.type,
      id: f.id,
      ...(f.repeated ? { rule: 'repeated' } : {}),
      ...(f instanceof protobuf.MapField ? { keyType: f.keyType } : {}),
    };
    if (resolved instanceof protobuf.Type) addType(resolved);
    else if (resolved instanceof protobuf.Enum) out[flatName(resolved)] = { values: resolved.values };
  }
}

for (const name of wanted) {
  const service = root.lookupService(`csi.v1.${name}`);
  const methods: Record<string, object> = {};
  for (const m of service.methodsArray) {
    m.resolve();
    addType(m.resolvedRequestType!);
    addType(m.resolvedResponseType!);
    methods[m.name] = {
      requestType: flatName(m.resolvedRequestType!),
      responseType: flatName(m.resolvedResponseType!),
    };
  }
  out[name] = { methods };
}
writeFileSync(new URL('../src/kubelet/csi/csi-v1.json', import.meta.url), `${JSON.stringify(out)}\n`);
