import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { browserText, durationText, shellWord, shortened, sizeText } from "./texts.ts";

test("sizes have three digits", () => {
  const sizes = [0, 999, 1000, 52_428_800, 999_600, 1e9, 5e15];
  assert.deepEqual(sizes.map(sizeText), ["0 B", "999 B", "1 kB", "52.4 MB", "1 MB", "1 GB", "5000 TB"]);
});

test("durations are in their largest units", () => {
  const durations = [0, 59.4, 60, 3599, 3600, 7500, 200_000];
  assert.deepEqual(durations.map(durationText), ["0 s", "59 s", "1 min", "59 min", "1 h 0 min", "2 h 5 min", "2 days"]);
});

test("long texts are shortened between letters", () => {
  assert.equal(shortened("a".repeat(80)), "a".repeat(80));
  assert.equal(shortened(`${"🎵".repeat(78)} end`), `${"🎵".repeat(78)}…`);
});

test("browsers are named", () => {
  const chrome =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
  assert.equal(browserText(chrome), "Chrome on Linux");
  assert.equal(browserText(chrome.replace("X11; Linux x86_64", "Linux; Android 15")), "Chrome on Android");
  assert.equal(browserText(`${chrome} Edg/140.0`), "Edge on Linux");
  assert.equal(
    browserText("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1"),
    "Safari on iOS",
  );
  assert.equal(browserText("curl/8.5.0"), "curl/8.5.0");
  assert.equal(browserText(null), "Unknown browser");
  assert.equal(browserText("x".repeat(400)).length, 60);
});

test("a shell reads a word as it was", () => {
  for (const text of ["plain", "a b", "it's", '$HOME `id` \\ "', "'"]) {
    assert.equal(execFileSync("sh", ["-c", `printf %s ${shellWord(text)}`], { encoding: "utf8" }), text);
  }
});
