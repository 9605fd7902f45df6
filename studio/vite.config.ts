import { defineConfig } from "vite";

// The gateway reads the manifest, writes the page, and serves the files with their hashes in their names.
export default defineConfig({
  base: "/studio/",
  // No file becomes a data URL: the Content-Security-Policy of the page allows only files of this server.
  build: {
    outDir: "../services/gateway/web/studio",
    emptyOutDir: true,
    manifest: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: ["src/main.tsx", "src/audio/measure.ts"], preserveEntrySignatures: "exports-only" },
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
});
