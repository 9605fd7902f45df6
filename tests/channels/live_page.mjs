// Runs the script of our pages, as it is, on as much of a page as it touches. One line of JSON on standard input says what
// the page holds: {script, page, cookie, list, live, elements: [[id, html], ...]}; later ones are ["play", id],
// ["pause", id] and ["look"]. Standard output gets, one JSON array a line, ["heard", id, html] for each element that the
// server pushes, and ["page", word, [[id, html], ...]] whenever that differs from before, and when asked to look. The end
// of the input ends it.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { runInThisContext } from "node:vm";

let told = "";
const tell = (...seen) => process.stdout.write(JSON.stringify(seen) + "\n");

function report() {
  const page = JSON.stringify([state.textContent, list.children.map(({ id, html }) => [id, html])]);
  if (page !== told) {
    told = page;
    tell("page", ...JSON.parse(page));
  }
}

class Player {
  paused = true;
  #listeners = [];

  addEventListener(_event, listener) {
    this.#listeners.push(listener);
  }

  pause() {
    this.paused = true;
    this.#listeners.splice(0).forEach((listener) => listener());
  }
}

class Element {
  constructor(html) {
    this.html = html;
    this.id = html.match(/^<li [^>]*id="([^"]+)"/)[1];
    this.player = html.includes("<audio") ? new Player() : null;
  }

  #place = () => list.children.indexOf(this);
  querySelector = (selector) => (selector === "audio" ? this.player : null);
  querySelectorAll = () => [];
  contains = () => false;
  remove = () => list.children.splice(this.#place(), 1);
  replaceWith = (fresh) => list.children.splice(this.#place(), 1, fresh);
  after = (fresh) => list.children.splice(this.#place() + 1, 0, fresh);
}

const state = { hidden: true, textContent: "" };
const list = { id: "", dataset: {}, children: [], prepend: (fresh) => list.children.unshift(fresh) };
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const given = JSON.parse((await lines.next()).value);
list.id = given.list;
list.dataset.live = given.live;
list.children = given.elements.map(([, html]) => new Element(html));
const found = (id) => list.children.find((child) => child.id === id);

globalThis.location = { href: given.page };
globalThis.document = {
  activeElement: null,
  querySelector: (selector) => (selector === "[data-live]" ? list : null),
  getElementById: (id) => (id === "live" ? state : (found(id) ?? null)),
  createElement() {
    const content = {};
    return { content, set innerHTML(html) { content.firstElementChild = new Element(html); } };
  },
};
// What a browser says by itself.
globalThis.WebSocket = class extends WebSocket {
  constructor(address) {
    super(address, { headers: { cookie: given.cookie, origin: new URL(given.page).origin } });
    this.addEventListener("message", ({ data }) => setImmediate(() => {
      const { id, html } = JSON.parse(data);
      if (id) {
        tell("heard", id, html);
      }
      report();
    }));
    this.addEventListener("close", () => setImmediate(report));
  }
};

runInThisContext(readFileSync(given.script, "utf8"), { filename: given.script });

for await (const line of lines) {
  const [step, id] = JSON.parse(line);
  if (step === "play") {
    found(id).player.paused = false;
  } else if (step === "pause") {
    found(id).player.pause();
  } else {
    told = "";
  }
  report();
}
process.exit(0);
