/** The viewer's arithmetic, without a browser. */
import { describe, expect, it } from "vitest";
import { Camera } from "../src/reading/viewer/camera";
import { decode } from "../src/reading/viewer/codec";
import { backward, derive, forward } from "../src/reading/viewer/derive";
import { fit, type Frame } from "../src/reading/viewer/frame";
import { tiles } from "../src/reading/viewer/layout";
import { prepare, shade } from "../src/reading/viewer/prepare";
import { OUTSIDE, resample } from "../src/reading/viewer/resample";
import { bounded, dragged } from "../src/reading/viewer/windowing";

function frame(columns: number, rows: number, value: (x: number, y: number) => number, bits = 12): Frame {
  const pixels = new Uint16Array(columns * rows);
  for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) pixels[y * columns + x] = value(x, y);
  return { columns, rows, bits, pixels, quantiles: [] };
}

/** The container as readerstudy/imaging/frames.py writes it, written a second time from its words. */
async function pack({ columns, rows, bits, pixels }: Frame, padding = 0): Promise<ArrayBuffer> {
  const count = columns * rows;
  const planes = new Uint8Array(2 * count);
  for (let i = 0; i < count; i++) {
    const first = i % columns === 0;
    const before = first ? (i ? pixels[i - columns]! : 0) : pixels[i - 1]!;
    const difference = ((pixels[i]! - before) << 16) >> 16;
    const code = ((difference << 1) ^ (difference >> 15)) & 0xffff;
    planes[i] = code & 255;
    planes[count + i] = code >> 8;
  }
  const packed = new Blob([planes]).stream().pipeThrough(new CompressionStream("gzip"));
  const payload = new Uint8Array(await new Response(packed).arrayBuffer());
  const bytes = new Uint8Array(16 + payload.length + padding);
  const view = new DataView(bytes.buffer);
  bytes.set([0x52, 0x53, 0x46, 0x31]);
  view.setUint16(4, columns, true);
  view.setUint16(6, rows, true);
  view.setUint8(8, bits);
  view.setUint32(12, payload.length, true);
  bytes.set(payload, 16);
  return bytes.buffer;
}

describe("the frame container", () => {
  it("gives back every pixel, padded or not", async () => {
    const noise = frame(37, 23, (x, y) => (x * 7919 + y * 104729) % 65536, 16);
    for (const padding of [0, 1000]) {
      const decoded = await decode(await pack(noise, padding));
      expect(decoded.pixels).toEqual(noise.pixels);
      expect([decoded.columns, decoded.rows, decoded.bits]).toEqual([37, 23, 16]);
    }
  });

  it("refuses what is not a whole frame", async () => {
    const whole = await pack(frame(8, 8, (x) => x));
    await expect(decode(new ArrayBuffer(4))).rejects.toThrow("not a frame");
    await expect(decode(whole.slice(0, 30))).rejects.toThrow("cut short");
    const damaged = new Uint8Array(whole.slice(0));
    damaged[damaged.length - 6]! ^= 255;
    await expect(decode(damaged.buffer)).rejects.toThrow();
    const larger = whole.slice(0);
    new DataView(larger).setUint16(4, 9, true);
    await expect(decode(larger)).rejects.toThrow("size");
  });
});

describe("resampling", () => {
  const tile = { width: 10, height: 10 };

  it("averages over the exact footprint", () => {
    const halves = resample(frame(20, 20, (x, y) => x + 20 * y), { scale: 0.5, x: 0, y: 0 }, tile);
    expect(halves[0]).toBeCloseTo((0 + 1 + 20 + 21) / 4, 4);
    // 25 pixels on 10: each footprint is 2.5 wide, so the first covers 0, 1 and half of 2
    const parts = resample(frame(25, 25, (x) => x), { scale: 0.4, x: 0, y: 0 }, tile);
    expect(parts[0]).toBeCloseTo((0 + 1 + 2 * 0.5) / 2.5, 4);
  });

  it("keeps a flat image flat at every scale, and marks what lies outside", () => {
    const flat = frame(31, 17, () => 1234);
    for (const scale of [0.13, 0.31, 0.5, 0.77, 1, 1.3, 2, 7]) {
      const values = resample(flat, { scale, x: 1, y: 2 }, tile);
      for (const value of values) if (value !== OUTSIDE) expect(value).toBeCloseTo(1234, 2);
      expect(values[0]).toBe(OUTSIDE);
    }
  });

  it("is the pixel itself at 1:1", () => {
    const image = frame(10, 10, (x, y) => 100 * y + x);
    expect([...resample(image, { scale: 1, x: 0, y: 0 }, tile)]).toEqual([...image.pixels]);
  });
});

describe("turning and mirroring", () => {
  const image = frame(3, 2, (x, y) => 10 * y + x);

  it("moves pixels as their points are moved", () => {
    for (const mirrored of [false, true]) {
      for (const turns of [0, 1, 2, 3]) {
        const treatment = { turns, mirrored, edge: 0 };
        const turned = derive(image, treatment);
        for (let y = 0; y < 2; y++) {
          for (let x = 0; x < 3; x++) {
            const [u, v] = forward([x + 0.5, y + 0.5], treatment, 3, 2);
            expect(turned.pixels[Math.floor(v) * turned.columns + Math.floor(u)]).toBe(10 * y + x);
            expect(backward([u, v], treatment, 3, 2)).toEqual([x + 0.5, y + 0.5]);
          }
        }
      }
    }
  });
});

describe("layout and window", () => {
  it("fits the whole image, on whole device pixels", () => {
    expect(fit({ width: 1000, height: 500 }, { width: 600, height: 600 })).toEqual({ scale: 0.6, x: 0, y: 150 });
  });

  it("puts two side by side on a wide screen, four in a square, sixteen in a grid", () => {
    const columns = (count: number): number =>
      new Set(tiles(count, { width: 1000, height: 800 }).map(({ left }) => left)).size;
    expect([2, 4, 16].map(columns)).toEqual([2, 2, 4]);
  });

  it("keeps windows within reason", () => {
    const window = { centre: 2048, width: 4096, invert: false };
    expect(bounded({ ...window, centre: -5, width: 0 }, 12)).toEqual({ centre: 0, width: 1, invert: false });
    expect(dragged(window, -1000, 0, 12).width).toBe(1);
    expect(dragged(window, 0, 100, 12).centre).toBeCloseTo(2048 + 409.5, 3);
  });
});

describe("a frame prepared ahead", () => {
  const ramp = frame(64, 48, (x, y) => (x * 61 + y * 7) % 4096);

  it("is what the page would draw itself at the first window", () => {
    const tile = { width: 40, height: 40 };
    const ahead = prepare(ramp, tile)!;
    const values = resample(ramp, fit({ width: 64, height: 48 }, tile), tile);
    const words = new Uint32Array(values.length);
    shade(values, { centre: 2047.5, width: 4095, invert: false }, words);
    expect(ahead.values).toEqual(values);
    expect([...new Uint32Array(ahead.grey.buffer)]).toEqual([...words]);
    expect(ahead.window).toEqual({ centre: 2047.5, width: 4095, invert: false });
  });

  it("has black and white at the window's ends, the other way round when inverted", () => {
    const values = new Float32Array([OUTSIDE, 0, 100, 4095]);
    const words = new Uint32Array(4);
    const window = { centre: 100, width: 2, invert: false };
    shade(values, window, words);
    expect([...words].map((word) => word & 255)).toEqual([0, 0, 128, 255]);
    shade(values, { ...window, invert: true }, words);
    expect([...words].map((word) => word & 255)).toEqual([0, 255, 128, 0]);
  });

  it("is nothing in a tile that has no room", () => {
    expect(prepare(ramp, { width: 0, height: 40 })).toBeNull();
  });
});

describe("the camera", () => {
  const tile = { width: 900, height: 700 };

  it("keeps the point under the pointer where it is", () => {
    const camera = new Camera();
    const image = { width: 3000, height: 2500 };
    const before = camera.view(image, tile);
    const u = (400 - before.x) / before.scale;
    camera.zoomAbout(1.5, image, tile, 400, 300);
    const after = camera.view(image, tile);
    expect(Math.abs(u * after.scale + after.x - 400)).toBeLessThanOrEqual(1);
  });

  it("never shrinks an image that is zoomed in, however small it is", () => {
    const camera = new Camera();
    const tiny = { width: 8, height: 8 };
    const whole = camera.view(tiny, tile).scale;
    for (let i = 0; i < 20; i++) camera.zoomAbout(camera.view(tiny, tile).scale * 1.25, tiny, tile);
    expect(camera.view(tiny, tile).scale).toBeCloseTo(2 * whole);
  });

  it("keeps some of the image in sight, however oblong it is and far it is pulled", () => {
    const camera = new Camera();
    const strip = { width: 4000, height: 40 };
    camera.zoomAbout(4, strip, tile);
    camera.pan(1e6, -1e6, strip, tile);
    const { x, y, scale } = camera.view(strip, tile);
    expect([x <= tile.width / 2, x + strip.width * scale >= tile.width / 2]).toEqual([true, true]);
    expect([y <= tile.height / 2, y + strip.height * scale >= tile.height / 2]).toEqual([true, true]);
  });
});
