import { defineConfig } from "vite";

// Fixed names: Django's static files storage adds the hashes that caches need.
export default defineConfig({
  base: "./",
  build: {
    outDir: "../static/dist",
    emptyOutDir: true,
    target: "es2022",
    cssCodeSplit: true,
    modulePreload: false,
    rollupOptions: {
      input: { pages: "src/pages/main.ts", reading: "src/reading/main.ts" },
      output: {
        entryFileNames: "[name].js",
        chunkFileNames: "[name].js",
        assetFileNames: "[name][extname]",
      },
    },
  },
  worker: { format: "es", rollupOptions: { output: { entryFileNames: "[name].js" } } },
});
