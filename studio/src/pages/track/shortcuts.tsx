/** Keyboard shortcuts of the track page. */

import { Dialog } from "../../ui/components.tsx";
import type { Player } from "./player.ts";

interface Shortcut {
  /** Names of {@link keyOf}. */
  readonly keys: readonly string[];
  readonly shown: string;
  readonly text: string;
  readonly run: (player: Player, key: string) => void;
}

const SEMITONES = 12;

export const SHORTCUTS: readonly Shortcut[] = [
  { keys: [" ", "k"], shown: "Space", text: "Play or pause", run: (player) => player.toggle() },
  { keys: ["ArrowLeft"], shown: "←", text: "5 seconds back", run: (player) => player.skip(-5) },
  { keys: ["ArrowRight"], shown: "→", text: "5 seconds on", run: (player) => player.skip(5) },
  { keys: ["Home"], shown: "Home", text: "To the beginning", run: (player) => player.seek(0) },
  { keys: ["l"], shown: "L", text: "Loop the visible part, or end the loop", run: (player) => player.toggleLoop() },
  { keys: ["["], shown: "[", text: "Start of the loop at the position", run: (player) => player.loopFromHere() },
  { keys: ["]"], shown: "]", text: "End of the loop at the position", run: (player) => player.loopToHere() },
  {
    keys: ["1", "2", "3", "4", "5", "6"],
    shown: "1–6",
    text: "Mute a stem",
    run: (player, key) => {
      const stem = player.stems[Number(key) - 1];
      if (stem) player.change(stem.stem_type, { mute: !player.lane(stem.stem_type).mute });
    },
  },
  {
    keys: ["Shift 1", "Shift 2", "Shift 3", "Shift 4", "Shift 5", "Shift 6"],
    shown: "Shift 1–6",
    text: "Solo a stem",
    run: (player, key) => {
      const stem = player.stems[Number(key.at(-1)) - 1];
      if (stem) player.change(stem.stem_type, { solo: !player.lane(stem.stem_type).solo });
    },
  },
  {
    keys: ["o"],
    shown: "O",
    text: "Original or stems",
    run: (player) => {
      if (player.mix) player.hearsOriginal.value = !player.hearsOriginal.value;
    },
  },
  {
    keys: ["m"],
    shown: "M",
    text: "Metronome",
    run: (player) => {
      player.metronome.value = !player.metronome.value;
    },
  },
  { keys: ["d"], shown: "D", text: "Begin the bars at the position", run: (player) => player.beginBarsHere() },
  {
    keys: ["b"],
    shown: "B",
    text: "Separation A or B in all lanes",
    run: (player) => {
      if (player.others.size > 0) player.switchTo(player.switched.value.size === 0);
    },
  },
  { keys: ["+", "="], shown: "+", text: "Zoom in", run: (player) => player.zoom(2) },
  { keys: ["-"], shown: "−", text: "Zoom out", run: (player) => player.zoom(0.5) },
  { keys: ["0"], shown: "0", text: "Show the whole track", run: (player) => player.showAll() },
  {
    keys: ["<", ","],
    shown: ",",
    text: "Slower",
    run: ({ speed }) => {
      speed.value = Math.max(0.5, Math.round(speed.value * 20 - 1) / 20);
    },
  },
  {
    keys: [">", "."],
    shown: ".",
    text: "Faster",
    run: ({ speed }) => {
      speed.value = Math.min(2, Math.round(speed.value * 20 + 1) / 20);
    },
  },
  {
    keys: ["PageUp"],
    shown: "Page up",
    text: "A semitone up",
    run: ({ semitones }) => {
      semitones.value = Math.min(SEMITONES, semitones.value + 1);
    },
  },
  {
    keys: ["PageDown"],
    shown: "Page down",
    text: "A semitone down",
    run: ({ semitones }) => {
      semitones.value = Math.max(-SEMITONES, semitones.value - 1);
    },
  },
];

/** Whether the pointer was used last. Then Space plays, whatever has the focus from a click. */
let usedPointer = false;
addEventListener("pointerdown", () => (usedPointer = true), true);
addEventListener("keydown", (event) => (usedPointer &&= event.key !== "Tab"), true);

/** Run the shortcut of a key. Return whether there is one. Controls keep the keys that they use themselves. */
export function runShortcut(player: Player, event: KeyboardEvent): boolean {
  const isBracket = event.key === "[" || event.key === "]"; // which need Alt on some keyboards of Macs
  if (event.ctrlKey || event.metaKey || (event.altKey && !isBracket) || usesKey(event.target, event.key)) return false;
  const key = keyOf(event);
  const shortcut = shortcutOf(key);
  shortcut?.run(player, key);
  return shortcut !== undefined;
}

function shortcutOf(key: string): Shortcut | undefined {
  return SHORTCUTS.find(({ keys }) => keys.includes(key));
}

/** Return what a key writes, or the place of a digit, because keyboards differ in what Shift and a digit write. */
function keyOf({ key, code, shiftKey }: KeyboardEvent): string {
  const place = /^Digit(\d)$/.exec(code)?.[1];
  if (!place || (shortcutOf(key) && !/\d/.test(key))) return key;
  return shiftKey ? `Shift ${place}` : place;
}

function usesKey(target: EventTarget | null, key: string): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.closest("dialog")) return true;
  const isText = target.matches("input:not([type=range], [type=checkbox], [type=radio], [type=number]), textarea");
  if (key === " " && usedPointer && !isText) {
    target.blur(); // else Firefox clicks a button when the key is released
    return false;
  }
  if (target.role === "slider") return key.startsWith("Arrow");
  if (target instanceof HTMLInputElement && target.type === "range") {
    return key.startsWith("Arrow") || key.startsWith("Page") || key === "Home" || key === "End";
  }
  if (target instanceof HTMLInputElement || target instanceof HTMLSelectElement) return true;
  return key === " " && target.matches("button, a, summary");
}

export function ShortcutList({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keyboard shortcuts" onClose={onClose}>
      <dl class="keys">
        {SHORTCUTS.map(({ shown, text }) => (
          <>
            <dt key={shown}>
              <kbd>{shown}</kbd>
            </dt>
            <dd>{text}</dd>
          </>
        ))}
        <dt>
          <kbd>?</kbd>
        </dt>
        <dd>This list</dd>
      </dl>
    </Dialog>
  );
}
