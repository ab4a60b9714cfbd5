/** The room: which case is on screen, what was said of it, and what comes next. */
import { type Api, ApiError, Unreachable } from "./api";
import { expose, type Showing } from "./exposure";
import { announce, h, uuid } from "./dom";
import { Header } from "./header";
import { ImageControls } from "./controls";
import { measured } from "./environment";
import type { Keys } from "./keys";
import { Outbox } from "./outbox";
import type { Sheets } from "./overlay";
import { Panel } from "./panel";
import type { Draft, Letter, Store } from "./store";
import { Timing } from "./timing";
import {
  type Answer, emptyAnswer, type Feedback, type Item, type Listing, type Recorded,
  type RoomState, type SessionSpec, type Standing,
} from "./types";
import type { FrameError } from "./viewer/loader";
import { type Painted, Viewer } from "./viewer/viewer";

/** After the last change, before a draft is sent: a pause in the work, not every click. */
const DRAFT_MS = 1200;
/** Between two tries to load what the network did not bring. */
const RETRY_MS = 5000;

export interface RoomContext {
  api: Api;
  keys: Keys;
  sheets: Sheets;
  store: Store;
  host: HTMLElement;
  leave(stage?: RoomState): void;
  renderer: "auto" | "webgl2" | "canvas";
}

export class Room {
  readonly viewer: Viewer;
  readonly panel: Panel;
  readonly header: Header;
  readonly outbox: Outbox;
  readonly controls: ImageControls;
  private stageElement: HTMLElement;
  private message: HTMLElement;
  private session: SessionSpec;
  private listing: Listing;
  private item: Item | null = null;
  /** Presentation id whose image is truly on the screen now. */
  private onScreen: string | null = null;
  private draft: Draft | null = null;
  private timing = new Timing();
  private settled = new Set<string>();
  private draftTimer = 0;
  private reviewing = false;
  private starved = false;
  private sinceBreak: number;
  private feedbackFor: string | null = null;
  /** Counts what was put on the screen: whatever belongs to an earlier one is out of date. */
  private visit = 0;
  private showing: Showing | null = null;
  /** While the drawing context is lost: the case that could be answered until then. */
  private gone: { screen: string | null } | null = null;
  /** What to try again when the network is back. */
  private retry: (() => void) | null = null;
  private retryTimer = 0;

  constructor(
    private context: RoomContext,
    private state: RoomState,
  ) {
    this.session = state.session!;
    this.listing = {
      progress: state.progress!, items: state.items ?? [], review: state.review ?? [],
    };
    this.sinceBreak = this.listing.progress.done;
    this.message = h("div", { class: "stage-message", role: "status" });
    const view = h("div", { class: "view" });
    this.stageElement = h(
      "main", { class: "stage", tabindex: 0, "aria-label": "Radiograph" }, view, this.message,
    );
    this.panel = new Panel(this.session.form, context.keys, {
      changed: (_answer, what) => this.changed(what),
      submit: () => void this.submit(),
      mark: (kind, term) => this.controls.mark(kind, term),
      markPlaces: (kind, term) => this.controls?.marks(kind, term) ?? 0,
    });
    this.header = new Header(state.title, this.session, context.keys, {
      pause: () => this.pause(),
      help: () => this.controls.help(),
      review: () => this.showReview(),
    });
    context.host.replaceChildren(this.header.element, this.stageElement, this.panel.element);
    this.viewer = new Viewer(view, context.renderer);
    this.controls = new ImageControls({
      viewer: this.viewer, stage: this.stageElement, panel: this.panel, keys: context.keys,
      sheets: context.sheets, session: this.session,
      touched: () => this.timing.input(),
      regionsChanged: () => this.changed("regions"),
      chosen: (place) => this.panel.choose(place),
    });
    this.viewer.onChange((change) => this.viewChanged(change));
    this.outbox = new Outbox(context.api, context.store, state.reader, {
      status: (saving, pending, reason) => {
        this.header.saving(saving, pending.length, reason, this.outbox?.lasting ?? true);
        if (this.starved) this.sayStarved();
      },
      recorded: (letter, answer) => this.recorded(letter, answer),
      conflict: (letter, standing, reason) => void this.conflict(letter, standing, reason),
      refused: (letter, reason) => this.refused(letter, reason),
      dropped: (letter) => this.dropped(letter),
    });
    this.watch();
  }

  /** Starts reading: at the first open case, or at an earlier one that was asked for. */
  async open(revisit?: string): Promise<void> {
    await this.outbox.open();
    for (const letter of this.outbox.pending()) {
      if (letter.submitted) this.settled.add(letter.presentation);
    }
    this.context.keys.define([
      { id: "pause", title: "Pause", group: "Room", keys: ["Shift+P"], run: () => this.pause() },
      {
        id: "review", title: "Look at earlier cases", group: "Room", keys: ["PageUp"],
        run: () => this.showReview(),
      },
      {
        id: "panel-side", title: "Panel left or right", group: "Room", keys: ["Shift+L"],
        run: () => this.controls.togglePanel("side"),
      },
      {
        id: "panel-hide", title: "Hide or show the panel", group: "Room", keys: ["Shift+H"],
        run: () => this.controls.togglePanel("hidden"),
      },
    ]);
    dispatchEvent(new Event("keys-changed"));
    this.measureDevice();
    await (revisit ? this.revisit(revisit) : this.next());
  }

  /** A session gone on with on another machine: what can be measured of it is added. */
  private measureDevice(): void {
    const known = `reading-device-${this.session.id}`;
    try {
      if (localStorage.getItem(known)) return;
      localStorage.setItem(known, "1");
    } catch {
      return;
    }
    const record = { kind: "measured", ...measured() };
    this.context.api.call("POST", "/environment", { record }).catch(() => undefined);
  }

  private watch(): void {
    const onActive = (): void => {
      if (document.visibilityState === "hidden" || !document.hasFocus()) this.timing.suspend();
      else this.timing.resume();
    };
    document.addEventListener("visibilitychange", () => {
      onActive();
      if (document.visibilityState === "hidden") this.flushDraft();
    });
    addEventListener("blur", onActive);
    addEventListener("focus", onActive);
    addEventListener("pagehide", () => this.flushDraft());
    for (const kind of ["keydown", "pointerdown", "pointermove", "wheel", "input"]) {
      const deliberate = kind !== "pointermove";
      addEventListener(kind, () => this.onScreen && this.timing.input(deliberate), { passive: true });
    }
    // Another tab took over: this one neither sends nor changes anything any more.
    addEventListener("room-taken", () => {
      clearTimeout(this.draftTimer);
      this.draftTimer = 0;
      this.clear();
      this.item = this.draft = null;
      this.outbox.stop();
    });
    addEventListener("online", () => this.retry?.());
  }

  // -- Which case ---------------------------------------------------------------------------------

  private waiting(): Item[] {
    return this.listing.items.filter((item) => !this.settled.has(item.id));
  }

  private async next(): Promise<void> {
    this.reviewing = this.starved = false;
    this.again(null);
    const [item] = this.waiting();
    if (item) await this.show(item);
    else if (this.outbox.pending().length) this.waitForList();
    else await this.refresh();
  }

  /** Everything that was loaded has been read, and the server has not said what comes next. */
  private waitForList(): void {
    this.item = null;
    this.starved = true;
    this.clear();
    const { visit } = this;
    // A receipt is on its way as a rule: no words for what passes in a moment.
    setTimeout(() => this.visit === visit && this.sayStarved(), 600);
  }

  private sayStarved(): void {
    const { status } = this.outbox;
    if (!this.item && status === "waiting") {
      this.say("Waiting for the network. Your answers are kept in this browser; the next cases load when it is back.");
    } else if (!this.item && status === "signed-out") {
      this.say("You have been signed out. Sign in again to go on; nothing is lost.", this.header.signInLink());
    } else if (!this.item) this.say("Saving");
  }

  private async refresh(): Promise<void> {
    try {
      const state = await this.context.api.call<RoomState>("GET", "");
      if (state.stage === "reading" && state.items) {
        this.take(state as unknown as Listing);
        if (this.waiting().length) return void (await this.show(this.waiting()[0]!));
      }
      this.say("");
      this.context.leave(state);
    } catch (error) {
      this.say(
        error instanceof ApiError && error.status === 401
          ? "You have been signed out. Sign in again to go on; nothing is lost."
          : "Waiting for the network.",
        h("button", { class: "button", type: "button", onclick: () => void this.next() }, "Try again"),
      );
      this.again(() => void this.next());
    }
  }

  /** Tries again in a while, or as soon as the network is back; null for no more. */
  private again(deed: (() => void) | null): void {
    clearTimeout(this.retryTimer);
    this.retry = deed;
    if (deed) this.retryTimer = window.setTimeout(deed, RETRY_MS);
  }

  private take(listing: Partial<Listing>): void {
    if (!listing.items || !listing.progress) return;
    this.listing = {
      items: listing.items, progress: listing.progress, review: listing.review ?? [],
    };
    this.showProgress();
    this.prefetch();
  }

  private prefetch(): void {
    const items = this.waiting();
    const urls = items.flatMap((item) => item.frames);
    const keep = [...urls, ...(this.item?.frames ?? [])];
    this.viewer.loader.keepOnly(keep);
    this.viewer.prefetch(urls);
  }

  private showProgress(): void {
    const { progress } = this.listing;
    const unsent = this.outbox.pending().filter((letter) => letter.submitted);
    const counted = unsent.filter((letter) => !letter.practice).length;
    this.header.progress(this.item, {
      ...progress,
      done: Math.min(progress.total, progress.done + counted),
      practice_done: progress.practice_done + unsent.length - counted,
    }, this.reviewing);
  }

  // -- Showing --------------------------------------------------------------------------------------

  private async show(item: Item): Promise<void> {
    this.flushDraft();
    this.timing.suspend();
    this.again(null);
    const visit = ++this.visit;
    const following = this.item !== null && this.item.id !== item.id;
    this.item = item;
    this.onScreen = null;
    this.feedbackFor = null;
    this.panel.setEnabled(false);
    this.say("");
    if (following) await this.betweenCases();
    const draft = await this.draftOf(item);
    if (this.visit !== visit) return;
    this.draft = draft;
    this.panel.load(draft.answer);
    this.controls.load(item, draft.answer);
    this.timing = new Timing(draft.activeMs, Number(item.standing?.timings.visit ?? 0) + 1);
    this.timing.restore(draft.answer.judgment || draft.answer.choice, draft.changes);
    this.timing.exposureMs = draft.exposureMs;
    this.showProgress();
    if (item.exposure_ms === null) await this.paint(item);
    else if (draft.exposed) this.answerMasked(item);
    else await this.controls.timed(item, () => this.expose(item));
  }

  /** A plain or noisy mask, where the protocol wants one, so that no case is seen over the last. */
  private async betweenCases(): Promise<void> {
    const { between, between_ms } = this.session;
    if (between === "none") return;
    this.viewer.hide(between);
    await new Promise((resolve) => setTimeout(resolve, between_ms));
  }

  /** A timed case that was shown before: it is answered, not shown again. */
  private answerMasked(item: Item): void {
    this.viewer.hide(this.session.mask);
    this.onScreen = item.id;
    this.timing.painted(performance.now());
    this.panel.setEnabled(true);
    this.say("");
    announce(`Case ${item.number} was shown. Please answer.`);
  }

  /** Shows the case and, unless it is a timed showing, takes answers. Null when it is not shown. */
  private async paint(item: Item, timed = false): Promise<Painted | null> {
    const { visit } = this;
    const slow = setTimeout(() => this.visit === visit && this.say("Loading the case"), 400);
    try {
      const painted = await this.viewer.show(item.frames);
      if (this.visit !== visit) return null;
      this.timing.painted(painted.at);
      performance.mark("case-painted", { detail: item.id });
      this.say("");
      this.controls.ready();
      if (!timed) {
        this.onScreen = item.id;
        this.panel.setEnabled(true);
        this.controls.choice(this.panel.value().choice);
        const place = item.practice ? `Practice case ${item.number}` : `Case ${item.number}`;
        announce(`${place} of ${this.total(item)} is shown.`);
        this.prefetch();
      }
      return painted;
    } catch (error) {
      if (this.visit === visit) this.failed(item, error);
      return null;
    } finally {
      clearTimeout(slow);
    }
  }

  private total(item: Item): number {
    const { progress } = this.listing;
    return item.practice ? progress.practice_total : progress.total;
  }

  /** Shows for the protocol's time, masks, and lets the reader answer. */
  private async expose(item: Item): Promise<void> {
    const painted = await this.paint(item, true);
    if (!painted) return;
    this.keepDraft({ exposed: true });
    const { visit } = this;
    this.showing = expose(this.viewer, painted, item.exposure_ms!, this.session.mask);
    const reached = await this.showing.done;
    this.showing = null;
    if (this.visit !== visit) return;
    this.timing.exposureMs = reached.ms;
    this.timing.exposureFrames = reached.frames;
    this.timing.exposureInterrupted = reached.interrupted;
    this.onScreen = item.id;
    this.panel.setEnabled(true);
    this.controls.choice(this.panel.value().choice);
    announce(`Case ${item.number} was shown. Please answer.`);
    this.keepDraft({ exposureMs: reached.ms });
    this.queueDraft();
    this.prefetch();
  }

  private failed(item: Item, error: unknown): void {
    this.clear();
    this.gone = null;
    const { status, network } = error as Partial<FrameError>;
    const retry = (): void => void this.show(item);
    if (status === 401 || status === 403) {
      this.header.saving("signed-out", this.outbox.pending().length, "", true);
      this.say("You have been signed out. Sign in again to go on; nothing is lost.",
        this.header.signInLink(),
        h("button", { class: "button", type: "button", onclick: retry }, "Retry"));
      return;
    }
    const words = network
      ? "Waiting for the network. The case comes by itself when it is back."
      : "Frame could not be shown. Retry, or report a technical problem.";
    announce(words);
    const again = h("button", { class: "button primary", type: "button", onclick: retry }, "Retry");
    this.say(words, h("p", { class: "row" }, again,
      h("button", { class: "button", type: "button", onclick: () => void this.report(item, error) },
        "Report and go on")));
    again.focus();
    if (network) this.again(retry);
  }

  private async report(item: Item, error: unknown): Promise<void> {
    const letter: Letter = {
      reader: this.state.reader, presentation: item.id, clientId: uuid(), kind: "failures",
      submitted: true, practice: item.practice, attempted: false,
      body: { reason: String((error as Error)?.message ?? error).slice(0, 2000) },
    };
    this.again(null);
    await this.outbox.post(letter);
    this.settled.add(item.id);
    await this.next();
  }

  private clear(): void {
    this.visit++;
    this.onScreen = null;
    this.timing.suspend();
    this.panel.setEnabled(false);
    this.viewer.hide("blank");
  }

  private say(text: string, ...more: HTMLElement[]): void {
    this.message.replaceChildren(...(text ? [h("p", {}, text), ...more] : []));
  }

  private viewChanged(change: string): void {
    if (change === "lost") {
      // Nothing may be said of an image that is not there.
      if (!this.gone) this.gone = { screen: this.onScreen };
      this.onScreen = null;
      this.panel.setEnabled(false);
      this.timing.suspend();
      this.say("The graphics card was reset. The image comes back by itself.");
    } else if ((change === "repainted" || change === "remasked") && this.gone) {
      const { screen } = this.gone;
      this.gone = null;
      this.say("");
      // What stood there before: an image that was answered, or the mask of one that was shown.
      if (!screen || this.item?.id !== screen) return;
      this.onScreen = screen;
      this.panel.setEnabled(true);
      this.timing.resume();
    }
  }

  // -- Answering ------------------------------------------------------------------------------------

  private async draftOf(item: Item): Promise<Draft> {
    const kept = await this.context.store.draft(item.id);
    const standing = item.standing;
    const unsent = this.outbox.pending(item.id).at(-1);
    // The draft in this browser counts unless another device has gone on from there.
    if (kept?.reader === this.state.reader) {
      if (unsent) return { ...kept, head: unsent.clientId, revision: Number(unsent.body.revision) };
      if (!standing || kept.own.includes(standing.client_id)) {
        // What was not kept before the page went is said again, on top of what has arrived.
        return { ...kept, head: standing?.client_id ?? null, revision: standing?.revision ?? 0 };
      }
    }
    const timings = standing?.timings ?? {};
    return {
      id: item.id, reader: this.state.reader,
      answer: standing ? structuredClone(standing.answer) : emptyAnswer(),
      head: standing?.client_id ?? null, revision: standing?.revision ?? 0,
      own: standing ? [standing.client_id] : [],
      activeMs: Number(timings.active_ms ?? 0), changes: Number(timings.judgment_changes ?? 0),
      exposed: timings.exposure_ms !== undefined,
      exposureMs: (timings.exposure_ms as number | undefined) ?? null,
      submitted: standing?.submitted ?? false,
    };
  }

  private changed(what: string): void {
    if (!this.item || this.onScreen !== this.item.id) return;
    this.panel.setRegions(this.controls.regionAnswer());
    const answer = this.panel.value();
    this.controls.choice(answer.choice);
    if (what === "judgment" || what === "choice") this.timing.judgment(answer.judgment || answer.choice);
    this.keepDraft({ answer, submitted: false });
    this.outbox.expect();
    clearTimeout(this.draftTimer);
    this.draftTimer = window.setTimeout(() => this.queueDraft(), DRAFT_MS);
  }

  private keepDraft(change: Partial<Draft>): void {
    if (!this.draft) return;
    Object.assign(this.draft, change, {
      activeMs: this.timing.activeMs, changes: this.timing.changes,
      stamp: Math.max(Date.now(), (this.draft.stamp ?? 0) + 1),
    });
    void this.context.store.keepDraft(structuredClone(this.draft));
  }

  private flushDraft(): void {
    if (this.draftTimer) this.queueDraft();
  }

  private queueDraft(): void {
    clearTimeout(this.draftTimer);
    this.draftTimer = 0;
    if (this.item && this.draft?.id === this.item.id) void this.post(false);
  }

  /** Puts the current answer into the outbox as the next revision. */
  private async post(submitted: boolean): Promise<void> {
    const { item, draft } = this;
    if (!item || !draft) return;
    const answer = this.panel.value();
    const letter: Letter = {
      reader: this.state.reader, presentation: item.id, clientId: uuid(), kind: "readings",
      submitted, practice: item.practice, attempted: false,
      body: {
        revision: draft.revision + 1, based_on: draft.head, submitted, answer,
        timings: this.timing.record(), viewer: this.controls.summary(),
      },
    };
    const kept = this.outbox.post(letter);
    // post() may have folded the letter into an unsent draft, under that one's name.
    draft.head = letter.clientId;
    if (!draft.own.includes(letter.clientId)) draft.own.push(letter.clientId);
    draft.revision = Number(letter.body.revision);
    this.keepDraft({ answer, submitted });
    await kept;
  }

  private async submit(): Promise<void> {
    const { item } = this;
    if (this.feedbackFor) return void this.next();
    if (!item || this.onScreen !== item.id || !this.panel.isEnabled) return;
    const lacking = this.panel.missing();
    if (lacking.length) return this.panel.point(lacking);
    clearTimeout(this.draftTimer);
    this.draftTimer = 0;
    this.timing.remark("submitted");
    this.panel.setEnabled(false);
    const posted = this.post(true);
    this.settled.add(item.id);
    this.controls.leaveCase(this.timing.activeMs);
    if (item.practice) {
      this.feedbackFor = item.id;
      this.panel.setEnabled(false);
      this.header.note("Submitted");
      await posted;
      this.showFeedback(item, null);
      return;
    }
    this.stageElement.focus({ preventScroll: true });
    if (this.reviewing) {
      await posted;
      // With everything done the page that offers to finish is the better list.
      if (this.waiting().length) this.showReview();
      else await this.next();
      return;
    }
    if (this.breakDue()) {
      await posted;
      this.break();
      return;
    }
    const following = this.next();
    await Promise.all([posted, following]);
  }

  private doneNow(): number {
    const { progress } = this.listing;
    const unsent = this.outbox.pending().filter((each) => each.submitted && !each.practice);
    return Math.min(progress.total, progress.done + unsent.length);
  }

  private breakDue(): boolean {
    const every = this.session.break_every;
    const done = this.doneNow();
    if (!every || done >= this.listing.progress.total) return false;
    if (Math.floor(done / every) <= Math.floor(this.sinceBreak / every)) return false;
    this.sinceBreak = done;
    return true;
  }

  // -- What the server said -------------------------------------------------------------------------

  private recorded(letter: Letter, answer: Recorded): void {
    this.take(answer);
    if (letter.submitted && letter.practice && this.feedbackFor === letter.presentation) {
      const item = this.item;
      if (item) this.showFeedback(item, answer.feedback);
    }
    // Only where the reader is waiting for cases; anything else is on its way already.
    if (letter.submitted && this.starved && !this.context.sheets.isOpen) void this.next();
    if (letter.submitted && this.draft?.id !== letter.presentation) {
      void this.context.store.dropDraft(letter.presentation);
    }
    const known = this.listing.items.find((each) => each.id === letter.presentation);
    if (known && letter.kind === "readings") {
      known.standing = {
        revision: answer.revision, client_id: letter.clientId, submitted: letter.submitted,
        answer: letter.body.answer as Answer,
        timings: letter.body.timings as Record<string, unknown>,
        viewer: letter.body.viewer as Record<string, unknown>,
      };
    }
  }

  private async conflict(letter: Letter, standing: Standing | null, reason: string): Promise<void> {
    announce(reason);
    await this.context.store.dropDraft(letter.presentation);
    if (this.item?.id === letter.presentation) {
      clearTimeout(this.draftTimer);
      this.draftTimer = 0;
      this.item.standing = standing;
      this.draft = null;
      this.outbox.forget();
    }
    this.context.sheets.show({
      title: "Answered elsewhere",
      content: [h("p", {}, reason)],
      closable: true,
      onclose: () => void this.refreshAll(),
    });
  }

  private async refreshAll(): Promise<void> {
    this.item = null;
    this.settled.clear();
    for (const letter of this.outbox.pending()) {
      if (letter.submitted) this.settled.add(letter.presentation);
    }
    await this.refresh();
  }

  /** A draft that the server could not use: what follows takes its place in the row. */
  private dropped(letter: Letter): void {
    const { draft } = this;
    if (draft?.id !== letter.presentation) return;
    draft.revision = Math.max(0, draft.revision - 1);
    if (draft.head === letter.clientId) draft.head = letter.body.based_on as string | null;
    this.keepDraft({});
  }

  private refused(_letter: Letter, reason: string): void {
    this.context.sheets.show({
      title: "An answer was not accepted",
      content: [
        h("p", {}, reason),
        h("p", { class: "quiet" }, "It is kept in this browser. Please tell the study's team."),
      ],
      closable: true,
      onclose: () => void this.refreshAll(),
    });
  }

  // -- Around the cases -----------------------------------------------------------------------------

  private showFeedback(item: Item, feedback: Feedback | null): void {
    this.controls.feedback(item, feedback, () => {
      this.feedbackFor = null;
      void this.next();
    });
  }

  private pause(): void {
    if (this.context.sheets.isOpen) return;
    this.showing?.stop();
    this.flushDraft();
    this.timing.pause(true);
    this.context.host.classList.add("covered");
    this.controls.pauseSheet("Paused", this.doneNow(), this.listing.progress.total, () => {
      this.context.host.classList.remove("covered");
      this.timing.pause(false);
      this.stageElement.focus();
    });
  }

  private break(): void {
    this.clear();
    this.item = null;
    this.controls.pauseSheet("Time for a break", this.doneNow(), this.listing.progress.total, () => void this.next());
  }

  private showReview(): void {
    if (!this.session.may_revise || this.context.sheets.isOpen) return;
    this.flushDraft();
    const entries = this.listing.review.filter((each) => !each.failed);
    this.controls.reviewSheet(entries, this.item?.id ?? null, (id) => void this.revisit(id), () => {
      if (this.reviewing || !this.item) void this.next();
    });
  }

  async revisit(id: string): Promise<void> {
    try {
      const item = await this.context.api.call<Item>("GET", `/presentations/${id}`);
      this.reviewing = true;
      await this.show(item);
    } catch (error) {
      this.say(error instanceof Unreachable ? "Waiting for the network." : (error as Error).message,
        h("button", { class: "button", type: "button", onclick: () => void this.next() }, "Go on reading"));
    }
  }
}
