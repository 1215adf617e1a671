// Calls a function by name inside libraries, as an expression would.
import { accepts, type Library } from '../overload.ts';
import { CelFault, type CelValue } from '../value.ts';

export function functionsByName(library: Library, name: string): (args: readonly CelValue[]) => CelValue {
  const overloads = library.filter(o => o.name === name);
  return args => {
    const found = overloads.find(o => o.args.length === args.length && o.args.every((t, i) => accepts(t, args[i]!)));
    if (!found) throw new CelFault('no such overload');
    return found.call(...args);
  };
}
