/** Lyrics, and their text form LRC: lines with times, and in its enhanced form words with times. Pure functions. */

export interface LyricWord {
  readonly start_seconds: number;
  readonly end_seconds: number | null;
  /** With the spaces around it. Joined, the words are the line. */
  readonly text: string;
}

export interface LyricLine {
  /** Null: unknown. */
  readonly start_seconds: number | null;
  readonly end_seconds: number | null;
  readonly text: string;
  /** Empty: the times of the words are unknown. */
  readonly words: readonly LyricWord[];
}

/** A line whose beginning is known. */
export type TimedLine = LyricLine & { readonly start_seconds: number };

const TIME = String.raw`(\d{1,3}):(\d{1,2})(?:[.:](\d{1,3}))?`;
const LINE_TAG = new RegExp(String.raw`\s*\[${TIME}\]`, "y");
const WORD_TAG = new RegExp(`<${TIME}>`, "g");
const FACT = /^\s*\[(al|ar|au|by|la|length|offset|re|ti|tool|ve|#)\s*:(.*)\]\s*$/i;
const BREAKS = /\r\n|[\n\v\f\r\x85\u2028\u2029]/;

/** Return the lines of LRC, or of a plain text, in the order in which they are sung. A line without a time follows the one before. */
export function linesOf(text: string): readonly LyricLine[] {
  let earlier = 0;
  const rows: { content: string; starts: number[] }[] = [];
  for (const row of text.split(BREAKS)) {
    const fact = FACT.exec(row);
    if (fact) {
      if (fact[1]?.toLowerCase() === "offset" && /^\s*[+-]?\d{1,7}\s*$/.test(fact[2] ?? ""))
        earlier = Number(fact[2]) / 1000;
      continue;
    }
    const starts: number[] = [];
    let end = 0;
    LINE_TAG.lastIndex = 0;
    for (let tag = LINE_TAG.exec(row); tag; tag = LINE_TAG.exec(row)) {
      starts.push(secondsOf(tag));
      end = LINE_TAG.lastIndex;
    }
    rows.push({ content: row.slice(end), starts });
  }
  const placed: { at: number; line: LyricLine }[] = [];
  for (const { content, starts } of rows) {
    if (starts.length === 0 && content.trim())
      placed.push({ at: placed.at(-1)?.at ?? 0, line: lineOf(content, null, 0) });
    for (const raw of starts) {
      const at = rounded(raw - earlier);
      placed.push({ at, line: lineOf(content, at, raw - (starts[0] ?? 0) - earlier) });
    }
  }
  placed.sort((a, b) => a.at - b.at);
  const lines: LyricLine[] = [];
  for (const { at, line } of placed) {
    const last = lines.at(-1);
    if (line.text) lines.push(line);
    else if (last && last.start_seconds !== null && last.end_seconds === null)
      lines.splice(-1, 1, { ...last, end_seconds: at });
  }
  return lines;
}

/** Return the lines whose beginning is known. */
export function timedLines(lines: readonly LyricLine[]): readonly TimedLine[] {
  return lines.filter((line): line is TimedLine => line.start_seconds !== null);
}

/** Return lines as LRC. */
export function lrcText(lines: readonly LyricLine[]): string {
  return lines
    .flatMap(({ start_seconds: start, end_seconds: end, text, words }, index) => {
      if (start === null) return [plain(text)];
      if (words.length > 0) {
        const sung = words.map((word) => `<${clock(word.start_seconds)}>${plain(word.text)}`).join("");
        return [`[${clock(start)}]${sung}${end === null ? "" : `<${clock(end)}>`}`];
      }
      const next = lines[index + 1];
      const isEnded = end !== null && (!next || (next.start_seconds ?? end) > end);
      return [`[${clock(start)}]${plain(text)}`, ...(isEnded ? [`[${clock(end)}]`] : [])];
    })
    .join("\n");
}

/**
 * Return lines in which one has another text, or is removed if that is empty. If it has as many words as before, they keep their times.
 * The line may come from another load of the lyrics.
 */
export function withLine(lines: readonly LyricLine[], line: LyricLine, text: string): LyricLine[] {
  const isMeant = (one: LyricLine) => one.start_seconds === line.start_seconds && one.text === line.text;
  return lines.flatMap((one) => (!isMeant(one) ? [one] : text.trim() ? [withText(one, text)] : []));
}

function withText(line: LyricLine, text: string): LyricLine {
  const parts = text.trim().split(/\s+/);
  const isAlike = parts.length === line.words.length;
  const words = isAlike
    ? line.words.map((word, index) => ({ ...word, text: `${index > 0 ? " " : ""}${parts[index]}` }))
    : [];
  return { ...line, text: parts.join(" "), words };
}

function lineOf(content: string, start: number | null, later: number): LyricLine {
  const tags = [...content.matchAll(WORD_TAG)];
  if (start === null || tags.length === 0) {
    const text = content.replace(WORD_TAG, "").replace(/\s+/g, " ").trim();
    return { start_seconds: start, end_seconds: null, text, words: [] };
  }
  const times = tags.map((tag) => rounded(secondsOf(tag) + later));
  const starts = [Math.min(times[0] ?? start, start), ...times];
  const edges = [0, ...tags.map((tag) => tag.index + tag[0].length)];
  const ends = [...tags.map((tag) => tag.index), content.length];
  const words: LyricWord[] = [];
  starts.forEach((from, index) => {
    const spaced = content.slice(edges[index], ends[index]).replace(/\s+/g, " ");
    const isSpaced = words.length === 0 || words.at(-1)?.text.endsWith(" ");
    const text = isSpaced ? spaced.trimStart() : spaced;
    if (spaced.trim()) words.push({ start_seconds: from, end_seconds: starts[index + 1] ?? null, text });
  });
  const last = words.at(-1);
  if (last) words.splice(-1, 1, { ...last, text: last.text.trimEnd() });
  const end = content.slice(edges.at(-1)).trim() ? null : (times.at(-1) ?? null);
  return { start_seconds: start, end_seconds: end, text: words.map(({ text }) => text).join(""), words };
}

function secondsOf([, minutes, seconds, fraction]: RegExpExecArray | RegExpMatchArray): number {
  return 60 * Number(minutes) + Number(`${seconds}.${fraction ?? 0}`);
}

function rounded(seconds: number): number {
  return Math.max(0, Math.round(1000 * seconds) / 1000);
}

function clock(seconds: number): string {
  const hundredths = Math.round(100 * seconds);
  const two = (value: number) => String(Math.floor(value)).padStart(2, "0");
  return `${two(hundredths / 6000)}:${two((hundredths / 100) % 60)}.${two(hundredths % 100)}`;
}

/** Return a text in one line in which nothing looks like a time. */
function plain(text: string): string {
  return text.replace(/\s+/g, " ").replace(/[[<](?=\d+:)/g, "(");
}
