/** The frame container "RSF1"; its layout is described in readerstudy/imaging/frames.py. */
import { type Frame, quantiles } from "./frame";

const HEADER = 16;

/** Decode a container, padded or not. Throws when the bytes are not a whole one. */
export async function decode(container: ArrayBuffer): Promise<Frame> {
  const view = new DataView(container);
  if (container.byteLength < HEADER || view.getUint32(0) !== 0x52534631) {
    throw new Error("not a frame container");
  }
  const [columns, rows] = [view.getUint16(4, true), view.getUint16(6, true)];
  const [bits, length] = [view.getUint8(8), view.getUint32(12, true)];
  if (bits < 1 || bits > 16 || view.getUint8(9) || view.getUint16(10, true)) {
    throw new Error("frame header damaged");
  }
  if (HEADER + length > container.byteLength) throw new Error("frame cut short");
  const payload = new Blob([new Uint8Array(container, HEADER, length)]).stream();
  // gzip's own checksum is verified by the browser: damaged bytes throw here.
  const unpacked = payload.pipeThrough(new DecompressionStream("gzip"));
  const planes = new Uint8Array(await new Response(unpacked).arrayBuffer());
  const count = rows * columns;
  if (planes.length !== 2 * count || count === 0) throw new Error("frame size does not fit");
  const pixels = undifference(planes, columns, rows);
  return { columns, rows, bits, pixels, quantiles: quantiles(pixels, bits) };
}

function undifference(planes: Uint8Array, columns: number, rows: number): Uint16Array {
  const count = rows * columns;
  const pixels = new Uint16Array(count);
  for (let row = 0, i = 0; row < rows; row++) {
    // The first column differs from the pixel above, every other from its left neighbour.
    let value = row ? pixels[i - columns]! : 0;
    for (let column = 0; column < columns; column++, i++) {
      const code = planes[i]! | (planes[count + i]! << 8);
      value += (code >>> 1) ^ -(code & 1);
      pixels[i] = value;
    }
  }
  return pixels;
}
