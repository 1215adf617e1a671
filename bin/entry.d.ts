export const bundleFolder: string;
export function mainScript(): string;
export function currentBundle(): string | undefined;
export function sourceState(): { files: number; newestMs: number };
