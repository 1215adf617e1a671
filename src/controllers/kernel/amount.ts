/** A number, or a share such as `25%` of `total`, rounded. */
export function scaledAmount(amount: number | string, total: number, round: 'up' | 'down'): number {
  if (typeof amount === 'number') return amount;
  const exact = (Number.parseInt(amount, 10) * total) / 100;
  return round === 'up' ? Math.ceil(exact) : Math.floor(exact);
}
