/** The timing record of one presentation, on the browser's monotonic clock. */

// Without any input for this long the reader is taken to be elsewhere.
const IDLE_MS = 60_000;

/** All times in ms since the case was asked for in this visit. */
export class Timing {
  private start = performance.now();
  private marks: Record<string, number> = {};
  private active = 0;
  private since = 0;
  private lastInput = 0;
  private running = false;
  private paused = false;
  changes = 0;
  private judged: unknown;
  exposureMs: number | null = null;
  exposureFrames: number | null = null;
  exposureInterrupted = false;

  /** ``carried``: active time of earlier visits to the same case, in this or another browser. */
  constructor(private carried = 0, readonly visit = 1) {}

  mark(name: "painted" | "first_interaction" | "first_judgment" | "submitted"): void {
    if (this.marks[name] === undefined) this.marks[name] = this.ms();
  }

  /** Submitting again after a refusal is what counts. */
  remark(name: "submitted"): void {
    this.marks[name] = this.ms();
  }

  private ms(): number {
    return Math.round((performance.now() - this.start) * 10) / 10;
  }

  painted(at: number): void {
    this.marks.painted ??= Math.round((at - this.start) * 10) / 10;
    this.resume();
  }

  /** Something was pressed, moved or turned; a pointer passing by is no interaction. */
  input(deliberate = true): void {
    const now = performance.now();
    if (this.running) this.settle(now);
    this.lastInput = now;
    if (this.running) this.since = now;
    if (deliberate && this.marks.painted !== undefined) this.mark("first_interaction");
  }

  judgment(value: unknown): void {
    if (value === "" || value === null || value === this.judged) return;
    if (this.judged !== undefined) this.changes++;
    this.judged = value;
    this.mark("first_judgment");
  }

  /** The judgment that the case had when it came back. */
  restore(value: unknown, changes: number): void {
    if (value !== "" && value !== null) this.judged = value;
    this.changes = changes;
  }

  suspend(): void {
    if (this.running) this.settle(performance.now());
    this.running = false;
  }

  resume(): void {
    if (this.running || this.paused || this.marks.painted === undefined) return;
    if (document.visibilityState === "hidden" || !document.hasFocus()) return;
    this.running = true;
    this.since = this.lastInput = performance.now();
  }

  pause(paused: boolean): void {
    this.paused = paused;
    if (paused) this.suspend();
    else this.resume();
  }

  private settle(now: number): void {
    const end = Math.min(now, this.lastInput + IDLE_MS);
    if (end > this.since) this.active += end - this.since;
    this.since = now;
  }

  get activeMs(): number {
    if (this.running) this.settle(performance.now());
    return Math.round(this.carried + this.active);
  }

  record(): Record<string, unknown> {
    return {
      clock: "performance.now",
      requested: 0,
      ...this.marks,
      active_ms: this.activeMs,
      judgment_changes: this.changes,
      visit: this.visit,
      ...(this.exposureMs === null
        ? {}
        : {
            exposure_ms: this.exposureMs, exposure_frames: this.exposureFrames,
            exposure_interrupted: this.exposureInterrupted,
          }),
      client_time: new Date().toISOString(),
    };
  }
}
