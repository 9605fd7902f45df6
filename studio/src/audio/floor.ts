/** One thing sounds at a time: whoever starts to play takes the floor, and the one who had it pauses. */

let pauseHolder: (() => void) | null = null;

/** Take the floor. `pause` is called when another player takes it. */
export function takeFloor(pause: () => void): void {
  const before = pauseHolder;
  pauseHolder = pause;
  if (before !== pause) before?.();
}

/** Give the floor back, for a player that goes away. */
export function leaveFloor(pause: () => void): void {
  if (pauseHolder === pause) pauseHolder = null;
}
