/** Which cases the server has told of, which of them are answered, and how far the reader has come. */
import type { Letter } from "./store";
import type { Item, Listing, Progress, ReviewEntry, RoomState } from "./types";

export class CaseList {
  private listing: Listing;
  /** Answered here, whether or not the server knows yet. */
  private settled = new Set<string>();
  private sinceBreak: number;

  /** ``unsent``: what waits for the server. */
  constructor(
    state: RoomState,
    private unsent: () => Letter[],
  ) {
    this.listing = {
      progress: state.progress!, items: state.items ?? [], review: state.review ?? [],
    };
    this.sinceBreak = this.listing.progress.done;
  }

  /** Takes what the server says; false where it says nothing of the list. */
  take({ items, progress, review }: Partial<Listing>): boolean {
    if (!items || !progress) return false;
    this.listing = { items, progress, review: review ?? [] };
    return true;
  }

  waiting(): Item[] {
    return this.listing.items.filter((item) => !this.settled.has(item.id));
  }

  find(id: string): Item | undefined {
    return this.listing.items.find((item) => item.id === id);
  }

  get earlier(): ReviewEntry[] {
    return this.listing.review.filter((each) => !each.failed);
  }

  settle(id: string): void {
    this.settled.add(id);
  }

  /** Believes nothing but what waits to be sent: the rest is to be told by the server. */
  resettle(): void {
    this.settled.clear();
    for (const { presentation } of this.submitted()) this.settled.add(presentation);
  }

  private submitted(): Letter[] {
    return this.unsent().filter((letter) => letter.submitted);
  }

  /** As it will stand when everything has arrived. */
  progress(): Progress {
    const { progress } = this.listing;
    const unsent = this.submitted();
    const counted = unsent.filter((letter) => !letter.practice).length;
    return {
      ...progress,
      done: Math.min(progress.total, progress.done + counted),
      practice_done: progress.practice_done + unsent.length - counted,
    };
  }

  /** How many cases there are of the item's kind. */
  total(item: Item): number {
    const { progress } = this.listing;
    return item.practice ? progress.practice_total : progress.total;
  }

  /** Whether a break is to be offered now, after every so many cases; true once for each. */
  breakDue(every: number): boolean {
    const { done, total } = this.progress();
    if (!every || done >= total) return false;
    if (Math.floor(done / every) <= Math.floor(this.sinceBreak / every)) return false;
    this.sinceBreak = done;
    return true;
  }
}
