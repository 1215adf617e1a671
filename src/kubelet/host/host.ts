// What the kubelet needs of its machine's files and mounts. Implementations: linux-host.ts and memory-host.ts.

export type FileKind = 'file' | 'directory' | 'symlink' | 'socket' | 'block' | 'char' | 'fifo';

export interface FileInfo {
  readonly kind: FileKind;
  /** Permission bits, set-id and sticky included. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  /** Differs from that of any other file that was at the path before. */
  readonly identity?: string;
}

export interface DiskInfo {
  readonly capacityBytes: number;
  readonly availableBytes: number;
  readonly inodes: number;
  readonly inodesFree: number;
}

export interface WriteOptions {
  readonly mode?: number;
  /** Wrap in a rename, so that readers see the old or the new content. */
  readonly atomic?: boolean;
}

/** Paths are absolute. What does not exist reads as undefined or empty; everything else that fails rejects. */
export interface Host {
  /** The same, for paths on a file system in memory: what is small is done at once. */
  readonly inMemory: Host;
  /** With its parents; sets the mode also when it exists. */
  makeDirectory(path: string, mode?: number): Promise<void>;
  writeFile(path: string, data: string | Uint8Array, options?: WriteOptions): Promise<void>;
  readFile(path: string): Promise<string | undefined>;
  /**
   * The text of a file of a volume that containers write to: none that a link leads to elsewhere, and nothing that is
   * no file or too large.
   */
  readWithin(volume: string, path: string): Promise<string | undefined>;
  /** The last `bytes` of a file as text. */
  readTail(path: string, bytes: number): Promise<string | undefined>;
  info(path: string, options?: { readonly follow?: boolean }): Promise<FileInfo | undefined>;
  list(path: string): Promise<readonly string[]>;
  /** Unmounts what is mounted below, then removes everything; refuses while a mount remains. */
  remove(path: string): Promise<void>;
  /** A file, a link or an empty directory; nothing else, and no error where there is nothing. */
  removeEmpty(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  symlink(target: string, path: string): Promise<void>;
  readLink(path: string): Promise<string | undefined>;
  chmod(path: string, mode: number): Promise<void>;
  /** Of the link itself. -1 leaves an id alone. */
  chown(path: string, uid: number, gid: number): Promise<void>;
  mountTmpfs(path: string, sizeBytes: number | undefined): Promise<void>;
  /** A file system of huge pages. */
  mountHugePages(path: string, pageBytes: number): Promise<void>;
  isMountPoint(path: string): Promise<boolean>;
  unmount(path: string): Promise<void>;
  /**
   * A path below a volume that cannot leave it, whatever links the volume holds: makes it (a directory, `mode`) when
   * it is missing, binds it to `target` and returns `target`.
   */
  bindSubPath(volume: string, subPath: string, target: string, mode: number): Promise<string>;
  /** Lets mounts below a directory be seen by containers, and theirs by the host, where a mount asks for that. */
  makeShared(path: string): Promise<void>;
  disk(path: string): Promise<DiskInfo | undefined>;
  /** Bytes used by what lies below a directory, on its own file system; links are not followed. */
  usage(path: string): Promise<number>;
  /** How many files and directories that are. */
  files(path: string): Promise<number>;
  /** Replaces a file by `<path>.gz`. */
  compress(path: string): Promise<void>;
  /** Tells when something in a directory changed; returns the end of watching. */
  watch(path: string, onChange: () => void): () => void;
}
