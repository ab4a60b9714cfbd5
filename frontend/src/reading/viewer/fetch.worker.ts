/** Fetches and decodes one frame at a time, away from the page's thread. */
import { decode } from "./codec";
import { fit, type Size, viewKey } from "./frame";
import { resample } from "./resample";

export interface Request {
  id: number;
  url: string;
  /** The tile that the frame will be shown in: its first view is computed here. */
  tile?: Size;
}

self.onmessage = async ({ data }: MessageEvent<Request>) => {
  try {
    const response = await fetch(data.url, { credentials: "same-origin", cache: "no-store" });
    if (!response.ok) {
      self.postMessage({ id: data.id, error: `status ${response.status}`, status: response.status });
      return;
    }
    const bytes = await response.arrayBuffer();
    const began = performance.now();
    const frame = await decode(bytes);
    const decodeMs = performance.now() - began;
    const transfer: Transferable[] = [frame.pixels.buffer];
    if (data.tile && data.tile.width > 0 && data.tile.height > 0) {
      const view = fit({ width: frame.columns, height: frame.rows }, data.tile);
      const values = resample(frame, view, data.tile);
      frame.ahead = { key: viewKey(view, data.tile), values };
      transfer.push(values.buffer);
    }
    (self as unknown as Worker).postMessage({ id: data.id, frame, decodeMs }, transfer);
  } catch (error) {
    self.postMessage({ id: data.id, error: String((error as Error).message ?? error) });
  }
};
