import { defineConfig } from "vite";

// One script, so that its size can be told.
export default defineConfig({
  base: "./",
  build: {
    outDir: "../../build/cornerstone",
    emptyOutDir: true,
    target: "es2022",
    rollupOptions: { input: "index.html", output: { inlineDynamicImports: true } },
  },
});
