// Which containerd this is: what it can do and how it is configured differ.

export interface ContainerdVersion {
  readonly major: number;
  readonly minor: number;
}

/** From what `containerd --version` prints or the CRI's Version says. Throws where neither is in it. */
export function containerdVersion(text: string): ContainerdVersion {
  const [, major, minor] = /\bv?(\d+)\.(\d+)\.\d+/.exec(text) ?? [];
  if (!major || !minor) throw new Error(`read containerd's version: ${JSON.stringify(text.trim())}`);
  return { major: Number(major), minor: Number(minor) };
}

/** Whether `version` is `major.minor` or later. */
export const isAtLeast = (version: ContainerdVersion, major: number, minor: number): boolean =>
  version.major > major || (version.major === major && version.minor >= minor);
