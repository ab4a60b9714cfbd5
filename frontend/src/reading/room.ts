/** The room: which case is on screen, what was said of it, and what comes next. */
import { type Api, ApiError, Unreachable } from "./api";
import { expose, type Showing } from "./exposure";
import { announce, h, uuid } from "./dom";
import { Drafting } from "./drafting";
import { Header } from "./header";
import { ImageControls } from "./controls";
import { measured } from "./environment";
import type { Keys } from "./keys";
import { Outbox } from "./outbox";
import type { Sheets } from "./overlay";
import { Panel } from "./panel";
import { StageMessage } from "./stagemessage";
import type { Letter, Store } from "./store";
import { Timing } from "./timing";
import {
  type Answer, type Feedback, type Item, type Listing, type Recorded,
  type RoomState, type SessionSpec, type Standing,
} from "./types";
import type { FrameError } from "./viewer/loader";
import { type Painted, Viewer } from "./viewer/viewer";

export interface RoomContext {
  api: Api;
  keys: Keys;
  sheets: Sheets;
  store: Store;
  host: HTMLElement;
  leave(stage?: RoomState): void;
  renderer: "auto" | "webgl2" | "canvas";
}

/** An answer is sent when the next case is on the screen, but not later than this. */
const SEND_WITHIN_MS = 300;

export class Room {
  readonly viewer: Viewer;
  readonly panel: Panel;
  readonly header: Header;
  readonly outbox: Outbox;
  readonly controls: ImageControls;
  private stageElement: HTMLElement;
  private message = new StageMessage();
  private session: SessionSpec;
  private listing: Listing;
  private item: Item | null = null;
  /** Presentation id whose image is truly on the screen now. */
  private onScreen: string | null = null;
  private drafting: Drafting;
  private timing = new Timing();
  private settled = new Set<string>();
  private reviewing = false;
  private starved = false;
  private sinceBreak: number;
  private feedbackFor: string | null = null;
  /** Counts what was put on the screen: whatever belongs to an earlier one is out of date. */
  private visit = 0;
  private showing: Showing | null = null;
  /** While the drawing context is lost: the case that could be answered until then. */
  private gone: { screen: string | null } | null = null;

  constructor(
    private context: RoomContext,
    private state: RoomState,
  ) {
    this.session = state.session!;
    this.listing = {
      progress: state.progress!, items: state.items ?? [], review: state.review ?? [],
    };
    this.sinceBreak = this.listing.progress.done;
    const view = h("div", { class: "view" });
    this.stageElement = h(
      "main", { class: "stage", tabindex: 0, "aria-label": "Radiograph" }, view, this.message.element,
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
      dropped: (letter) => this.drafting.dropped(letter),
    });
    this.drafting = new Drafting(state.reader, context.store, this.outbox, {
      answer: () => this.panel.value(),
      timing: () => this.timing,
      summary: () => this.controls.summary(),
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

  /** The page may be gone in a moment. */
  private putAway(): void {
    this.drafting.flush();
    // Time spent looking counts, whether or not anything was said.
    if (this.onScreen) this.drafting.keep({});
  }

  private watch(): void {
    const onActive = (): void => {
      if (document.visibilityState === "hidden" || !document.hasFocus()) this.timing.suspend();
      else this.timing.resume();
    };
    document.addEventListener("visibilitychange", () => {
      onActive();
      if (document.visibilityState === "hidden") this.putAway();
    });
    addEventListener("blur", onActive);
    addEventListener("focus", onActive);
    addEventListener("pagehide", () => this.putAway());
    for (const kind of ["keydown", "pointerdown", "pointermove", "wheel", "input"]) {
      const deliberate = kind !== "pointermove";
      addEventListener(kind, () => this.onScreen && this.timing.input(deliberate), { passive: true });
    }
    // Another tab took over: this one neither sends nor changes anything any more.
    addEventListener("room-taken", () => {
      this.clear();
      this.item = null;
      this.drafting.release();
      this.outbox.stop();
    });
  }

  // -- Which case ---------------------------------------------------------------------------------

  private waiting(): Item[] {
    return this.listing.items.filter((item) => !this.settled.has(item.id));
  }

  private async next(): Promise<void> {
    this.reviewing = this.starved = false;
    this.message.clear();
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
    if (!this.item) this.message.starved(this.outbox.status, () => this.header.signInLink());
  }

  private async refresh(): Promise<void> {
    try {
      const state = await this.context.api.call<RoomState>("GET", "");
      if (state.stage === "reading" && state.items) {
        this.take(state as unknown as Listing);
        if (this.waiting().length) return void (await this.show(this.waiting()[0]!));
      }
      this.message.clear();
      this.context.leave(state);
    } catch (error) {
      const again = (): void => void this.next();
      if (error instanceof ApiError && error.status === 401) {
        this.message.signedOut(this.header.signInLink(), again);
      } else this.message.unreachable(again);
    }
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
    this.drafting.flush();
    this.timing.suspend();
    this.message.clear();
    const visit = ++this.visit;
    const following = this.item !== null && this.item.id !== item.id;
    this.item = item;
    this.onScreen = null;
    this.feedbackFor = null;
    this.panel.setEnabled(false);
    this.message.say("");
    if (following) await this.betweenCases();
    const draft = await this.drafting.of(item);
    if (this.visit !== visit) return;
    this.drafting.take(item, draft);
    this.panel.load(draft.answer);
    this.controls.load(draft.answer);
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
    this.message.say("");
    announce(`Case ${item.number} was shown. Please answer.`);
  }

  /** Shows the case and, unless it is a timed showing, takes answers. Null when it is not shown. */
  private async paint(item: Item, timed = false): Promise<Painted | null> {
    const { visit } = this;
    const slow = setTimeout(() => this.visit === visit && this.message.say("Loading the case"), 400);
    try {
      const painted = await this.viewer.show(item.frames);
      if (this.visit !== visit) return null;
      this.timing.painted(painted.at);
      performance.mark("case-painted", { detail: item.id });
      this.message.say("");
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
    this.drafting.keep({ exposed: true });
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
    this.drafting.keep({ exposureMs: reached.ms });
    this.drafting.queue();
    this.prefetch();
  }

  private failed(item: Item, error: unknown): void {
    this.clear();
    this.gone = null;
    const { status, network } = error as Partial<FrameError>;
    const retry = (): void => void this.show(item);
    if (status === 401 || status === 403) {
      this.header.saving("signed-out", this.outbox.pending().length, "", true);
      this.message.signedOut(this.header.signInLink(), retry);
    } else this.message.notShown(network ?? false, retry, () => void this.report(item, error));
  }

  private async report(item: Item, error: unknown): Promise<void> {
    const letter: Letter = {
      reader: this.state.reader, presentation: item.id, clientId: uuid(), kind: "failures",
      submitted: true, practice: item.practice, attempted: false,
      body: { reason: String((error as Error)?.message ?? error).slice(0, 2000) },
    };
    this.message.clear();
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

  private viewChanged(change: string): void {
    if (change === "lost") {
      // Nothing may be said of an image that is not there.
      if (!this.gone) this.gone = { screen: this.onScreen };
      this.onScreen = null;
      this.panel.setEnabled(false);
      this.timing.suspend();
      this.message.say("The graphics card was reset. The image comes back by itself.");
    } else if ((change === "repainted" || change === "remasked") && this.gone) {
      const { screen } = this.gone;
      this.gone = null;
      this.message.say("");
      // What stood there before: an image that was answered, or the mask of one that was shown.
      if (!screen || this.item?.id !== screen) return;
      this.onScreen = screen;
      this.panel.setEnabled(true);
      this.timing.resume();
    }
  }

  // -- Answering ------------------------------------------------------------------------------------

  private changed(what: string): void {
    if (!this.item || this.onScreen !== this.item.id) return;
    this.panel.setRegions(this.controls.regionAnswer());
    const answer = this.panel.value();
    this.controls.choice(answer.choice);
    if (what === "judgment" || what === "choice") this.timing.judgment(answer.judgment || answer.choice);
    this.drafting.changed(answer);
  }

  private async submit(): Promise<void> {
    const { item } = this;
    if (this.feedbackFor) return void this.next();
    if (!item || this.onScreen !== item.id || !this.panel.isEnabled) return;
    const lacking = this.panel.missing();
    if (lacking.length) return this.panel.point(lacking);
    this.timing.remark("submitted");
    this.panel.setEnabled(false);
    const posted = this.drafting.post(true);
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
    // Asking for the focus that is there already would cost a layout of the page.
    if (document.activeElement !== this.stageElement) this.stageElement.focus({ preventScroll: true });
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
    this.outbox.hold(following, SEND_WITHIN_MS);
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
    if (letter.submitted && this.drafting.draft?.id !== letter.presentation) {
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
      this.item.standing = standing;
      this.drafting.release();
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
    this.drafting.flush();
    this.timing.pause(true);
    this.context.host.classList.add("covered");
    this.controls.pauseSheet("Paused", this.doneNow(), this.listing.progress.total, this.session.break_every, () => {
      this.context.host.classList.remove("covered");
      this.timing.pause(false);
      this.stageElement.focus();
    });
  }

  private break(): void {
    this.clear();
    this.item = null;
    const { break_every } = this.session;
    this.controls.pauseSheet("Time for a break", this.doneNow(), this.listing.progress.total, break_every,
      () => void this.next());
  }

  private showReview(): void {
    if (!this.session.may_revise || this.context.sheets.isOpen) return;
    this.drafting.flush();
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
      this.message.say(error instanceof Unreachable ? "Waiting for the network." : (error as Error).message,
        h("button", { class: "button", type: "button", onclick: () => void this.next() }, "Go on reading"));
    }
  }
}
