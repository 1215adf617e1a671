import { badRequest } from '../../api/status.ts';

/** Where a paged list goes on: opaque to clients, but in Kubernetes' form. */
export interface ContinueToken {
  readonly revision: number;
  /** The last key shown, `namespace/name`. */
  readonly after: string;
}

export function encodeContinue({ revision, after }: ContinueToken): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: revision, start: `${after}\u0000` })).toString(
    'base64url',
  );
}

/** `revision` -1 asks to go on at the newest state. Throws 400 for anything this server did not make. */
export function decodeContinue(token: string): ContinueToken {
  try {
    const { v, rv, start } = JSON.parse(Buffer.from(token, 'base64url').toString()) as {
      v?: unknown;
      rv?: unknown;
      start?: unknown;
    };
    if (v !== 'meta.k8s.io/v1') throw new Error(`server does not recognize this encoded version ${v}`);
    if (typeof rv !== 'number' || !Number.isSafeInteger(rv) || rv === 0)
      throw new Error(`incorrect continue token resource version ${JSON.stringify(rv)}`);
    if (typeof start !== 'string' || start.includes('/../')) throw new Error('no start key');
    return { revision: rv, after: start.replace(/\u0000$/, '') };
  } catch (error) {
    throw badRequest(`invalid continue token: continue key is not valid: ${(error as Error).message}`);
  }
}
