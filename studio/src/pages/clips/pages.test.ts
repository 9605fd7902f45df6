import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClipFilter, ClipPage } from "../../api/clips.ts";
import type { Clip } from "../../api/client.ts";
import { ClipPages } from "./pages.ts";

type Answer = (page: ClipPage) => void;

const page = (ids: string, pages = 3): ClipPage => ({
  items: [...ids].map((id) => ({ id }) as Clip),
  total: 9,
  pages,
});
const words = (search: string) => ({ search }) as ClipFilter;
const shown = (list: ClipPages) => list.clips.map(({ id }) => id).join("");

/** A list whose answers arrive when the test says so. */
function slow(): { list: ClipPages; answers: Map<string, Answer> } {
  const answers = new Map<string, Answer>();
  const list = new ClipPages(
    (filter, number) => new Promise((resolve) => answers.set(`${filter.search}${number}`, resolve)),
  );
  return { list, answers };
}

test("an old answer never replaces a newer one", async () => {
  const { list, answers } = slow();
  const first = list.show(words("a"));
  const second = list.show(words("ab"));
  answers.get("ab1")?.(page("xy"));
  await second;
  answers.get("a1")?.(page("old"));
  await first;
  assert.equal(shown(list), "xy");
  assert.equal(list.isLoading.value, false);
});

test("pages follow each other, one at a time and without repetitions", async () => {
  const { list, answers } = slow();
  const first = list.show(words("a"));
  answers.get("a1")?.(page("abc", 2));
  await first;
  const more = list.more();
  await list.more();
  answers.get("a2")?.(page("cde", 2));
  await more;
  assert.equal(shown(list), "abcde");
  assert.equal(list.hasMore, false);
  await list.more();
  assert.equal(answers.has("a3"), false);
});

test("a search that failed is repeated from its first page", async () => {
  let fails = false;
  const list = new ClipPages(async ({ search }) => {
    if (fails) throw new Error("The server is not reachable.");
    return page(search);
  });
  await list.show(words("ab"));
  fails = true;
  await list.show(words("xy"));
  await list.more();
  assert.deepEqual([shown(list), list.failedPage.value], ["ab", 1]);
  fails = false;
  await list.retry();
  assert.deepEqual([shown(list), list.failedPage.value], ["xy", 0]);
});

test("a failed page is loaded again", async () => {
  let fails = true;
  const list = new ClipPages(async (_filter, number) => {
    if (number === 2 && fails) throw new Error("The server is not reachable.");
    return page(number === 1 ? "ab" : "cd");
  });
  await list.show(words(""));
  await list.more();
  assert.equal(list.problem.value, "The server is not reachable.");
  assert.equal(shown(list), "ab");
  fails = false;
  await list.retry();
  assert.deepEqual([shown(list), list.problem.value], ["abcd", ""]);
});
