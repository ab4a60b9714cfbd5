/** What the keys and the bar under the image work with. */
import type { Keys } from "./keys";
import type { Loupe } from "./loupe";
import type { Sheets } from "./overlay";
import type { FormSpec } from "./types";
import type { Viewer } from "./viewer/viewer";

export interface ImageTools {
  readonly viewer: Viewer;
  readonly loupe: Loupe;
  readonly keys: Keys;
  readonly sheets: Sheets;
  readonly stage: HTMLElement;
  readonly form: FormSpec;
  /** The tools for regions, for the bar. */
  readonly regionTools: HTMLElement;
  /** The reader did something with the image. */
  touched(): void;
}
