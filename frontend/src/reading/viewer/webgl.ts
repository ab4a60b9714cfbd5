/** Draws with WebGL2: one 16-bit integer texture a frame, everything else in the shader. */
import type { Frame } from "./frame";
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
uniform usampler2D image;
uniform ivec2 size;
uniform vec2 tile;      // the tile's left and its bottom seen from the canvas' bottom
uniform float height;   // of the tile
uniform vec2 corner;    // the image's corner in the tile
uniform float scale;
uniform float low;
uniform float gain;
uniform bool inverted;
out vec4 colour;

float at(ivec2 p) {
  return float(texelFetch(image, clamp(p, ivec2(0), size - 1), 0).r);
}

float magnified(vec2 u) {
  vec2 q = u - 0.5;
  ivec2 i = ivec2(floor(q));
  vec2 f = q - vec2(i);
  float up = mix(at(i), at(i + ivec2(1, 0)), f.x);
  float down = mix(at(i + ivec2(0, 1)), at(i + ivec2(1, 1)), f.x);
  return mix(up, down, f.y);
}

float averaged(vec2 u) {
  float reach = 0.5 / scale;
  vec2 a = max(u - reach, vec2(0.0));
  vec2 b = min(u + reach, vec2(size));
  ivec2 first = ivec2(floor(a));
  ivec2 last = ivec2(ceil(b));
  float sum = 0.0;
  for (int y = first.y; y < last.y; y++) {
    float row = 0.0;
    for (int x = first.x; x < last.x; x++) {
      row += (min(b.x, float(x + 1)) - max(a.x, float(x))) * at(ivec2(x, y));
    }
    sum += (min(b.y, float(y + 1)) - max(a.y, float(y))) * row;
  }
  return sum / ((b.x - a.x) * (b.y - a.y));
}

void main() {
  vec2 device = vec2(gl_FragCoord.x - tile.x, height - (gl_FragCoord.y - tile.y));
  vec2 u = (device - corner) / scale;
  if (any(lessThan(u, vec2(0.0))) || any(greaterThanEqual(u, vec2(size)))) {
    colour = vec4(0.0, 0.0, 0.0, 1.0);
    return;
  }
  float value = scale < 1.0 ? averaged(u) : scale == 1.0 ? at(ivec2(floor(u))) : magnified(u);
  float grey = clamp((value - low) * gain, 0.0, 1.0);
  colour = vec4(vec3(inverted ? 1.0 - grey : grey), 1.0);
}`;

const UNIFORMS = "image size tile height corner scale low gain inverted".split(" ");

export class WebglRenderer implements Renderer {
  readonly kind = "webgl2";
  private gl: WebGL2RenderingContext;
  private at: Record<string, WebGLUniformLocation | null> = {};
  private textures = new Map<Frame, WebGLTexture>();
  readonly largest: number;

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
    gl.uniform1i(this.at.image!, 0);
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
    for (const { frame, tile, view, window } of drawings) {
      const bottom = this.canvas.height - tile.top - tile.height;
      gl.viewport(tile.left, bottom, tile.width, tile.height);
      gl.scissor(tile.left, bottom, tile.width, tile.height);
      gl.bindTexture(gl.TEXTURE_2D, this.texture(frame));
      gl.uniform2i(this.at.size!, frame.columns, frame.rows);
      gl.uniform2f(this.at.tile!, tile.left, bottom);
      gl.uniform1f(this.at.height!, tile.height);
      gl.uniform2f(this.at.corner!, view.x, view.y);
      gl.uniform1f(this.at.scale!, view.scale);
      gl.uniform1f(this.at.low!, window.centre - window.width / 2);
      gl.uniform1f(this.at.gain!, 1 / window.width);
      gl.uniform1i(this.at.inverted!, window.invert ? 1 : 0);
      gl.drawArrays(gl.TRIANGLES, 0, 3);
    }
    if (gl.isContextLost()) throw new Error("the drawing context was lost");
  }

  private texture(frame: Frame): WebGLTexture {
    const known = this.textures.get(frame);
    if (known) return known;
    const gl = this.gl;
    const texture = gl.createTexture()!;
    gl.bindTexture(gl.TEXTURE_2D, texture);
    for (const filter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
      gl.texParameteri(gl.TEXTURE_2D, filter, gl.NEAREST);
    }
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.R16UI, frame.columns, frame.rows);
    gl.texSubImage2D(
      gl.TEXTURE_2D, 0, 0, 0, frame.columns, frame.rows,
      gl.RED_INTEGER, gl.UNSIGNED_SHORT, frame.pixels,
    );
    this.textures.set(frame, texture);
    return texture;
  }

  warm(frame: Frame): void {
    if (this.usable()) this.texture(frame);
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
