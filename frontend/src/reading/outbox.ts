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
}

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 15_000;

export class Outbox {
  private letters: Letter[] = [];
  private running = false;
  private pause = FIRST_PAUSE_MS;
  private timer = 0;
  private writing: Promise<unknown> = Promise.resolve();
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
    addEventListener("online", () => this.hurry());
    addEventListener("focus", () => this.hurry());
    this.tell(this.letters.length ? "saving" : "saved");
    void this.run();
  }

  /** What waits for the server, oldest first. */
  pending(presentation?: string): Letter[] {
    return this.letters.filter(
      (each) => !each.refused && (!presentation || each.presentation === presentation),
    );
  }

  /** Keeps the letter in the browser, then sends it. Resolves when it is kept. */
  async post(letter: Letter): Promise<void> {
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
    // A network known to be down is not made to look better by one more answer.
    this.tell(this.status === "saved" ? "saving" : this.status, this.reason);
    const write = this.writing.then(async () => {
      letter.seq = await this.store.keepLetter(plain(letter));
    });
    this.writing = write.catch(() => undefined);
    await write;
    void this.run();
  }

  hurry(): void {
    this.pause = FIRST_PAUSE_MS;
    clearTimeout(this.timer);
    void this.run();
  }

  private async run(): Promise<void> {
    if (this.running) return;
    this.running = true;
    try {
      for (;;) {
        const letter = this.letters.find((each) => !each.refused);
        if (!letter) break;
        if (letter.seq === undefined) {
          await this.writing;
          if (letter.seq === undefined && this.store.lasting) break;
        }
        if (!(await this.send(letter))) return;
        this.pause = FIRST_PAUSE_MS;
      }
      const refused = this.letters.find((each) => each.refused);
      if (refused) this.tell("refused", refused.refused);
      else this.tell("saved");
    } finally {
      this.running = false;
    }
    if (this.letters.some((each) => !each.refused)) void this.run();
  }

  /** True when the letter is dealt with, false when it has to wait. */
  private async send(letter: Letter): Promise<boolean> {
    if (!letter.attempted) {
      letter.attempted = true;
      await this.store.keepLetter(plain(letter));
    }
    const path = `/presentations/${letter.presentation}/${letter.kind}/${letter.clientId}`;
    try {
      const answer = await this.api.call<Recorded>("PUT", path, letter.body);
      await this.done(letter);
      this.events.recorded(letter, answer);
      return true;
    } catch (error) {
      if (error instanceof ApiError) {
        if (error.status === 401 || error.status === 403) return this.later("signed-out");
        if (error.code === "stale") {
          await this.done(letter);
          const standing = (error.more.standing as Standing | null) ?? null;
          this.events.conflict(letter, standing, error.message);
          return true;
        }
        if (error.code === "paused") return this.later("waiting", error.message);
        if (error.status >= 400 && error.status < 500 && error.status !== 408 && error.status !== 429) {
          letter.refused = error.message;
          await this.store.keepLetter(plain(letter));
          this.events.refused(letter, error.message);
          return true;
        }
      }
      return this.later("waiting");
    }
  }

  private async done(letter: Letter): Promise<void> {
    if (letter.seq !== undefined) await this.store.dropLetter(letter.seq);
    this.letters = this.letters.filter((each) => each !== letter);
  }

  private later(status: Saving, reason = ""): false {
    this.tell(status, reason);
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.run(), this.pause);
    this.pause = Math.min(LONGEST_PAUSE_MS, this.pause * 2);
    return false;
  }

  private tell(status: Saving, reason = ""): void {
    this.status = status;
    this.reason = reason;
    this.events.status(status, this.pending(), reason);
  }
}

/** A copy without class instances, as IndexedDB wants it. */
function plain(letter: Letter): Letter {
  const copy = structuredClone(letter);
  if (copy.seq === undefined) delete copy.seq;
  return copy;
}
