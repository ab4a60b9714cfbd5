/** How long the rest will take, from the reader's own pace. */

const FEWEST = 5;

export class Pace {
  private times: number[] = [];

  /** ``own``: the reader's median at earlier cases of the session, where the server knows it. */
  constructor(private expectedSeconds: number, private own: number | null = null) {}

  add(activeMs: number): void {
    if (activeMs > 0) this.times.push(activeMs);
  }

  /** Honest words about the time left: the study's expectation until there is a pace to go by. */
  words(casesLeft: number): string {
    if (casesLeft <= 0) return "";
    const measured = this.times.length >= FEWEST ? median(this.times) / 1000 : this.own;
    const own = measured !== null;
    const seconds = measured ?? this.expectedSeconds;
    const minutes = (seconds * casesLeft) / 60;
    const left = minutes < 1.5 ? "about a minute" : minutes < 90
      ? `about ${Math.round(minutes)} minutes` : `about ${(minutes / 60).toFixed(1)} hours`;
    return own ? `At your pace ${left} left.` : `Planned for ${left} more.`;
  }
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
