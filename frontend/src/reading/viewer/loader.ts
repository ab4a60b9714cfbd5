/** Frames by address: fetched and decoded by two workers, kept while they may be needed. */
import type { Frame, Size } from "./frame";

export class FrameError extends Error {
  constructor(
    message: string,
    readonly status?: number,
    /** The network gave up: worth another try by itself. */
    readonly network = false,
  ) {
    super(message);
  }
}

interface Waiting {
  id: number;
  url: string;
  urgent: boolean;
  resolve: (frame: Frame) => void;
  reject: (error: FrameError) => void;
}

const WORKERS = 2;
/** Frames decoded ahead at a time: one core stays free for the page and what it shows. */
const AHEAD = Math.max(1, Math.min(WORKERS, (navigator.hardwareConcurrency || 2) - 1));

export class Loader {
  private workers: { worker: Worker | null; busy?: Waiting }[] = [];
  private waiting: Waiting[] = [];
  private kept = new Map<string, Promise<Frame>>();
  private ready = new Map<string, Frame>();
  private serial = 0;
  /** How long the last frames took to decode, in ms. */
  readonly decodeTimes: number[] = [];

  constructor(
    private tile: () => Size | undefined,
    private arrived: (frame: Frame) => void,
    private dropped: (frame: Frame) => void,
    private most = 8,
  ) {
    for (let i = 0; i < WORKERS; i++) this.workers.push({ worker: null });
  }

  private start(place: number): Worker {
    const worker = new Worker(new URL("./fetch.worker.ts", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }) => {
      const own = this.workers[place]!;
      const done = own.busy;
      own.busy = undefined;
      if (done && data.id === done.id) {
        if (data.frame) {
          this.decodeTimes.push(data.decodeMs as number);
          if (this.decodeTimes.length > 50) this.decodeTimes.shift();
          done.resolve(data.frame as Frame);
        } else {
          const { error, status, network } = data as { error: string; status?: number; network?: boolean };
          done.reject(new FrameError(error, status, network));
        }
      }
      this.next();
    };
    worker.onerror = (event) => {
      event.preventDefault();
      const { busy } = this.workers[place]!;
      worker.terminate();
      // Another one is started when there is work: one that cannot start must not be started forever.
      this.workers[place] = { worker: null };
      busy?.reject(new FrameError("the decoder stopped"));
      this.next();
    };
    return worker;
  }

  /** The frame, from memory or over the network. ``urgent`` goes before what is only prefetched. */
  load(url: string, urgent = true): Promise<Frame> {
    const known = this.kept.get(url);
    if (known) {
      if (urgent) this.hurry(url);
      // Last used last: the first of the map is the next to go.
      this.kept.delete(url);
      this.kept.set(url, known);
      return known;
    }
    const promise = new Promise<Frame>((resolve, reject) => {
      const entry = { id: ++this.serial, url, urgent, resolve, reject };
      if (urgent) this.waiting.unshift(entry);
      else this.waiting.push(entry);
    });
    this.kept.set(url, promise);
    promise.then(
      (frame) => {
        this.ready.set(url, frame);
        this.arrived(frame);
      },
      () => this.kept.delete(url),
    );
    this.trim();
    this.next();
    return promise;
  }

  private hurry(url: string): void {
    const index = this.waiting.findIndex((entry) => entry.url === url);
    if (index < 0) return;
    const [entry] = this.waiting.splice(index, 1);
    entry!.urgent = true;
    this.waiting.unshift(entry!);
    this.next();
  }

  /** The frame if it is in memory already. */
  now(url: string): Frame | undefined {
    return this.ready.get(url);
  }

  /** All frames in memory. */
  held(): Frame[] {
    return [...this.ready.values()];
  }

  /** Keeps these and drops every other frame, as soon as nobody needs it. */
  keepOnly(urls: Iterable<string>): void {
    const wanted = new Set(urls);
    for (const url of [...this.ready.keys()]) if (!wanted.has(url)) this.drop(url);
  }

  private trim(): void {
    for (const url of this.kept.keys()) {
      if (this.kept.size <= this.most) break;
      if (this.ready.has(url)) this.drop(url);
    }
  }

  setMost(most: number): void {
    this.most = most;
    this.trim();
  }

  private drop(url: string): void {
    const frame = this.ready.get(url);
    this.ready.delete(url);
    this.kept.delete(url);
    if (frame) this.dropped(frame);
  }

  private next(): void {
    for (const [place, own] of this.workers.entries()) {
      if (own.busy) continue;
      const [entry] = this.waiting;
      if (!entry) return;
      // Whatever is waited for now may use every worker.
      const busy = this.workers.filter((each) => each.busy).length;
      if (!entry.urgent && busy >= AHEAD) return;
      this.waiting.shift();
      own.busy = entry;
      own.worker ??= this.start(place);
      own.worker.postMessage({ id: entry.id, url: entry.url, tile: this.tile() });
    }
  }

  stop(): void {
    for (const { worker } of this.workers) worker?.terminate();
  }
}
