// What the server tells about itself: discovery and OpenAPI.
import type { ApiContext } from './context.ts';
import type { PathHandler } from './handler.ts';
import type { VersionInfo } from './health.ts';

export interface SurfaceOptions {
  readonly context: ApiContext;
  readonly version: VersionInfo;
}

export interface Surface {
  readonly paths: readonly PathHandler[];
  /** The same documents for in-process clients. Throws 404. */
  local(path: string): unknown;
}
