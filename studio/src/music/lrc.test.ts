import assert from "node:assert/strict";
import { test } from "node:test";
import { type LyricLine, linesOf, lrcText, withLine } from "./lrc.ts";

type Word = readonly [start: number, end: number | null, text: string];
const line = (start: number | null, end: number | null, text: string, ...words: Word[]): LyricLine => ({
  start_seconds: start,
  end_seconds: end,
  text,
  words: words.map(([start_seconds, end_seconds, word]) => ({ start_seconds, end_seconds, text: word })),
});

test("lyrics become LRC, and LRC lyrics", () => {
  const text = "[00:01.00]<00:01.00>Hello <00:01.50>world<00:02.25>\n[01:02.30]Again\n[01:04.00]\n[100:00.00]End";
  const lines = [
    line(1, 2.25, "Hello world", [1, 1.5, "Hello "], [1.5, 2.25, "world"]),
    line(62.3, 64, "Again"),
    line(6000, null, "End"),
  ];
  assert.deepEqual(linesOf(`[ar:Band]\n${text}`), lines);
  assert.equal(lrcText(lines), text);
});

test("LRC has many forms", () => {
  assert.deepEqual(linesOf(" one\r\n\r\n[Chorus]\n"), [line(null, null, "one"), line(null, null, "[Chorus]")]);
  assert.deepEqual(linesOf("[00:09]b\n[0:1.5] [00:12:25]a"), [
    line(1.5, null, "a"),
    line(9, null, "b"),
    line(12.25, null, "a"),
  ]);
  assert.deepEqual(linesOf("[offset:-250]\n[00:01]a"), [line(1.25, null, "a")]);
  assert.deepEqual(linesOf("[00:01.00] <00:01.10> When  <00:01.60> the <00:02.00>"), [
    line(1, 2, "When the", [1.1, 1.6, "When "], [1.6, 2, "the"]),
  ]);
  assert.deepEqual(
    linesOf("[00:01][00:11]Oh <00:02>yes").at(1),
    line(11, null, "Oh yes", [11, 12, "Oh "], [12, null, "yes"]),
  );
});

test("no text becomes a time or a line", () => {
  assert.equal(lrcText([line(1, null, "[00:09.00]a\n<00:10>b")]), "[00:01.00](00:09.00]a (00:10>b");
});

test("a corrected line keeps the times of its words if there are as many", () => {
  const sung = line(1, 2, "Hello word", [1, 1.5, "Hello "], [1.5, 2, "word"]);
  const [next, again] = [line(3, 4, "Again"), structuredClone(sung)]; // the lyrics were loaded again meanwhile
  const world = line(1, 2, "Hello world", [1, 1.5, "Hello"], [1.5, 2, " world"]);
  assert.deepEqual(withLine([again, next], sung, " Hello  world "), [world, next]);
  assert.deepEqual(withLine([again, next], sung, "Hi"), [line(1, 2, "Hi"), next]);
  assert.deepEqual(withLine([again, next], sung, " "), [next]);
});
