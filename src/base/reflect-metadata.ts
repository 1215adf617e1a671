// The three Reflect functions that the dependency injection inside @peculiar/x509 looks for; it ships without them.
// Import before @peculiar/x509. Leaves a full polyfill alone.
const byTarget = new WeakMap<object, Map<unknown, unknown>>();

function own(key: unknown, target: object): unknown {
  return byTarget.get(target)?.get(key);
}

const polyfill = {
  getOwnMetadata: own,
  getMetadata(key: unknown, target: object): unknown {
    for (let at: object | null = target; at; at = Object.getPrototypeOf(at)) {
      if (byTarget.get(at)?.has(key)) return own(key, at);
    }
    return undefined;
  },
  defineMetadata(key: unknown, value: unknown, target: object): void {
    const known = byTarget.get(target);
    if (known) known.set(key, value);
    else byTarget.set(target, new Map([[key, value]]));
  },
};

for (const [name, value] of Object.entries(polyfill)) {
  if (!(name in Reflect)) Object.defineProperty(Reflect, name, { value, configurable: true, writable: true });
}
