export function makeBundle(): void;
