/** cornerstone3D showing frames that are in memory: what bench_reading compares the viewer with. */
import {
  cache, Enums, imageLoader, init, metaData, RenderingEngine, setUseCPURendering,
} from "@cornerstonejs/core";

const painted = () =>
  new Promise((resolve) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => resolve(performance.now());
    channel.port2.postMessage(0);
  }));

window.peer = {
  /** ``frames``: addresses of little-endian 16-bit pixels, ``size`` squared. */
  async open(frames, size, cpu) {
    setUseCPURendering(cpu);
    init();
    const pixels = new Map();
    for (const url of frames) {
      pixels.set(`peer:${url}`, new Uint16Array(await (await fetch(url)).arrayBuffer()));
    }
    const [rows, columns] = [size, size];
    metaData.addProvider((type, id) => {
      if (!pixels.has(id)) return undefined;
      if (type === "imagePixelModule") {
        return {
          samplesPerPixel: 1, photometricInterpretation: "MONOCHROME2", rows, columns,
          bitsAllocated: 16, bitsStored: 12, highBit: 11, pixelRepresentation: 0,
        };
      }
      if (type === "imagePlaneModule") {
        return {
          frameOfReferenceUID: "1.2.3", rows, columns, imageOrientationPatient: [1, 0, 0, 0, 1, 0],
          rowCosines: [1, 0, 0], columnCosines: [0, 1, 0], imagePositionPatient: [0, 0, 0],
          pixelSpacing: [1, 1], rowPixelSpacing: 1, columnPixelSpacing: 1,
        };
      }
      if (type === "generalSeriesModule") return { modality: "DX", seriesInstanceUID: "1" };
      if (type === "voiLutModule") return { windowCenter: [2048], windowWidth: [4096] };
      if (type === "modalityLutModule") return { rescaleSlope: 1, rescaleIntercept: 0 };
      return undefined;
    });
    imageLoader.registerImageLoader("peer", (id) => ({
      promise: Promise.resolve({
        imageId: id, minPixelValue: 0, maxPixelValue: 4095, slope: 1, intercept: 0,
        windowCenter: 2048, windowWidth: 4096, getPixelData: () => pixels.get(id),
        rows, columns, height: rows, width: columns, color: false, rgba: false, numberOfComponents: 1,
        columnPixelSpacing: 1, rowPixelSpacing: 1, invert: false, sizeInBytes: 2 * rows * columns,
        voxelManager: undefined, dataType: "Uint16Array",
      }),
    }));
    const element = document.querySelector("#view");
    const engine = new RenderingEngine("peer");
    engine.enableElement({ viewportId: "view", type: Enums.ViewportType.STACK, element });
    this.element = element;
    this.viewport = engine.getViewport("view");
    this.ids = [...pixels.keys()];
    await Promise.all(this.ids.map((id) => imageLoader.loadAndCacheImage(id)));
    await this.viewport.setStack(this.ids, 0);
    this.viewport.render();
    await painted();
    return cache.getCacheSize();
  },

  rendered() {
    return new Promise((resolve) =>
      this.element.addEventListener(Enums.Events.IMAGE_RENDERED, resolve, { once: true }));
  },

  /** ms from asking for the next image, which is in memory, until it is painted. */
  async next(index) {
    const began = performance.now();
    const rendered = this.rendered();
    await this.viewport.setImageIdIndex(index);
    this.viewport.render();
    await rendered;
    return (await painted()) - began;
  },

  /** ms of drawing one step of a window drag. */
  async drag(centre, width) {
    const began = performance.now();
    const rendered = this.rendered();
    this.viewport.setProperties({ voiRange: { lower: centre - width / 2, upper: centre + width / 2 } });
    this.viewport.render();
    await rendered;
    return performance.now() - began;
  },
};
