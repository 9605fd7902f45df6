/** Decoded segments, shared by all lanes, with a bound on their memory. */

/** One lane's audio. Segments decode on their own and join without gaps. */
export interface LaneSource {
  readonly id: string;
  readonly channelCount: number;
  /** Load and decode a segment at the sample rate of the lane. */
  load(index: number, signal: AbortSignal): Promise<AudioBuffer>;
}

/** A lane without audio. Its segments take no memory. */
export function silentSource(id: string, sampleRateHz: number): LaneSource {
  const buffer = new AudioBuffer({ length: 1, sampleRate: sampleRateHz });
  return { id, channelCount: 2, load: () => Promise.resolve(buffer) };
}

interface Entry {
  readonly loading: Promise<AudioBuffer>;
  readonly abort: AbortController;
  buffer: AudioBuffer | null;
}

/** Keeps the segments that were used last, up to a number of bytes. */
export class SegmentCache {
  limitBytes: number;
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** Size of all decoded segments. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Return a segment that is decoded already. */
  get(source: LaneSource, index: number): AudioBuffer | null {
    const key = keyOf(source, index);
    const entry = this.#entries.get(key);
    if (!entry?.buffer) return null;
    this.#entries.delete(key); // the map keeps the order of use
    this.#entries.set(key, entry);
    return entry.buffer;
  }

  /** Return a segment, loading it if needed. A failed segment is forgotten, so that the next call tries again. */
  async load(source: LaneSource, index: number): Promise<AudioBuffer> {
    const key = keyOf(source, index);
    const known = this.#entries.get(key);
    if (known) return known.loading;
    const abort = new AbortController();
    const entry: Entry = { loading: source.load(index, abort.signal), abort, buffer: null };
    this.#entries.set(key, entry);
    try {
      entry.buffer = await entry.loading;
    } catch (error) {
      if (this.#entries.get(key) === entry) this.#entries.delete(key);
      throw error;
    }
    const bytes = sizeOf(entry.buffer);
    if (this.#entries.get(key) === entry) {
      this.#bytes += bytes;
      this.#evict(key);
    }
    return entry.buffer;
  }

  /** Stop loading segments that `isWanted` does not name. Called after a seek, so that old requests do not delay new ones. */
  cancel(isWanted: (laneId: string, index: number) => boolean): void {
    for (const [key, entry] of this.#entries) {
      const [laneId = "", index] = key.split("/");
      if (entry.buffer || isWanted(laneId, Number(index))) continue;
      this.#entries.delete(key);
      entry.abort.abort();
    }
  }

  clear(): void {
    for (const entry of this.#entries.values()) entry.abort.abort();
    this.#entries.clear();
    this.#bytes = 0;
  }

  #evict(newest: string): void {
    for (const [key, entry] of this.#entries) {
      if (this.#bytes <= this.limitBytes) return;
      if (!entry.buffer || key === newest) continue;
      this.#entries.delete(key);
      this.#bytes -= sizeOf(entry.buffer);
    }
  }
}

function keyOf(source: LaneSource, index: number): string {
  return `${source.id}/${index}`;
}

/**
 * Return the size of a segment. Reading its channels also tells the JavaScript engine of the browser how large they are. Otherwise it
 * takes segments for tiny objects, and seeks in quick succession fill the memory before it collects its garbage.
 */
function sizeOf(buffer: AudioBuffer): number {
  let bytes = 0;
  for (let channel = 0; channel < buffer.numberOfChannels; channel++)
    bytes += buffer.getChannelData(channel).byteLength;
  return bytes;
}
