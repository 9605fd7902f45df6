// Serves the built studio without a stack, with the Content-Security-Policy of its page.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const BUILD = join(dirname(fileURLToPath(import.meta.url)), "../../services/gateway/web/studio");
const POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'";

/** Return the path of a built entry, for example `src/audio/measure.ts`. */
export function builtPath(entry) {
  const manifest = JSON.parse(readFileSync(join(BUILD, ".vite/manifest.json"), "utf8"));
  return `/studio/${manifest[entry].file}`;
}

/** Start the server on a free port. */
export async function serveBuild() {
  const server = createServer((request, response) => {
    const headers = { "Content-Security-Policy": POLICY };
    const asset = /^\/studio\/(assets\/[\w.-]+)$/.exec(request.url);
    if (!asset) {
      response.writeHead(200, { ...headers, "Content-Type": "text/html" }).end("<!DOCTYPE html><title>Engine</title>");
      return;
    }
    response.writeHead(200, { ...headers, "Content-Type": "text/javascript" }).end(readFileSync(join(BUILD, asset[1])));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}
