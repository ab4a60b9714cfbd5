/** Draws with WebGL2: one 16-bit integer texture a frame, everything else in the shader. */
import { footprints } from "./footprint";
import { type Frame, viewKey } from "./frame";
import type { Drawing, Renderer } from "./renderer";

const VERTEX = `#version 300 es
void main() {
  vec2 corner = vec2((gl_VertexID << 1) & 2, gl_VertexID & 2);
  gl_Position = vec4(corner * 2.0 - 1.0, 0.0, 1.0);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
precision highp usampler2D;
precision highp sampler2D;
uniform usampler2D image;
uniform sampler2D across;  // footprint.ts: first column, count, weights of the first and the last
uniform sampler2D down;
uniform ivec2 tile;        // the tile's left, and its bottom seen from the canvas' bottom
uniform int height;        // of the tile
uniform float low;
uniform float gain;
uniform bool inverted;
out vec4 colour;

float share(vec4 footprint, int i, int count) {
  return i == 0 ? footprint.z : i == count - 1 ? footprint.w : 1.0;
}

float whole(vec4 footprint) {
  return footprint.y > 1.0 ? footprint.z + footprint.w + footprint.y - 2.0 : footprint.z;
}

void main() {
  ivec2 device = ivec2(gl_FragCoord.xy) - tile;
  vec4 h = texelFetch(across, ivec2(device.x, 0), 0);
  vec4 v = texelFetch(down, ivec2(height - 1 - device.y, 0), 0);
  ivec2 first = ivec2(int(h.x), int(v.x));
  ivec2 count = ivec2(int(h.y), int(v.y));
  if (count.x == 0 || count.y == 0) {
    colour = vec4(0.0, 0.0, 0.0, 1.0);
    return;
  }
  float sum = 0.0;
  for (int y = 0; y < count.y; y++) {
    float row = 0.0;
    for (int x = 0; x < count.x; x++) {
      row += share(h, x, count.x) * float(texelFetch(image, first + ivec2(x, y), 0).r);
    }
    sum += share(v, y, count.y) * row;
  }
  float grey = clamp((sum / (whole(h) * whole(v)) - low) * gain, 0.0, 1.0);
  colour = vec4(vec3(inverted ? 1.0 - grey : grey), 1.0);
}`;

const UNIFORMS = "image across down tile height low gain inverted".split(" ");

/** The tables of one tile on the graphics card, for the view that it showed last. */
interface Tables {
  key: string;
  across: WebGLTexture;
  down: WebGLTexture;
}

export class WebglRenderer implements Renderer {
  readonly kind = "webgl2";
  readonly preparesAhead = false;
  private gl: WebGL2RenderingContext;
  private at: Record<string, WebGLUniformLocation | null> = {};
  private textures = new Map<Frame, WebGLTexture>();
  private tables: Tables[] = [];
  private largest: number;

  constructor(
    private canvas: HTMLCanvasElement,
    restored: () => void,
  ) {
    const gl = canvas.getContext("webgl2", {
      alpha: false,
      antialias: false,
      depth: false,
      powerPreference: "high-performance",
    });
    if (!gl) throw new Error("WebGL2 is not available");
    this.gl = gl;
    this.largest = gl.getParameter(gl.MAX_TEXTURE_SIZE) as number;
    this.prepare();
    canvas.addEventListener("webglcontextlost", (event) => {
      // Without this the browser never gives the context back.
      event.preventDefault();
      this.textures.clear();
      this.tables = [];
    });
    canvas.addEventListener("webglcontextrestored", () => {
      this.prepare();
      restored();
    });
  }

  private prepare(): void {
    const gl = this.gl;
    const program = gl.createProgram()!;
    for (const [type, source] of [
      [gl.VERTEX_SHADER, VERTEX],
      [gl.FRAGMENT_SHADER, FRAGMENT],
    ] as const) {
      const shader = gl.createShader(type)!;
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
      throw new Error(`shader: ${gl.getProgramInfoLog(program)}`);
    }
    gl.useProgram(program);
    for (const name of UNIFORMS) this.at[name] = gl.getUniformLocation(program, name);
    ["image", "across", "down"].forEach((name, unit) => gl.uniform1i(this.at[name]!, unit));
    gl.enable(gl.SCISSOR_TEST);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  }

  usable(): boolean {
    return !this.gl.isContextLost();
  }

  draw(drawings: Drawing[]): void {
    const gl = this.gl;
    gl.scissor(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(0, 0, 0, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    drawings.forEach(({ frame, tile, view, window }, index) => {
      const bottom = this.canvas.height - tile.top - tile.height;
      gl.viewport(tile.left, bottom, tile.width, tile.height);
      gl.scissor(tile.left, bottom, tile.width, tile.height);
      this.bindTables(index, { frame, tile, view, window });
      gl.activeTexture(gl.TEXTURE0);
      gl.bindTexture(gl.TEXTURE_2D, this.texture(frame));
      gl.uniform2i(this.at.tile!, tile.left, bottom);
      gl.uniform1i(this.at.height!, tile.height);
      gl.uniform1f(this.at.low!, window.centre - window.width / 2);
      gl.uniform1f(this.at.gain!, 1 / window.width);
      gl.uniform1i(this.at.inverted!, window.invert ? 1 : 0);
      gl.drawArrays(gl.TRIANGLES, 0, 3);
    });
    if (gl.isContextLost()) throw new Error("the drawing context was lost");
  }

  private bindTables(index: number, { frame, tile, view }: Drawing): void {
    const gl = this.gl;
    const key = `${viewKey(view, tile)}/${frame.columns}/${frame.rows}`;
    const known = this.tables[index];
    const tables = known ?? { key: "", across: gl.createTexture()!, down: gl.createTexture()! };
    const fresh = tables.key !== key;
    tables.key = key;
    this.tables[index] = tables;
    const put = (unit: number, texture: WebGLTexture, values: () => Float64Array): void => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, texture);
      if (!fresh) return;
      this.nearest();
      const table = new Float32Array(values());
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32F, table.length / 4, 1, 0, gl.RGBA, gl.FLOAT, table);
    };
    put(1, tables.across, () => footprints(view.x, view.scale, frame.columns, tile.width).table);
    put(2, tables.down, () => footprints(view.y, view.scale, frame.rows, tile.height).table);
  }

  private nearest(): void {
    const gl = this.gl;
    for (const filter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
      gl.texParameteri(gl.TEXTURE_2D, filter, gl.NEAREST);
    }
  }

  /** Throws when the card cannot hold the frame: a texture that failed would be drawn black. */
  private texture(frame: Frame): WebGLTexture {
    const known = this.textures.get(frame);
    if (known) return known;
    const gl = this.gl;
    if (Math.max(frame.columns, frame.rows) > this.largest) {
      throw new Error(`the graphics card takes at most ${this.largest} pixels a side`);
    }
    const texture = gl.createTexture()!;
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    this.nearest();
    // Errors of before are nobody's business here.
    while (gl.getError() !== gl.NO_ERROR && !gl.isContextLost());
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.R16UI, frame.columns, frame.rows);
    gl.texSubImage2D(
      gl.TEXTURE_2D, 0, 0, 0, frame.columns, frame.rows,
      gl.RED_INTEGER, gl.UNSIGNED_SHORT, frame.pixels,
    );
    const problem = gl.getError();
    if (problem !== gl.NO_ERROR) {
      gl.deleteTexture(texture);
      throw new Error(`the graphics card did not take the frame (${problem})`);
    }
    this.textures.set(frame, texture);
    return texture;
  }

  warm(frame: Frame): void {
    if (!this.usable()) return;
    try {
      this.texture(frame);
    } catch {
      // Said when it is to be shown.
    }
  }

  forget(frame: Frame): void {
    const texture = this.textures.get(frame);
    if (texture) this.gl.deleteTexture(texture);
    this.textures.delete(frame);
  }
}

/** Whether WebGL2 runs on a graphics card here, and not on the processor in disguise. */
export function hasGraphicsCard(): boolean {
  try {
    const gl = document.createElement("canvas").getContext("webgl2");
    if (!gl) return false;
    const info = gl.getExtension("WEBGL_debug_renderer_info");
    const name = String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
    gl.getExtension("WEBGL_lose_context")?.loseContext();
    return !/swiftshader|llvmpipe|softpipe|software|basic render|microsoft basic/i.test(name);
  } catch {
    return false;
  }
}
