/** Sends what was said, in order, each thing once, however often the network fails. */
import { type Api, ApiError } from "./api";
import type { Letter, Store } from "./store";
import type { Recorded, Standing } from "./types";

export type Saving = "saved" | "saving" | "waiting" | "signed-out" | "refused";

export interface OutboxEvents {
  status(saving: Saving, pending: Letter[], reason: string): void;
  recorded(letter: Letter, answer: Recorded): void;
  conflict(letter: Letter, standing: Standing | null, reason: string): void;
  refused(letter: Letter, reason: string): void;
  /** A draft that the server could not use is gone; a later revision takes its number. */
  dropped(letter: Letter): void;
}

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 15_000;

export class Outbox {
  private letters: Letter[] = [];
  private running = false;
  private pause = FIRST_PAUSE_MS;
  private timer = 0;
  private writing: Promise<unknown> = Promise.resolve();
  private stopped = false;
  private free: Promise<unknown> = Promise.resolve();
  /** A change was made that has not been posted yet. */
  private expected = false;
  status: Saving = "saved";
  private reason = "";

  constructor(
    private api: Api,
    private store: Store,
    readonly reader: string,
    private events: OutboxEvents,
  ) {}

  async open(): Promise<void> {
    this.letters = (await this.store.letters()).filter((each) => each.reader === this.reader);
    // Another tab may have sent them already: from here on their content stays as it is.
    for (const letter of this.letters) letter.attempted = true;
    addEventListener("online", () => this.hurry());
    addEventListener("focus", () => this.hurry());
    addEventListener("beforeunload", (event) => {
      if (this.pending().length && !this.lasting) event.preventDefault();
    });
    this.tell(this.letters.length ? "saving" : "saved");
    void this.run();
  }

  /** Another tab reads now: it has the same letters. */
  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  /** What waits for the server, oldest first. */
  pending(presentation?: string): Letter[] {
    return this.letters.filter(
      (each) => !each.refused && (!presentation || each.presentation === presentation),
    );
  }

  /** Whether everything that waits would survive the end of this page. */
  get lasting(): boolean {
    return this.store.lasting && this.letters.every((each) => each.seq !== undefined || each.fresh);
  }

  /** Something was changed and will be posted in a moment: nothing is called saved until then. */
  expect(): void {
    this.expected = true;
    this.tell(this.status === "saved" ? "saving" : this.status, this.reason);
  }

  /** What was expected does not come: it was answered elsewhere. */
  forget(): void {
    this.expected = false;
    this.tell(this.status === "saving" ? "saved" : this.status, this.reason);
  }

  /** Keeps the letter in the browser, then sends it. Resolves when it is kept, or cannot be. */
  async post(letter: Letter): Promise<void> {
    this.expected = false;
    const earlier = this.letters.find(
      (each) =>
        each.presentation === letter.presentation && each.kind === letter.kind &&
        !each.attempted && !each.refused && !each.submitted,
    );
    if (earlier) {
      // A draft that nobody has seen is brought up to date instead of being followed by another.
      letter.seq = earlier.seq;
      letter.clientId = earlier.clientId;
      letter.body.revision = earlier.body.revision;
      letter.body.based_on = earlier.body.based_on;
      this.letters[this.letters.indexOf(earlier)] = letter;
    } else this.letters.push(letter);
    letter.fresh = true;
    // A network known to be down is not made to look better by one more answer.
    this.tell(this.status === "saved" ? "saving" : this.status, this.reason);
    this.writing = this.writing.then(async () => {
      // Its forerunner may have been given its number only now.
      letter.seq ??= earlier?.seq;
      letter.seq = await this.store.keepLetter(plain(letter));
      letter.fresh = false;
    });
    await this.writing;
    this.tell(this.status, this.reason);
    void this.free.then(() => this.run());
  }

  /** What is kept from now on is sent once ``done`` has come, or after ``ms``: painting goes first. */
  hold(done: Promise<unknown>, ms: number): void {
    const late = new Promise((resolve) => setTimeout(resolve, ms));
    this.free = Promise.race([done.catch(() => undefined), late]);
  }

  hurry(): void {
    this.pause = FIRST_PAUSE_MS;
    clearTimeout(this.timer);
    void this.run();
  }

  /** Resolves when the server has everything; false when that takes longer than ``ms``. */
  async settled(ms: number): Promise<boolean> {
    this.hurry();
    const until = performance.now() + ms;
    while (this.pending().length) {
      if (performance.now() > until) return false;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return true;
  }

  private async run(): Promise<void> {
    if (this.running || this.stopped) return;
    this.running = true;
    // Cases that the server fails on: those behind them need not wait.
    const failing = new Set<string>();
    try {
      for (;;) {
        const letter = this.letters.find((each) => !each.refused && !failing.has(each.presentation));
        if (!letter) break;
        if (letter.fresh) {
          await this.writing;
          // Meanwhile a newer draft may have taken its place and its name.
          if (!this.letters.includes(letter)) continue;
        }
        const sent = await this.send(letter);
        if (this.stopped) return;
        if (sent === "failing") failing.add(letter.presentation);
        else if (sent === "wait") return;
        else this.pause = FIRST_PAUSE_MS;
      }
      if (failing.size) {
        this.later("waiting", `The server has a problem, ${kept(this.pending().length)}`);
        return;
      }
      const refused = this.letters.find((each) => each.refused);
      if (refused) this.tell("refused", refused.refused);
      else this.tell("saved");
    } finally {
      this.running = false;
    }
  }

  private async send(letter: Letter): Promise<"done" | "wait" | "failing"> {
    if (!letter.attempted) {
      letter.attempted = true;
      letter.seq = await this.store.keepLetter(plain(letter));
    }
    const path = `/presentations/${letter.presentation}/${letter.kind}/${letter.clientId}`;
    try {
      const answer = await this.api.call<Recorded>("PUT", path, letter.body);
      await this.done(letter);
      this.events.recorded(letter, answer);
      return "done";
    } catch (error) {
      if (!(error instanceof ApiError)) return this.later("waiting");
      return this.answered(letter, error);
    }
  }

  /** The server has understood, and did not take it. */
  private async answered(letter: Letter, error: ApiError): Promise<"done" | "wait" | "failing"> {
    const { status, code } = error;
    if (status === 401 || status === 403) return this.later("signed-out");
    if (code === "stale") {
      await this.done(letter);
      this.events.conflict(letter, (error.more.standing as Standing | null) ?? null, error.message);
      return "done";
    }
    if (code === "paused") return this.later("waiting", error.message);
    if (code === "gap" && !letter.renumbered) {
      // A revision in between got lost with the browser's storage: this one stands in its place.
      const latest = Number(error.more.latest ?? 0);
      letter.renumbered = true;
      letter.body.revision = latest + 1;
      if (!latest) letter.body.based_on = null;
      letter.seq = await this.store.keepLetter(plain(letter));
      return "done";
    }
    if (status === 408 || status === 429) return this.later("waiting");
    if (status >= 500) return "failing";
    if (status === 422 && letter.kind === "readings" && !letter.submitted) {
      await this.done(letter);
      this.closeRanks(letter);
      this.events.dropped(letter);
      return "done";
    }
    letter.refused = error.message;
    letter.seq = await this.store.keepLetter(plain(letter));
    this.events.refused(letter, error.message);
    return "done";
  }

  /** Revisions after a draft that was dropped move up by one. */
  private closeRanks(gone: Letter): void {
    for (const letter of this.pending(gone.presentation)) {
      if (letter.kind !== "readings") continue;
      letter.body.revision = Number(letter.body.revision) - 1;
      if (letter.body.based_on === gone.clientId) letter.body.based_on = gone.body.based_on;
    }
  }

  private async done(letter: Letter): Promise<void> {
    if (letter.seq !== undefined) await this.store.dropLetter(letter.seq);
    this.letters = this.letters.filter((each) => each !== letter);
  }

  private later(status: Saving, reason = ""): "wait" {
    this.tell(status, reason);
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.run(), this.pause);
    this.pause = Math.min(LONGEST_PAUSE_MS, this.pause * 2);
    return "wait";
  }

  private tell(status: Saving, reason = ""): void {
    this.status = status === "saved" && (this.expected || this.pending().length) ? "saving" : status;
    this.reason = reason;
    this.events.status(this.status, this.pending(), reason);
  }
}

/** Answers that wait, in words. */
export function kept(count: number): string {
  return count === 1 ? "1 answer kept here" : `${count} answers kept here`;
}

/** A copy without class instances, as IndexedDB wants it. */
function plain(letter: Letter): Letter {
  const copy = structuredClone(letter);
  if (copy.seq === undefined) delete copy.seq;
  delete copy.fresh;
  return copy;
}
