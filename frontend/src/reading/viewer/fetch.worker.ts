/** Fetches and decodes one frame at a time, away from the page's thread. */
import { decode } from "./codec";
import type { Size } from "./frame";
import { prepare } from "./prepare";

export interface Request {
  id: number;
  url: string;
  /** The tile that the frame will be shown in, where its first sight is to be made here. */
  tile?: Size;
}

// A connection that brings nothing for this long is dead, however open it looks.
const PATIENCE_MS = 20_000;

self.onmessage = async ({ data }: MessageEvent<Request>) => {
  let bytes: ArrayBuffer;
  try {
    const body = await whole(data.url);
    if (typeof body === "number") {
      self.postMessage({ id: data.id, error: `status ${body}`, status: body });
      return;
    }
    bytes = body;
  } catch (error) {
    self.postMessage({ id: data.id, error: words(error), network: true });
    return;
  }
  try {
    const began = performance.now();
    const frame = await decode(bytes);
    const decodeMs = performance.now() - began;
    const transfer: Transferable[] = [frame.pixels.buffer];
    const ahead = data.tile && prepare(frame, data.tile);
    if (ahead) {
      frame.ahead = ahead;
      transfer.push(ahead.values.buffer, ahead.grey.buffer);
    }
    (self as unknown as Worker).postMessage({ id: data.id, frame, decodeMs }, transfer);
  } catch (error) {
    self.postMessage({ id: data.id, error: words(error) });
  }
};

/** The whole body, or the status of a refusal. Throws when the network gives up, or says nothing. */
async function whole(url: string): Promise<ArrayBuffer | number> {
  const dead = new AbortController();
  let timer = setTimeout(() => dead.abort(), PATIENCE_MS);
  try {
    const response = await fetch(url, {
      credentials: "same-origin", cache: "no-store", redirect: "error", signal: dead.signal,
    });
    if (!response.ok) return response.status;
    const parts: BlobPart[] = [];
    const reader = response.body!.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return await new Blob(parts).arrayBuffer();
      parts.push(value);
      clearTimeout(timer);
      timer = setTimeout(() => dead.abort(), PATIENCE_MS);
    }
  } finally {
    clearTimeout(timer);
  }
}

function words(error: unknown): string {
  return String((error as Error).message ?? error);
}
