/** The answer in hand: kept in the browser at every change, and sent as the next revision. */
import { uuid } from "./dom";
import type { Outbox } from "./outbox";
import type { Draft, Letter, Store } from "./store";
import type { Timing } from "./timing";
import { type Answer, emptyAnswer, type Item, type Standing } from "./types";

/** After the last change, before a draft is sent: a pause in the work, not every click. */
const DRAFT_MS = 1200;

interface Case {
  answer(): Answer;
  timing(): Timing;
  summary(): Record<string, unknown>;
}

export class Drafting {
  draft: Draft | null = null;
  private item: Item | null = null;
  private timer = 0;

  constructor(
    private reader: string,
    private store: Store,
    private outbox: Outbox,
    private shown: Case,
  ) {}

  /** What has been said of a case so far, here or elsewhere. */
  async of(item: Item): Promise<Draft> {
    const kept = await this.store.draft(item.id);
    const { standing } = item;
    const unsent = this.outbox.pending(item.id).at(-1);
    // The draft in this browser counts unless another device has gone on from there.
    if (kept?.reader === this.reader) {
      if (unsent) return { ...kept, head: unsent.clientId, revision: Number(unsent.body.revision) };
      if (!standing || kept.own.includes(standing.client_id)) {
        // What was not kept before the page went is said again, on top of what has arrived.
        return { ...kept, head: standing?.client_id ?? null, revision: standing?.revision ?? 0 };
      }
    }
    return fromServer(item.id, this.reader, standing);
  }

  take(item: Item, draft: Draft): void {
    this.item = item;
    this.draft = draft;
  }

  /** Keeps what has changed in this browser; nothing is lost from here on. */
  keep(change: Partial<Draft>): void {
    if (!this.draft) return;
    const timing = this.shown.timing();
    Object.assign(this.draft, change, {
      activeMs: timing.activeMs, changes: timing.changes,
      stamp: Math.max(Date.now(), (this.draft.stamp ?? 0) + 1),
    });
    void this.store.keepDraft(structuredClone(this.draft));
  }

  /** The answer was changed: kept now, sent when the reader pauses. */
  changed(answer: Answer): void {
    if (!this.draft) return;
    this.keep({ answer, submitted: false });
    this.outbox.expect();
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.queue(), DRAFT_MS);
  }

  /** Sends what waits for a pause. */
  flush(): void {
    if (this.timer) this.queue();
  }

  queue(): void {
    this.calm();
    if (this.draft) void this.post(false);
  }

  /** Nothing waits to be sent any more. */
  calm(): void {
    clearTimeout(this.timer);
    this.timer = 0;
  }

  /** Lets go of the case: it was answered elsewhere, or another tab reads. */
  release(): void {
    this.calm();
    this.item = this.draft = null;
    this.outbox.forget();
  }

  /** Puts the current answer into the outbox as the next revision. Resolves when it is kept. */
  async post(submitted: boolean): Promise<void> {
    const { item, draft } = this;
    if (!item || !draft) return;
    this.calm();
    const answer = this.shown.answer();
    const letter: Letter = {
      reader: this.reader, presentation: item.id, clientId: uuid(), kind: "readings",
      submitted, practice: item.practice, attempted: false,
      body: {
        revision: draft.revision + 1, based_on: draft.head, submitted, answer,
        timings: this.shown.timing().record(), viewer: this.shown.summary(),
      },
    };
    const kept = this.outbox.post(letter);
    // post() may have folded the letter into an unsent draft, under that one's name.
    draft.head = letter.clientId;
    if (!draft.own.includes(letter.clientId)) draft.own.push(letter.clientId);
    draft.revision = Number(letter.body.revision);
    this.keep({ answer, submitted });
    await kept;
  }

  /** A revision that the server could not use: what follows takes its place in the row. */
  dropped(letter: Letter): void {
    const { draft } = this;
    if (draft?.id !== letter.presentation) return;
    draft.revision = Math.max(0, draft.revision - 1);
    if (draft.head === letter.clientId) draft.head = letter.body.based_on as string | null;
    this.keep({});
  }
}

function fromServer(id: string, reader: string, standing: Standing | null): Draft {
  const timings = standing?.timings ?? {};
  return {
    id, reader,
    answer: standing ? structuredClone(standing.answer) : emptyAnswer(),
    head: standing?.client_id ?? null, revision: standing?.revision ?? 0,
    own: standing ? [standing.client_id] : [],
    activeMs: Number(timings.active_ms ?? 0), changes: Number(timings.judgment_changes ?? 0),
    exposed: timings.exposure_ms !== undefined,
    exposureMs: (timings.exposure_ms as number | undefined) ?? null,
    submitted: standing?.submitted ?? false,
  };
}
