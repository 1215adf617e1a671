/** `target.push(...more)` for lists as long as a request makes them: past some 100,000 arguments the stack is too small. */
export function append<T>(target: T[], more: Iterable<T>): void {
  for (const item of more) target.push(item);
}
