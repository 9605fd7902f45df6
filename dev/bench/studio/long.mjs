// Stands between a browser and a gateway, and lets a track of some seconds seem to last hours: its segments, waveforms, spectrograms
// and what the analysis found repeat. So every segment is fetched, decoded and drawn as that of a long track.

import { createServer } from "node:http";

const HOP_FRAMES = 2048;
const BANDS = 64;
const TILE_PIXELS = 1024;
/** The analysis has no more of them. */
const MELODY_VALUES = 225_000;
const WAVEFORM_HEADER_BYTES = 24;
const KEPT_HEADERS = ["content-type", "content-security-policy", "cache-control"];

/** Start the server on a free port. `intercept` may answer a request: it returns the body, or null to pass the request on. */
export async function serveLong({ address, cookie, trackId, seconds, intercept = async () => null }) {
  const track = new LongTrack(trackId, seconds);
  const forward = async (request, response) => {
    const abort = new AbortController();
    response.on("close", () => abort.abort());
    const url = new URL(request.url, address);
    const headers = { ...request.headers, cookie, origin: address };
    for (const name of ["host", "connection", "content-length"]) delete headers[name];
    const body = ["GET", "HEAD"].includes(request.method) ? undefined : Buffer.concat(await Array.fromAsync(request));
    const answer = await fetch(track.source(url), { method: request.method, headers, body, signal: abort.signal });
    response.writeHead(answer.status, Object.fromEntries([...answer.headers].filter(([name]) => KEPT_HEADERS.includes(name))));
    if (answer.headers.get("content-type")?.startsWith("text/event-stream")) {
      for await (const chunk of answer.body) response.write(chunk);
      return "";
    }
    const content = Buffer.from(await answer.arrayBuffer());
    return answer.ok ? track.lengthened(url, content) : content;
  };
  const server = createServer((request, response) => {
    intercept(request, response)
      .then(async (body) => response.end(body ?? (await forward(request, response))))
      .catch(() => response.destroy());
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${server.address().port}`, close };
}

class LongTrack {
  #trackId;
  #seconds;
  #segmentCounts = new Map();

  constructor(trackId, seconds) {
    this.#trackId = trackId;
    this.#seconds = seconds;
  }

  /** Return the address of what a response is made from. */
  source(url) {
    const segment = /^(\/api\/stems\/([\w-]+)\/segments\/)(\d+)$/.exec(url.pathname);
    if (segment) return new URL(`${segment[1]}${Number(segment[3]) % this.#segmentCounts.get(segment[2])}`, url);
    if (url.pathname.endsWith("/waveform")) return new URL(url.pathname, url);
    const tile = /^(.*\/spectrogram\/)\d+$/.exec(url.pathname);
    return tile ? new URL(`${tile[1]}0?columns_per_pixel=1`, url) : url;
  }

  lengthened(url, body) {
    if (url.pathname === `/api/tracks/${this.#trackId}/stems`) return this.#stems(JSON.parse(body));
    if (url.pathname === `/api/analysis/${this.#trackId}`) return this.#analysis(JSON.parse(body));
    if (url.pathname.endsWith("/waveform")) return this.#waveform(body, Number(url.searchParams.get("samples_per_pixel") ?? 256));
    const tile = /\/spectrogram\/(\d+)$/.exec(url.pathname);
    return tile ? this.#tile(body, Number(tile[1]), Number(url.searchParams.get("columns_per_pixel"))) : body;
  }

  #stems(answer) {
    for (const stem of [answer.data.mix, ...answer.data.stems]) {
      this.#segmentCounts.set(stem.id, Math.floor(stem.frame_count / stem.segment_frame_count));
      stem.frame_count = this.#seconds * stem.sample_rate_hz;
      stem.segment_count = Math.ceil(stem.frame_count / stem.segment_frame_count);
    }
    return JSON.stringify(answer);
  }

  #analysis(answer) {
    const { data } = answer;
    const times = this.#seconds / data.duration_seconds;
    const repeat = (list, moved) =>
      Array.from({ length: Math.floor(times) }, (_, round) => list.map((one) => moved(one, round * data.duration_seconds))).flat();
    const later = (seconds, by) => seconds + by;
    data.beats = repeat(data.beats, later);
    data.bars.downbeats = repeat(data.bars.downbeats, later);
    for (const { segments } of [data.chords, data.sections, data.vocal_activity]) {
      const moved = (one, by) => ({ ...one, start_seconds: one.start_seconds + by, end_seconds: one.end_seconds + by });
      segments.splice(0, segments.length, ...repeat(segments, moved));
    }
    for (const part of data.notes.parts) part.notes = repeat(part.notes, ([start, ...rest], by) => [start + by, ...rest]);
    const { melody } = data;
    const step = Math.ceil((times * melody.frequency_hz.length) / MELODY_VALUES);
    for (const name of ["frequency_hz", "confidence"]) melody[name] = repeat(melody[name], (value) => value).filter((_, at) => at % step === 0);
    melody.hop_seconds *= step;
    for (const hop of ["chroma_hop_seconds", "energy_hop_seconds"]) data.features[hop] *= times;
    return JSON.stringify(answer);
  }

  #waveform(source, pixelFrames) {
    const pixels = Math.ceil((this.#seconds * 44_100) / pixelFrames);
    const body = repeated(source.subarray(WAVEFORM_HEADER_BYTES), 2 * pixels);
    const header = Buffer.from(source.subarray(0, WAVEFORM_HEADER_BYTES));
    header.writeInt32LE(pixelFrames, 12);
    header.writeInt32LE(pixels, 16);
    return Buffer.concat([header, body]);
  }

  #tile(source, index, columnsPerPixel) {
    const pixels = Math.ceil((this.#seconds * 44_100) / HOP_FRAMES / columnsPerPixel);
    return repeated(source, BANDS * Math.max(0, Math.min(TILE_PIXELS, pixels - index * TILE_PIXELS)));
  }
}

function repeated(source, length) {
  const body = Buffer.alloc(length);
  for (let at = 0; at < length; at += source.length) source.copy(body, at);
  return body;
}
