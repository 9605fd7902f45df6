/** One thing sounds at a time: whoever starts to play takes the floor, and the one who had it pauses. */

import { computed, signal } from "@preact/signals";

const pauseHolder = signal<(() => void) | null>(null);

/** Whether nothing plays. */
export const isSilent = computed(() => pauseHolder.value === null);

/** Take the floor. `pause` is called when another player takes it. */
export function takeFloor(pause: () => void): void {
  const before = pauseHolder.peek();
  pauseHolder.value = pause;
  if (before !== pause) before?.();
}

/** Give the floor back, for a player that pauses or goes away. */
export function leaveFloor(pause: () => void): void {
  if (pauseHolder.peek() === pause) pauseHolder.value = null;
}
